// File systems kept in a directory of the host: what fakefs and hostfs share. Layer 3.
//
// A `host_node` is the object behind one host inode: found by (dev, ino), it knows the names that
// lead to it, and is reached by (descriptor of the parent directory, name). Host calls are made
// with no lock above the directory's inode lock held. What differs between the two file systems
// (owners, modes, xattrs) is behind `host_policy`.
#ifndef FS_HOST_HOST_FS_H
#define FS_HOST_HOST_FS_H

#include "fs/sparse_map.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/base/log.h"
#include "platform/host_file.h"

struct host_fs;
struct host_node;

// Where an object can be named. While a place is held, the object is not renamed or removed.
struct host_place {
    struct host_node *node;   // NULL for one that does not exist yet
    struct host_node *parent; // NULL: in the staging directory
    int dir_fd;
    char name[256];
};

// What the guest sees of an object's metadata.
struct host_meta {
    uint32_t mode, uid, gid; // mode: with type
    uint64_t rdev;
};

struct host_policy {
    // The metadata of an object as the host shows it. Negative errno refuses it.
    // *recorded: see host_node.
    int (*load)(struct host_fs *fs, const struct host_stat *st, struct host_meta *out,
                uint64_t *recorded);
    // Bits to create the host object with; for an object that is nothing but metadata `mode`'s type
    // says so and the host object is an empty regular file.
    uint32_t (*create_mode)(const struct host_meta *meta);
    // Records the metadata of an object just made, before anybody can look it up, and gives the
    // host object its final mode. `fd` is -1 where none is open. `parent` and `name`: where.
    // `place`: where it is on the host; place->parent NULL in the staging directory.
    // st->mode is made what it is then.
    int (*created)(struct host_fs *fs, struct host_stat *st, const struct host_meta *meta,
                   const struct host_place *place, int fd, uint64_t *recorded);
    // chmod, chown. `from` is what there is.
    int (*change)(struct host_node *node, const struct host_meta *from, const struct host_meta *to);
    // The object has no name left and nobody uses it.
    void (*removed)(struct host_node *node);
    // A name of something that is no directory was added, moved or removed; (gone_dir, gone) is the
    // one it had, if any. `wait`: until that is durable.
    int (*named)(struct host_node *node, struct host_node *gone_dir, const char *gone, bool wait);
    // A directory was moved (`exchange`: another one the other way). Called with names_lock held,
    // at the moment its path changes; `settled` waits until what was noted is durable.
    int (*dir_moved)(struct host_fs *fs, struct host_node *old_dir, const char *old_name,
                     struct host_node *new_dir, const char *new_name, bool exchange,
                     uint64_t *note);
    int (*settled)(struct host_fs *fs, uint64_t note);
    void (*times_set)(struct host_node *node); // the host's birth time may have moved with them
    uint8_t (*dirent_type)(struct host_fs *fs, uint64_t ino, uint8_t host_type);
    // NULL: none.
    ssize_t (*getxattr)(struct host_node *node, const char *name, void *buf, size_t size);
    int (*setxattr)(struct host_node *node, const char *name, const void *value, size_t size,
                    unsigned flags);
    ssize_t (*listxattr)(struct host_node *node, char *buf, size_t size);
    int (*removexattr)(struct host_node *node, const char *name);
    int (*sync)(struct host_fs *fs); // what fsync owes besides the file itself
    void (*destroy)(struct host_fs *fs);
};

enum { HOST_BUCKETS = 4096, HOST_NAMES_MAX = 16, HOST_DEVS_MAX = 32 };

struct host_fs {
    struct super *super;
    struct vfs *vfs;
    const struct host_policy *policy;
    void *store;           // the policy's
    const struct log *log; // may be NULL
    bool owned;            // nobody else changes the tree; it does not cross devices
    bool escaped;          // the host folds names: they are spelt as in name.c
    uint64_t root_dev;
    int staging_fd;          // directory for files without a name (O_TMPFILE); -1: none
    _Atomic uint64_t staged; // names used there

