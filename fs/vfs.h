// The virtual file system: inodes, dentries, mounts, open files, and the contracts a file system
// fulfils. Layer 3.
//
// Paths are walked here, one component at a time (fs/path.c); nothing below the walk sees a name
// with a slash, and the host follows no symlink and no "..". Credentials arrive in a `vfs_caller`;
// the VFS knows no task (struct task is opaque, for the files that live in kernel/).
//
// Errors are negative Linux numbers; 0 or a count is success. Flag and mode values are Linux ones
// (platform/abi/fs.h). Times are nanoseconds since the epoch.
//
// Locks: see platform/lock.tbl. An op is called with no VFS lock held except where it says so.
#ifndef FS_VFS_H
#define FS_VFS_H

#include "fs/cred.h"
#include "fs/gate.h"
#include "fs/iter.h"
#include "fs/namespace.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include "platform/frame.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vfs; // all mounts and caches of one kernel instance
struct super;
struct inode;
struct dentry;
struct mnt_ns;
struct mount;
struct file;
struct poll_table;

// --- Attributes ----------------------------------------------------------------------------------

struct vfs_stat {
    uint64_t dev, ino, rdev; // device numbers in Linux's encoding (see vfs_makedev)
    uint32_t mode, nlink, uid, gid;
    uint64_t size, blocks; // blocks of 512 bytes
    uint32_t blksize;
    int64_t atime, mtime, ctime, btime; // btime: INT64_MIN where unknown
};

enum vfs_attr {
    ATTR_MODE = 1 << 0,
    ATTR_UID = 1 << 1,
    ATTR_GID = 1 << 2,
    ATTR_SIZE = 1 << 3,
    ATTR_ATIME = 1 << 4,
    ATTR_MTIME = 1 << 5,
    ATTR_CHOWN = 1 << 6, // chown was asked, even of nothing: set-id bits of a non-directory go
};
struct vfs_setattr {
    uint32_t mask; // bits of enum vfs_attr
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t atime, mtime;
};

struct vfs_statfs {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
    uint64_t fsid;
};

static inline uint64_t vfs_makedev(uint32_t major, uint32_t minor)
{
    return (minor & 0xffu) | (uint64_t)(major & 0xfffu) << 8 | (uint64_t)(minor & ~0xffu) << 12;
}
static inline uint32_t vfs_major(uint64_t dev)
{
    return (uint32_t)(dev >> 8 & 0xfff);
}
static inline uint32_t vfs_minor(uint64_t dev)
{
    return (uint32_t)((dev & 0xff) | (dev >> 12 & 0xffffff00u));
}

// --- Walking -------------------------------------------------------------------------------------

// A place in the tree: a dentry seen through a mount. Holding one references both.
struct path {
    struct mount *mnt;
    struct dentry *dentry;
};
void path_get(const struct path *p);
void path_put(const struct path *p); // harmless when empty

// On whose behalf an operation runs. Filled by kernel/ for each system call; all borrowed.
struct vfs_caller {
    struct vfs *vfs;
    const struct cred *cred;
    struct path root, cwd; // absolute paths start at root, and ".." stops there
    uint32_t umask;
    struct task *task; // opaque; procfs and magic links need it. NULL for internal work
};

enum vfs_walk_flags {
    WALK_FOLLOW = 1 << 0,    // follow a symlink in the last component
    WALK_EMPTY = 1 << 1,     // AT_EMPTY_PATH: "" is the base itself
    WALK_DIRECTORY = 1 << 2, // the result must be a directory
    WALK_NO_XDEV = 1 << 3,   // RESOLVE_NO_XDEV
    WALK_NO_MAGICLINKS = 1 << 4,
    WALK_NO_SYMLINKS = 1 << 5,
    WALK_BENEATH = 1 << 6,
    WALK_IN_ROOT = 1 << 7,
};
// Resolves `name` from `base` (NULL: the caller's cwd) to an existing object, referenced in `out`.
NODISCARD int path_walk(const struct vfs_caller *c, const struct path *base, const char *name,
                        unsigned flags, struct path *out);

// The absolute name of `p` below `root` into buf (NUL included). Returns its length without NUL,
// -LINUX_ERANGE when it does not fit, -LINUX_ENOENT when it was deleted (buf then holds
// "NAME (deleted)") or is not below root ("(unreachable)NAME").
int path_name(const struct path *p, const struct path *root, char *buf, size_t size);

// The same for links that show where something is: the length whatever became of it, and from the
// top of all what is not below root.
int path_shown(const struct path *p, const struct path *root, char *buf, size_t size);

struct inode *path_inode(const struct path *p);

// --- Operations by path (what system calls are made of) ------------------------------------------
// Each checks permissions, mount flags (EROFS) and name rules as Linux does.

