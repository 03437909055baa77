// What the two halves of tmpfs share: the tree (tmpfs.c) and file contents (tmpfs_file.c). Layer 3.
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "fs/sparse_map.h"
#include "fs/vfs_core.h"

struct tmpfs {
    struct vfs *vfs;
    _Atomic uint64_t page_limit, node_limit; // page_limit 0: none
    struct tmpfs_options shown;              // at the start; immutable
    _Atomic uint64_t pages, nodes;
    _Atomic uint64_t next_ino;
    struct lock lock; // rank host_table
    struct list all;  // every node; guarded by lock
};

struct tmpfs_entry {
    struct list bucket_link;
    struct inode *inode; // referenced
    uint64_t cookie;     // position in readdir
    uint32_t hash;
    char name[];
};

struct tmpfs_xattr {
    struct list link;
    char *name;
    void *value;
    size_t size;
};

struct tmpfs_node {
    struct tmpfs *fs;
    struct inode *inode;
    struct list all_link;

    struct lock lock; // rank file_pages
    // Guarded by lock.
    uint32_t nlink;
    int64_t atime, mtime, ctime, btime;
    struct list xattrs;
    uint64_t size;           // regular file, symlink
    struct sparse_map pages; // regular file: frames, one reference each
    uint64_t page_count;

    char *target; // symlink; immutable

    // Directory; guarded by inode->lock.
    struct sparse_map entries; // struct tmpfs_entry by cookie
    struct list *buckets;
    uint32_t bucket_count, entry_count;
    uint64_t next_cookie;
};

extern const struct file_ops tmpfs_file_ops;
NODISCARD int tmpfs_get_page(struct inode *inode, uint64_t index, struct frame **out);
NODISCARD int tmpfs_truncate(struct tmpfs_node *node, uint64_t size);
void tmpfs_free_pages(struct tmpfs_node *node);

#endif