    struct lock table_lock;            // rank host_table
    struct list buckets[HOST_BUCKETS]; // made when first used
    uint64_t devs[HOST_DEVS_MAX];      // host devices met, each shown as one of ours
    uint64_t guest_devs[HOST_DEVS_MAX];
    unsigned dev_count;

    // Paths of nodes against notes about them: held while a directory's path changes, and while a
    // path is put together and noted. Rank host_names.
    struct lock names_lock;
    struct lock node_lock; // rank host_node; guards what nodes say it does
    struct cond settled;   // a name has come to rest, or a place is given up
    struct list dir_lru;   // nodes with an open directory descriptor, most recently used first
    unsigned dir_count, dir_limit;
};

// A descriptor shared by the open files of one node.
struct host_fd {
    _Atomic uint32_t refs;
    int fd;
    bool writable;
};

struct host_name {
    struct list link;
    struct host_node *parent; // its inode is referenced; NULL: the staging directory
    char name[];
};

// What stat looks at comes first.
struct host_node {
    struct inode inode; // first: they are one allocation
    struct host_fs *fs;
    uint64_t dev, ino;
    uint32_t host_type; // immutable: S_IF* of the host object
    // Guarded by fs->node_lock.
    bool fresh;                // `attr` is what a lookup just saw
    bool linked;               // has, or once had, more than one name: `names` may not be all
    bool staged;               // its one host name is in the staging directory: the guest sees none
    bool renaming;             // the host's names and `names` do not agree just now
    int dir_fd;                // directory: -1 when not open
    _Atomic unsigned dir_pins; // raised under the lock, lowered without
    struct host_fd *fd;        // others: open, or kept because no name is left
    struct list names;         // ways to get there, at most HOST_NAMES_MAX
    unsigned name_count;
    uint32_t moves;       // changes of `names`
    unsigned place_users; // places held
    unsigned keep;        // holds: the descriptor is the only way left, or about to be
    unsigned open_count;
    uint32_t host_mode;
    bool removed;     // and with the last close the metadata goes
    bool target_read; // and the host's access time of it says so
    char *target;     // symlink: its text, once read
    struct list dir_link;
    struct host_stat attr;
    // Guarded by fs->table_lock.
    struct list bucket_link;

    _Atomic int64_t btime;
    _Atomic(struct host_pages *) pages; // made when first needed

    // The policy's: something is recorded about the object. Changed under inode->lock or before
    // anybody knows the node.
    _Atomic uint64_t recorded;
};

static inline struct host_node *host_node_of(struct inode *inode)
{
    return CONTAINER_OF(inode, struct host_node, inode);
}

// --- fs/host/node.c ------------------------------------------------------------------------------
// Takes over root_fd (and staging_fd). The super gets root set.
NODISCARD int host_fs_init(struct host_fs *fs, struct super *super,
                           const struct host_policy *policy, int root_fd);
void host_fs_free(struct host_fs *fs); // after the last inode
NODISCARD int host_fs_statfs(struct host_fs *fs, struct vfs_statfs *out);
NODISCARD int host_fs_sync(struct host_fs *fs);
// The inode of a host object seen as (parent, name), referenced. `meta` and `recorded`: known
// already (NULL: ask the policy).
NODISCARD int host_node_get(struct host_fs *fs, const struct host_stat *st,
                            const struct host_meta *meta, uint64_t recorded,
                            struct host_node *parent, const char *name, struct inode **out);
void host_node_evict(struct inode *inode);
// No longer found by (dev, ino): its host inode may be used again.
void host_node_forget(struct host_node *node);
void host_node_remember(struct host_node *node);
NODISCARD int host_name_add(struct host_node *node, struct host_node *parent, const char *name);
// The same in two steps, for what the host does in between: a name (NULL without memory; not given
// away, it is freed by free()), and giving it to a node.
struct host_name *host_name_make(struct host_node *parent, const char *name);
void host_name_give(struct host_node *node, struct host_name *name);
void host_name_remove(struct host_node *node, struct host_node *parent, const char *name);
void host_attr_changed(struct host_node *node);
// A snapshot of the known names; the parents are referenced until host_names_done.
struct host_name_list {
    unsigned count;
    struct host_node *parent[HOST_NAMES_MAX];
    char *name[HOST_NAMES_MAX];
};
NODISCARD int host_names_get(struct host_node *node, struct host_name_list *out);
void host_names_done(struct host_name_list *names);
// Path from the root of the file system by the first known name; -LINUX_ENOENT,
// -LINUX_ENAMETOOLONG.
int host_node_path(struct host_node *node, char *buf, size_t size);