// open(2): flags are LINUX_O_*; `resolve`: extra WALK_* of openat2. *out has one reference.
NODISCARD int vfs_open(const struct vfs_caller *c, const struct path *base, const char *name,
                       unsigned flags, uint32_t mode, unsigned resolve, struct file **out);
// Opens an object that was already resolved (magic links, exec).
NODISCARD int vfs_open_path(const struct vfs_caller *c, const struct path *p, unsigned flags,
                            struct file **out);
// The same for who watches: nobody is told of what happens through this file.
NODISCARD int vfs_open_unseen(const struct vfs_caller *c, const struct path *p, unsigned flags,
                              struct file **out);
// Opens an inode that has no name in any tree (memfd, pipes, shared anonymous memory). `name` is
// what /proc/PID/fd and maps show: "pipe:[17]", "/memfd:x (deleted)". The file gets a path of its
// own, so magic links lead to it. Permissions are not checked.
NODISCARD int vfs_open_inode(struct vfs *vfs, struct inode *inode, unsigned flags,
                             const struct cred *cred, const char *name, struct file **out);
// The place of an object without a name, which magic links lead to. *out is referenced.
NODISCARD int vfs_unnamed_path(struct vfs *vfs, struct inode *inode, const char *name,
                               struct path *out);
NODISCARD int vfs_mkdir(const struct vfs_caller *c, const struct path *base, const char *name,
                        uint32_t mode);
NODISCARD int vfs_mknod(const struct vfs_caller *c, const struct path *base, const char *name,
                        uint32_t mode, uint64_t rdev);
NODISCARD int vfs_symlink(const struct vfs_caller *c, const char *target, const struct path *base,
                          const char *name);
NODISCARD int vfs_link(const struct vfs_caller *c, const struct path *old, const struct path *base,
                       const char *name);
NODISCARD int vfs_unlink(const struct vfs_caller *c, const struct path *base, const char *name);
NODISCARD int vfs_rmdir(const struct vfs_caller *c, const struct path *base, const char *name);
// flags: LINUX_RENAME_*.
NODISCARD int vfs_rename(const struct vfs_caller *c, const struct path *old_base,
                         const char *old_name, const struct path *new_base, const char *new_name,
                         unsigned flags);
ssize_t vfs_readlink(const struct vfs_caller *c, const struct path *p, char *buf, size_t size);
NODISCARD int vfs_getattr(const struct vfs_caller *c, const struct path *p, struct vfs_stat *out);
// chmod, chown, utimensat, truncate (by path: needs write permission). UINT32_MAX for uid/gid is
// expressed by leaving the bit out. Clears set-id bits, checks ownership and capabilities.
// `set_now`: utimensat's "both UTIME_NOW", for which write permission is enough.
NODISCARD int vfs_setattr(const struct vfs_caller *c, const struct path *p,
                          const struct vfs_setattr *attr, bool set_now);
// ftruncate(2): the right to write was established by open.
NODISCARD int file_truncate(const struct vfs_caller *c, struct file *file, uint64_t size);
// mask: LINUX_R_OK|W_OK|X_OK. Uses c->cred's fsuid/fsgid.
NODISCARD int vfs_permission(const struct vfs_caller *c, const struct path *p, unsigned mask);
NODISCARD int vfs_statfs(const struct path *p, struct vfs_statfs *out);

ssize_t vfs_getxattr(const struct vfs_caller *c, const struct path *p, const char *name, void *buf,
                     size_t size);
NODISCARD int vfs_setxattr(const struct vfs_caller *c, const struct path *p, const char *name,
                           const void *value, size_t size, unsigned flags);
ssize_t vfs_listxattr(const struct vfs_caller *c, const struct path *p, char *buf, size_t size);
NODISCARD int vfs_removexattr(const struct vfs_caller *c, const struct path *p, const char *name);

// Objects by number (fs/handle.c). -LINUX_EOPNOTSUPP for a file system whose objects have none.
struct vfs_handle {
    uint64_t ino;
    uint32_t generation;
};
NODISCARD int vfs_handle_make(const struct path *p, struct vfs_handle *out);
// In the file system that `at` is in, seen through the same mount. -LINUX_ESTALE.
NODISCARD int vfs_handle_find(const struct vfs_caller *c, const struct path *at,
                              const struct vfs_handle *h, struct path *out);

// --- Mounts --------------------------------------------------------------------------------------

NODISCARD int vfs_create(struct frame_pool *frames, struct vfs **out);
void vfs_destroy(struct vfs *vfs); // every file must be closed

// What the VFS asks of the layer above; set once at boot. Called with no lock held.
struct vfs_hooks {
    void *ctx;
    // Removes every page-table entry that maps pages [first, end) of the file, in every address
    // space, and returns when no CPU can use an old translation. `truncated` (not for punch hole):
    // private copies of those pages go too, as Linux does.
    void (*revoke)(void *ctx, struct inode *inode, uint64_t first, uint64_t end, bool truncated);
};
void vfs_set_hooks(struct vfs *vfs, const struct vfs_hooks *hooks);
// Somebody with a lease on the inode is to give it up before it is opened with `flags` (LINUX_O_*;
// truncated: as if to be written). May wait unless LINUX_O_NONBLOCK; no lock is held. `task` is the
// caller's. Set once at boot.
void vfs_set_lease_hook(struct vfs *vfs, void *ctx,
                        int (*break_leases)(void *ctx, struct inode *inode, unsigned flags,
                                            struct task *task));

// What happened to a watched inode (inode->watches is set).
struct vfs_event {
    uint32_t mask;    // one LINUX_IN_* event, LINUX_IN_ISDIR with it for directories
    uint32_t cookie;  // the same for both halves of a rename
    const char *name; // of what it is about in the watched directory; NULL: the inode itself
    bool unlinked;    // the name is gone already
};
// `event` is called for inodes with watches only, and may be called with locks ranked inode and
// below held. Set once at boot.
void vfs_set_event_hook(struct vfs *vfs, void *ctx,
                        void (*event)(void *ctx, struct inode *inode, const struct vfs_event *e));
// The same for what happens through an open file, for whoever watches places (fanotify): `parent`
// is the directory it is in, NULL for none. Called with no lock held.
void vfs_set_file_event_hook(struct vfs *vfs, void *ctx,
                             void (*event)(void *ctx, const struct path *p, struct inode *parent,
                                           uint32_t mask));
// So many watches more or less; without any nothing is told.
void vfs_watching(struct vfs *vfs, int change);
enum vfs_mount_flags {
    MOUNT_RDONLY = 1 << 0,
    MOUNT_NOSUID = 1 << 1,
    MOUNT_NODEV = 1 << 2,
    MOUNT_NOEXEC = 1 << 3,
    MOUNT_NOATIME = 1 << 4, // these three are recorded and shown: the host decides
    MOUNT_NODIRATIME = 1 << 5,
    MOUNT_STRICTATIME = 1 << 6,
    MOUNT_NOSYMFOLLOW = 1 << 7,
    MOUNT_ATIMES = MOUNT_NOATIME | MOUNT_NODIRATIME | MOUNT_STRICTATIME,
    MOUNT_FLAGS =
        MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_ATIMES | MOUNT_NOSYMFOLLOW,
};
// Mounts `super` (consuming its reference) on `at`, or as the root when `at` is NULL. `source` and
// `type` are what /proc/mounts shows.
NODISCARD int vfs_mount(struct vfs *vfs, const struct path *at, struct super *super,
                        const char *source, const char *type, unsigned flags);
// A second view of the tree at `from` (bind mount), with what is mounted below it if `recursive`.
NODISCARD int vfs_bind(struct vfs *vfs, const struct path *from, const struct path *at,
                       unsigned flags, bool recursive);
NODISCARD int vfs_umount(struct vfs *vfs, const struct path *at, bool lazy);
// MNT_EXPIRE: -LINUX_EAGAIN the first time, gone the second if nobody has used it in between.
// Consumes the references of `at`.
NODISCARD int vfs_umount_expired(struct vfs *vfs, struct path *at);

// --- Mount namespaces (fs/mount_ns.c) ------------------------------------------------------------
// Every mount of a namespace is copied when another is made of it; a task's root and directory are
// places in the tree of its own. `ns` arguments are the caller's: places elsewhere are
// -LINUX_EINVAL.
struct mnt_ns *vfs_initial_ns(struct vfs *vfs); // borrowed
struct mnt_ns *mnt_ns_get(struct mnt_ns *ns);
void mnt_ns_put(struct mnt_ns *ns); // no lock held
struct namespace *mnt_ns_base(struct mnt_ns *ns);
struct mnt_ns *mnt_ns_of(struct namespace *base);
void mnt_ns_root(struct mnt_ns *ns, struct path *out); // referenced
bool mnt_ns_has(struct mnt_ns *ns, const struct path *p);
// A copy of `from`; the `count` places in it are moved to the copies. `owner` governs it.
NODISCARD int mnt_ns_copy(struct mnt_ns *from, struct user_ns *owner, uint32_t inum,
                          struct path *const *places, unsigned count, struct mnt_ns **out);