// --- fs/host/name.c ------------------------------------------------------------------------------
NODISCARD int host_name_escape(const char *name, char out[LINUX_NAME_MAX + 1]);
// False for what is no spelling.
NODISCARD bool host_name_unescape(const char *name, char out[LINUX_NAME_MAX + 1]);
// The guest's *name becomes the host's, in `buf` if they differ. Names in nodes and places are the
// host's.
NODISCARD int host_spelling(const struct host_fs *fs, const char **name,
                            char buf[LINUX_NAME_MAX + 1]);

// --- fs/host/reach.c -----------------------------------------------------------------------------
// A directory's descriptor, pinned until host_dir_done.
NODISCARD int host_dir_pin(struct host_node *dir, int *fd);
void host_dir_done(struct host_node *dir);
// Ends with host_place_done.
NODISCARD int host_place_find(struct host_node *node, struct host_place *out);
void host_place_done(struct host_place *place);
// Around changing host names of `a` (and `b`, may be NULL) and their `names`: nobody holds a place
// of theirs in between, and whoever is misled by a name waits. No other wait happens inside.
void host_rename_begin(struct host_node *a, struct host_node *b);
void host_rename_end(struct host_node *a, struct host_node *b);
// host_open that gives cached descriptors up when there are none left.
NODISCARD int host_fs_open(struct host_fs *fs, int dir_fd, const char *name, unsigned flags,
                           uint32_t mode);
// A descriptor for the contents, referenced.
NODISCARD int host_fd_get(struct host_node *node, bool write, struct host_fd **out);
void host_fd_put(struct host_fd *fd);
struct host_fd *host_fd_create(int fd, bool writable); // closes fd on failure (NULL)
// Keeps the object reachable without its last name: a descriptor stays open until the node goes,
// or the hold is given back because a name is left.
NODISCARD int host_node_hold(struct host_node *node);
void host_node_unhold(struct host_node *node);
// Closes the descriptor if no file has it open: after a use of one's own.
void host_fd_close_idle(struct host_node *node);
// A new descriptor for the object itself, for calls that want one: files and directories only.
NODISCARD int host_node_open_any(struct host_node *node, int *fd);
NODISCARD int host_node_stat(struct host_node *node, struct host_stat *out);
NODISCARD int host_node_readlink(struct host_node *node, char *buf, size_t size, size_t *len);

// --- fs/host/pages.c -----------------------------------------------------------------------------
NODISCARD int host_get_page(struct inode *inode, uint64_t index, struct frame **out);
NODISCARD int host_get_pages(struct inode *inode, uint64_t index, unsigned count, unsigned want,
                             struct frame **out);
// Cuts the file, taking mappings of what goes away first. Under the write gate.
NODISCARD int host_pages_truncate(struct host_node *node, int fd, uint64_t size);
// Takes a range out of the file or puts one in (fallocate), what is behind it moving.
NODISCARD int host_pages_move(struct host_node *node, int fd, unsigned mode, uint64_t offset,
                              uint64_t len);
void host_pages_put(struct host_pages *pages);

// --- fs/host/file.c, dir.c, ops.c ----------------------------------------------------------------
extern const struct file_ops host_file_ops, host_dir_ops;
extern const struct inode_ops host_dir_inode_ops, host_file_inode_ops, host_link_inode_ops,
    host_special_inode_ops;
NODISCARD int host_file_open(struct inode *inode, struct file *file, const struct vfs_caller *c);
NODISCARD int host_dir_file_open(struct inode *inode, struct file *file,
                                 const struct vfs_caller *c);
NODISCARD int host_truncate_node(struct host_node *node, uint64_t size);

#endif