// mount(2) with MS_MOVE: the mount whose root is `from` goes to `to`.
NODISCARD int vfs_move_mount(struct mnt_ns *ns, const struct path *from, const struct path *to);
enum vfs_share { SHARE_PRIVATE, SHARE_SLAVE, SHARE_SHARED, SHARE_UNBINDABLE };
// Sets the flags of `mask` (MOUNT_*) of the mount at `at`, or of all below it too, and how they
// share unless that is NULL: all of it or nothing. -LINUX_EPERM for a flag that came from a
// namespace with more rights, -LINUX_EBUSY for MOUNT_RDONLY while files are open for writing.
NODISCARD int vfs_set_mount_flags(struct mnt_ns *ns, const struct path *at, unsigned mask,
                                  unsigned flags, const enum vfs_share *share, bool recursive);
NODISCARD int vfs_set_sharing(struct mnt_ns *ns, const struct path *at, enum vfs_share kind,
                              bool recursive);
// The mount at `to` joins the groups of the one at `from`. The caller has CAP_SYS_ADMIN in `ns`.
NODISCARD int vfs_join_sharing(struct mnt_ns *ns, const struct path *from, const struct path *to);
// The mount at `new_root` becomes the root of the tree, the old one goes to `put_old`; `root` is
// the caller's. Who had the old root as its own is for the caller to move.
NODISCARD int vfs_pivot_root(struct mnt_ns *ns, const struct path *root,
                             const struct path *new_root, const struct path *put_old);
// A mount that is in no tree yet, or no more: what open_tree(2) and fsmount(2) give.
NODISCARD int vfs_detached_mount(struct vfs *vfs, struct super *super, const char *source,
                                 const char *type, unsigned flags, struct path *out);
NODISCARD int vfs_detached_copy(struct mnt_ns *ns, const struct path *from, bool recursive,
                                struct path *out);
// Opens the top of a detached tree as O_PATH does; `p` is consumed, also on failure. With the last
// reference to the file goes the tree, unless it has found a place.
NODISCARD int vfs_open_detached(const struct vfs_caller *c, struct path *p, struct file **out);

// sync(2): every mounted file system, one after the other.
void vfs_sync(struct vfs *vfs);
void vfs_root(struct vfs *vfs, struct path *out);            // of the initial namespace; referenced
const struct user_ns *vfs_mount_owner(const struct path *p); // of the file system
struct super *vfs_mount_super(const struct path *p);         // referenced
const char *vfs_mount_type(const struct path *p);            // borrowed
int vfs_mount_id(const struct path *p);                      // 0: in no tree
bool vfs_is_mount_root(const struct path *p);
unsigned vfs_mount_flags(const struct path *p); // MOUNT_*, with MOUNT_RDONLY of the file system
// The file system itself: -LINUX_EBUSY while files are open for writing through any mount of it.
NODISCARD int vfs_super_set_rdonly(struct super *super, bool rdonly);
// Calls `each` for every mount in order, without locks held; text fields are copies.
struct vfs_mount_info {
    int id, parent_id;
    uint64_t dev;
    const char *source, *type, *point; // point: absolute name below `root`
    const char *subtree;               // the part of the file system that is mounted: "/"
    unsigned flags;
    bool super_rdonly;
    const char *options; // of the file system: "", or ",size=64k,mode=755"
    int peers, master;   // groups it shares with; 0: none
    bool unbindable;
};
void vfs_each_mount(struct mnt_ns *ns, const struct path *root,
                    void (*each)(void *ctx, const struct vfs_mount_info *info), void *ctx);

// --- What a file system implements ---------------------------------------------------------------

struct super_ops {
    // Last reference gone (mounts hold them, and through mounts open files; inodes do not). Puts
    // s->root; no other inode of it is in use.
    void (*destroy)(struct super *s);
    int (*statfs)(struct super *s, struct vfs_statfs *out);
    int (*sync)(struct super *s);
    // What /proc/mounts shows beyond the flags, each option after a comma. Optional.
    void (*show_options)(struct super *s, char *buf, size_t size);
};

struct super {
    _Atomic uint32_t refs;
    const struct super_ops *ops;
    struct vfs *vfs;
    uint64_t dev;       // st_dev of its inodes (a number of ours)
    struct inode *root; // referenced
    void *private;
    unsigned flags; // SUPER_*
    _Atomic bool rdonly;
    struct user_ns *owner;   // who mounted it; referenced; NULL: the initial namespace
    struct lock rename_lock; // renames across directories, one at a time
};
enum {
    SUPER_NO_DCACHE = 1 << 0,   // names appear and vanish by themselves: look every one up (procfs)
    SUPER_FIXED_NAMES = 1 << 1, // making a name that is not there is ENOENT (procfs)
    SUPER_HANDLES = 1 << 2,     // objects can be found by their numbers (fs/handle.c)
    SUPER_EXCLUSIVE = 1 << 3,   // creating what is there is -EEXIST, so nobody has to ask before
};

// The kinds of change a directory op makes are each one op; `name` has no slash, is not "." or
// "..", is NUL-terminated and at most 255 bytes. The VFS has checked permissions and holds dir's
// lock (inode->lock) around lookup, create ... rename, so one directory changes one name at a time
// and a name being created is not looked up before create has returned. (lookup in a
// SUPER_NO_DCACHE file system is called without it.)
struct vfs_rename_args {
    // Both directories are locked. `inode` is the object moved; `target` what new_name holds, NULL
    // for nothing (the VFS has checked that the kinds fit).
    struct inode *old_dir, *new_dir, *inode, *target;
    const char *old_name, *new_name;
    unsigned flags; // 0 or LINUX_RENAME_EXCHANGE, which the op may refuse with -LINUX_EINVAL
    bool target_in_use;
};

struct inode_ops {
    // The child's inode, referenced. -LINUX_ENOENT when there is none.
    int (*lookup)(struct inode *dir, const char *name, const struct vfs_caller *c,
                  struct inode **out);
    // New objects: owner c->cred->fsuid, group per setgid directories, mode already umasked.
    int (*create)(struct inode *dir, const char *name, uint32_t mode, const struct vfs_caller *c,
                  struct inode **out);
    int (*mkdir)(struct inode *dir, const char *name, uint32_t mode, const struct vfs_caller *c,
                 struct inode **out);
    int (*mknod)(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                 const struct vfs_caller *c, struct inode **out);
    int (*symlink)(struct inode *dir, const char *name, const char *target,
                   const struct vfs_caller *c, struct inode **out);
    int (*link)(struct inode *inode, struct inode *dir, const char *name);
    // `in_use`: somebody else holds the object, so it must stay usable without the name.
    int (*unlink)(struct inode *dir, const char *name, struct inode *inode, bool in_use);
    int (*rmdir)(struct inode *dir, const char *name, struct inode *inode, bool in_use);
    int (*rename)(const struct vfs_rename_args *args);
    // An unnamed file in `dir`'s file system (O_TMPFILE), or what else the type in `mode` says: a
    // device 0:0 (whiteouts). `link` gives it a name.
    int (*tmpfile)(struct inode *dir, uint32_t mode, const struct vfs_caller *c,
                   struct inode **out);

    // Text of a symlink; returns its length (may exceed size).
    ssize_t (*readlink)(struct inode *inode, const struct vfs_caller *c, char *buf, size_t size);
    // A magic link: the object itself, referenced. Tried before readlink when not NULL.
    int (*follow)(struct inode *inode, const struct vfs_caller *c, struct path *out);

    int (*getattr)(struct inode *inode, struct vfs_stat *out); // must exist
    int (*setattr)(struct inode *inode, const struct vfs_setattr *attr);
    // NULL: the usual rwx check of mode and owner.
    int (*permission)(struct inode *inode, const struct vfs_caller *c, unsigned mask);

    // Xattr names arrive complete ("user.x"). Size 0 queries.
    ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
    int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size,
                    unsigned flags);
    ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
    int (*removexattr)(struct inode *inode, const char *name);

    // Makes file->ops and file->private. NULL: inode->file_ops is used as it is.
    int (*open)(struct inode *inode, struct file *file, const struct vfs_caller *c);

    // The frame that holds page `index` (4 KiB units) of the file's content, referenced, shared
    // with every reader, writer and mapping. -LINUX_EFAULT beyond the end of file; -LINUX_ENODEV
    // when the object cannot be mapped. A frame may be taken away again by truncation at any time:
    // whoever installs it in a page table compares inode->page_epoch before and after, see there.
    int (*get_page)(struct inode *inode, uint64_t index, struct frame **out);
    // The same for `count` <= 64 pages from `index` on, where that costs less than one by one: NULL
    // for those that are not to be had. Returns what get_page would for page index + want. NULL: it
    // is got one by one.
    int (*get_pages)(struct inode *inode, uint64_t index, unsigned count, unsigned want,
                     struct frame **out);

    // What tells an object from another that had its number before, besides the birth time, which
    // may be the same. NULL: numbers are not used again.
    int (*generation)(struct inode *inode, uint64_t *out);

    // Last reference gone: frees private state (and the object itself when it has no name left).
    void (*evict)(struct inode *inode);
};

struct inode { // what walks and stat look at comes first, a cache line of it
    _Atomic uint32_t refs;
    uint32_t type; // LINUX_S_IF*, immutable
    // Owner and permission bits, for path walks. Kept by the file system when `cached_perm` is set
    // (immutable); otherwise getattr is asked.
    _Atomic uint32_t mode, uid, gid; // mode: with type
    bool cached_perm;
    _Atomic uint32_t acl_epoch; // as caps_epoch, for its access control list (fs/acl.c)
    struct super *super;
    const struct inode_ops *ops;
    void *private;
    uint64_t ino;                    // immutable
    uint64_t rdev;                   // immutable
    const struct file_ops *file_ops; // may be NULL for directories without an own open
    struct lock lock; // rank inode. Directory: its names. File: size changes against each other
    struct gate write_gate; // regular file: writers, truncation, seals, one at a time
    // Open for writing when > 0, being executed when < 0 (ETXTBSY).
    _Atomic int32_t writers;
    _Atomic uint32_t readers; // regular file: open for reading alone
    // Mappings through which the contents may be changed; < 0: sealed against more of them.
    _Atomic int32_t writable_maps;
    // Moves before pages of the file are revoked. To map a page: load the epoch, get_page, install
    // the entry (visible to the reverse map), load it again; if it moved, take the entry back and
    // start over. All loads seq_cst.
    _Atomic uint32_t page_epoch;
    _Atomic bool linkable; // O_TMPFILE: may be given its first name
    // Moves by 2 around a change of security.capability; odd: known to have none (fs/attr.c).
    _Atomic uint32_t caps_epoch;
    // Zero when the inode is made.
    _Atomic(struct inode_locks *) locks; // fs/lock.c
    void *_Atomic watches;               // kernel/inotify.c
    void *_Atomic leases;                // kernel/lease.c
    // The kernel's own object behind a FIFO or a bound socket, guarded by lock; freed with the
    // inode.
    void *attached;
    void (*attached_free)(void *attached);
    // INODE_SECRET; LINUX_F_SEAL_*: what may no longer be done to the contents (memfd). tmpfs obeys
    // them.
    _Atomic uint32_t seals;
};

// In seals: nobody but who maps it sees the contents, and its size is set once (memfd_secret(2)).
#define INODE_SECRET (1u << 30)

// A new inode with one reference. NULL without memory.
struct inode *inode_create(struct super *super, const struct inode_ops *ops, uint32_t type,
                           uint64_t ino);
// The same as the first member of something larger, `size` bytes in all, which goes with it.
struct inode *inode_create_in(size_t size, struct super *super, const struct inode_ops *ops,
                              uint32_t type, uint64_t ino);
// Undoes inode_create, before anybody knew of it: evict is not called.
void inode_discard(struct inode *inode);
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode); // with no lock ranked inode or above held
// inode_put in two steps, for a file system whose evict would free a chain of inodes one inside the
// other: true when the last reference went (then the caller does what evict does, and frees).
NODISCARD bool inode_unref(struct inode *inode);
void inode_free(struct inode *inode);
// True and referenced unless the last reference is already gone: for tables of inodes that hold
// none.
bool inode_get_unless_gone(struct inode *inode);

// Owner and mode of a new object in `dir`: fsuid, the group rule of set-group-id directories.
void inode_new_owner(const struct inode *dir, const struct vfs_caller *c, uint32_t *mode,
                     uint32_t *uid, uint32_t *gid);

// exec: nobody may write while the program runs. -LINUX_ETXTBSY when it is open for writing.
NODISCARD int inode_deny_write(struct inode *inode);
void inode_allow_write(struct inode *inode);

// Mappings that can change the contents: -LINUX_EPERM once they are refused for good; -LINUX_EBUSY
// while there are any. A count that is positive may be raised without asking.
NODISCARD int inode_map_writable(struct inode *inode);
void inode_unmap_writable(struct inode *inode);
NODISCARD int inode_refuse_writable_maps(struct inode *inode);

struct super *super_create(const struct super_ops *ops, struct vfs *vfs, void *private);
struct super *super_get(struct super *s);
void super_put(struct super *s);

// --- Open files ----------------------------------------------------------------------------------

// Called once for each entry; returns false to stop (the entry was not taken).
struct dir_sink {
    bool (*emit)(struct dir_sink *sink, const char *name, size_t name_len, uint64_t ino,
                 uint8_t d_type, uint64_t next_pos);
};
// The usual check, for a permission op that adds to it. mask: LINUX_R_OK|W_OK|X_OK.
NODISCARD int inode_permission_usual(const struct vfs_caller *c, struct inode *inode,
                                     unsigned mask);

// What a kind of file takes beyond plain reads and writes; Linux refuses the rest by an errno.
enum file_traits {
    FILE_SPLICE_READ = 1 << 0,  // splice(2), sendfile(2): data may come from it
    FILE_SPLICE_WRITE = 1 << 1, // ... may go to it
    FILE_SPLICE = FILE_SPLICE_READ | FILE_SPLICE_WRITE,
    FILE_NOWAIT_READ = 1 << 2, // RWF_NOWAIT
    FILE_NOWAIT_WRITE = 1 << 3,
    FILE_NOWAIT = FILE_NOWAIT_READ | FILE_NOWAIT_WRITE,
    FILE_DIRECT = 1 << 4, // O_DIRECT, which leaves it to the host what is cached
};

struct file_ops {
    unsigned traits; // FILE_*
    // `pos` is the file position to use and advance; for streams it is ignored. Blocking reads wait
    // through it->task (kernel/wait.h) and honour it->nonblock.
    ssize_t (*read)(struct file *file, struct iter *it, uint64_t *pos);
    ssize_t (*write)(struct file *file, struct iter *it, uint64_t *pos);
    // NULL: -LINUX_ESPIPE. Default helpers: file_seek_default (uses getattr's size).
    int64_t (*seek)(struct file *file, int64_t offset, unsigned whence);
    // Emits entries from `*pos` on (0 = start), "." and ".." included; advances *pos.
    int (*readdir)(struct file *file, uint64_t *pos, struct dir_sink *sink);
    // Ready events (LINUX_POLL*); registers with `table` when that is not NULL. NULL op: always
    // readable and writable.
    uint32_t (*poll)(struct file *file, struct poll_table *table);
    // `task` is the caller; arg as the guest passed it. -LINUX_ENOTTY for unknown commands.
    int64_t (*ioctl)(struct file *file, struct task *task, uint32_t cmd, uint64_t arg);
    int (*fsync)(struct file *file, bool data_only);
    int (*fallocate)(struct file *file, unsigned mode, uint64_t offset, uint64_t len);
    // NULL: the inode's get_page.
    int (*get_page)(struct file *file, uint64_t index, struct frame **out);
    // O_ASYNC is wanted, or no more: sets the flag too. NULL: it cannot be.
    int (*set_async)(struct file *file, struct task *task, int fd, bool on);
    // One line or more for /proc/PID/fdinfo. Optional; returns length.
    size_t (*show_fdinfo)(struct file *file, char *buf, size_t size);
    // Each close(2) of a descriptor that names it (POSIX locks, tty hangup rules). Optional.
    void (*flush)(struct file *file, struct task *task);
    // Last reference gone.
    void (*release)(struct file *file);
};

struct file {
    _Atomic uint32_t refs;
    const struct file_ops *ops; // immutable after open
    struct path path;           // empty for objects without a name; immutable
    struct inode *inode;        // may be NULL (anonymous kinds); immutable
    const struct cred *cred;    // of the opener; immutable
    void *private;
    _Atomic uint32_t flags; // LINUX_O_* incl. access mode; F_SETFL changes some
    struct gate pos_gate;   // held over read/write/lseek/getdents that use pos
    uint64_t pos;           // guarded by pos_gate
    bool counted_writer;    // holds one of inode->writers
    bool counted_reader;    // the same of inode->readers
    bool notifies;          // has a place in a tree where watches may be; immutable
    const char *anon_name;  // "anon_inode:[eventpoll]" and the like for /proc/PID/fd, else NULL
    // Told once, before `release`, when the last reference is gone: epoll's interest in the file.
    // Set by kernel/epoll.c under its own lock, never cleared.
    struct file_watch *_Atomic watch;
    // The same for whom it sends signals to. Set by kernel/async.c.
    struct file_watch *_Atomic owner;
};
struct file_watch {
    void (*released)(struct file_watch *watch, struct file *file); // frees `watch`
};

// A file with one reference and the given ops (pipes, sockets, eventfd ...). NULL without memory.
struct file *file_create(const struct file_ops *ops, void *private, uint32_t flags,
                         const char *anon_name);
struct file *file_get(struct file *file);
void file_put(struct file *file);

// Checked entry points: access mode, directory, offset limits, then the op. pread/pwrite give
// `pos`; a NULL pos means the file's own position under pos_gate. A write op honours O_APPEND.
ssize_t file_read(struct file *file, struct iter *it, uint64_t *pos);
ssize_t file_write(struct file *file, struct iter *it, uint64_t *pos);
int64_t file_seek(struct file *file, int64_t offset, unsigned whence); // lseek(2)
int64_t file_seek_default(struct file *file, int64_t offset, unsigned whence);
// getdents: emits from the file's own position on. -LINUX_ENOTDIR, -LINUX_ENOENT when removed.
NODISCARD int file_readdir(struct file *file, struct dir_sink *sink);
uint32_t file_poll(struct file *file, struct poll_table *table);
NODISCARD int file_fsync(struct file *file, bool data_only);
// `cred`: the caller's, which decides about set-id bits.
NODISCARD int file_fallocate(const struct cred *cred, struct file *file, unsigned mode,
                             uint64_t offset, uint64_t len);
// What mmap and page faults use: file->ops->get_page or the inode's. -LINUX_ENODEV without either.
NODISCARD int file_get_page(struct file *file, uint64_t index, struct frame **out);
// Several at once; see get_pages above.
NODISCARD int file_get_pages(struct file *file, uint64_t index, unsigned count, unsigned want,
                             struct frame **out);

// poll registration: an op calls poll_wait() for each queue it may be woken through.
struct poll_table {
    void (*queue)(struct poll_table *table, struct file *file, struct wait_queue *q);
};
static inline void poll_wait(struct poll_table *table, struct file *file, struct wait_queue *q)
{
    if (table)
        table->queue(table, file, q);
}

// --- Advisory locks (fs/lock.c) ------------------------------------------------------------------
struct vfs_lock {
    uint64_t start, end; // inclusive; end UINT64_MAX = to the end of the file
    uint32_t type;       // LINUX_F_RDLCK, _WRLCK, _UNLCK
    const void *owner;   // POSIX: the files table; OFD and flock: the struct file
    int32_t pid;         // for F_GETLK
};
// One per sleeping F_SETLKW, so that cycles of owners waiting for each other are found. Zero before
// first use; ended with vfs_lock_waiter_done (harmless when unused).
struct vfs_lock_waiter {
    struct list node;
    struct vfs *vfs; // NULL: not waiting
    const void *owner, *blocker;
    bool visited; // by a search for circles, with `next`
    struct vfs_lock_waiter *next;
};
// Returns 0, -LINUX_EAGAIN with `*conflict` filled (if not NULL), -LINUX_EDEADLK, -LINUX_ENOLCK. A
// caller that wants to wait queues on vfs_lock_queue(), then tries (again) with its `waiter`.
NODISCARD int vfs_lock_posix(struct inode *inode, const struct vfs_lock *want,
                             struct vfs_lock *conflict, struct vfs_lock_waiter *waiter);
void vfs_lock_waiter_done(struct vfs_lock_waiter *waiter);
// F_GETLK: conflict->type is LINUX_F_UNLCK when `want` could be had.
void vfs_lock_test(struct inode *inode, const struct vfs_lock *want, struct vfs_lock *conflict);
// type: LINUX_F_RDLCK, _WRLCK, _UNLCK. -LINUX_EAGAIN, -LINUX_ENOLCK.
NODISCARD int vfs_lock_flock(struct inode *inode, struct file *file, uint32_t type);
// NULL without memory.
struct wait_queue *vfs_lock_queue(struct inode *inode);
// Releases everything `owner` holds on the inode: the files table's POSIX locks at each close. What
// a struct file owns (flock, OFD) goes with its last reference by itself.
void vfs_lock_release_owner(struct inode *inode, const void *owner);

// --- Built-in file systems -----------------------------------------------------------------------
// Each makes a super with one reference, to be given to vfs_mount.
NODISCARD int tmpfs_create(struct vfs *vfs, uint64_t size_limit, uint32_t root_mode,
                           struct super **out);
// The same with everything that can be said. Of what is not in `set` there is a default: half of
// the memory for the size.
struct tmpfs_options {
    enum { TMPFS_SIZE = 1, TMPFS_NODES = 2, TMPFS_MODE = 4, TMPFS_UID = 8, TMPFS_GID = 16 } set;
    uint64_t size, nodes; // bytes, objects; 0: no limit
    uint32_t mode, uid, gid;
};
NODISCARD int tmpfs_create_with(struct vfs *vfs, const struct tmpfs_options *options,
                                struct super **out);
// New limits. NULL, or what is wrong with them.
const char *tmpfs_reconfigure(struct super *super, const struct tmpfs_options *options);
// devfs holds null zero full random urandom; other layers add their devices.
NODISCARD int devfs_create(struct vfs *vfs, struct super **out);
// Character and block devices by number: `open` sets file->ops and private. Registered at boot.
struct vfs_device {
    // LINUX_S_IFCHR, LINUX_S_IFBLK, or LINUX_S_IFIFO: opening any fifo, which may wait for the
    // other end.
    uint32_t type;
    uint32_t major, minor_first, minor_last;
    int (*open)(struct inode *inode, struct file *file, const struct vfs_caller *c, void *ctx);
    void *ctx;
};
// Also LINUX_S_IFIFO, whatever the numbers: opens every named pipe (until then they are ENXIO).
NODISCARD int vfs_register_device(struct vfs *vfs, const struct vfs_device *device);
NODISCARD int vfs_open_device(struct inode *inode, struct file *file, const struct vfs_caller *c);

#endif
