// A small machine for tests of fs/: an instance, credentials, and short names for common calls.
#ifndef TESTS_UNIT_VFS_ENV_H
#define TESTS_UNIT_VFS_ENV_H

#include "fs/vfs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct env {
    struct frame_pool *frames;
    struct vfs *vfs;
    struct cred *root_cred, *user_cred; // user 1000, group 1000, also in group 50
    struct vfs_caller root, user;
};

static inline struct cred *env_user_cred(void)
{
    struct cred *c = calloc(1, sizeof *c + sizeof(uint32_t));
    ISH_ASSERT(c);
    atomic_init(&c->refs, 1);
    c->uid = c->euid = c->suid = c->fsuid = 1000;
    c->gid = c->egid = c->sgid = c->fsgid = 1000;
    c->group_count = 1;
    c->groups[0] = 50;
    return c;
}

static inline void env_start(struct env *e)
{
    *e = (struct env){0};
    ISH_ASSERT(!frame_pool_create(0, &e->frames));
    ISH_ASSERT(!vfs_create(e->frames, &e->vfs));
    e->root_cred = cred_create_root();
    e->user_cred = env_user_cred();
}

// Mounts the root; consumes the super.
static inline void env_mount_root(struct env *e, struct super *super, const char *type)
{
    ISH_ASSERT(!vfs_mount(e->vfs, NULL, super, "none", type, 0));
    struct path root;
    vfs_root(e->vfs, &root);
    e->root = (struct vfs_caller){e->vfs, e->root_cred, root, root, 022, NULL};
    e->user = (struct vfs_caller){e->vfs, e->user_cred, root, root, 022, NULL};
}

static inline void env_stop(struct env *e)
{
    path_put(&e->root.root);
    vfs_destroy(e->vfs);
    cred_put(e->root_cred);
    cred_put(e->user_cred);
    frame_pool_destroy(e->frames);
}

static inline int env_mkdir(const struct vfs_caller *c, const char *name, uint32_t mode)
{
    return vfs_mkdir(c, NULL, name, mode);
}

// Opens and closes; returns the error.
static inline int env_try_open(const struct vfs_caller *c, const char *name, unsigned flags,
                               uint32_t mode)
{
    struct file *file;
    int err = vfs_open(c, NULL, name, flags, mode, 0, &file);
    if (!err)
        file_put(file);
    return err;
}

static inline struct file *env_open(const struct vfs_caller *c, const char *name, unsigned flags,
                                    uint32_t mode)
{
    struct file *file;
    return vfs_open(c, NULL, name, flags, mode, 0, &file) ? NULL : file;
}

static inline ssize_t env_pwrite(struct file *file, const void *buf, size_t n, uint64_t pos)
{
    struct iter it;
    iter_kernel(&it, (void *)(uintptr_t)buf, n);
    return file_write(file, &it, &pos);
}

static inline ssize_t env_write(struct file *file, const char *text)
{
    struct iter it;
    iter_kernel(&it, (void *)(uintptr_t)text, strlen(text));
    return file_write(file, &it, NULL);
}

static inline ssize_t env_pread(struct file *file, void *buf, size_t n, uint64_t pos)
{
    struct iter it;
    iter_kernel(&it, buf, n);
    return file_read(file, &it, &pos);
}

// Makes a file with this content.
static inline int env_put(const struct vfs_caller *c, const char *name, const char *text,
                          uint32_t mode)
{
    struct file *file;
    int err =
        vfs_open(c, NULL, name, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, mode, 0, &file);
    if (err)
        return err;
    ssize_t n = env_write(file, text);
    file_put(file);
    return n < 0 ? (int)n : 0;
}

// Does the file hold exactly this text?
static inline bool env_holds(const struct vfs_caller *c, const char *name, const char *text)
{
    char buf[4096];
    struct file *file = env_open(c, name, LINUX_O_RDONLY, 0);
    if (!file)
        return false;
    ssize_t n = env_pread(file, buf, sizeof buf, 0);
    file_put(file);
    return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static inline int env_stat(const struct vfs_caller *c, const char *name, struct vfs_stat *st)
{
    struct path p;
    int err = path_walk(c, NULL, name, 0, &p);
    if (err)
        return err;
    err = vfs_getattr(c, &p, st);
    path_put(&p);
    return err;
}

static inline uint32_t env_mode(const struct vfs_caller *c, const char *name)
{
    struct vfs_stat st;
    return env_stat(c, name, &st) ? 0 : st.mode;
}

static inline int env_setattr(const struct vfs_caller *c, const char *name,
                              const struct vfs_setattr *attr)
{
    struct path p;
    int err = path_walk(c, NULL, name, 0, &p);
    if (err)
        return err;
    err = vfs_setattr(c, &p, attr, false);
    path_put(&p);
    return err;
}

static inline int env_chmod(const struct vfs_caller *c, const char *name, uint32_t mode)
{
    return env_setattr(c, name, &(struct vfs_setattr){.mask = ATTR_MODE, .mode = mode});
}

static inline int env_chown(const struct vfs_caller *c, const char *name, uint32_t uid,
                            uint32_t gid)
{
    return env_setattr(
        c, name,
        &(struct vfs_setattr){.mask = ATTR_UID | ATTR_GID | ATTR_CHOWN, .uid = uid, .gid = gid});
}

static inline int env_truncate(const struct vfs_caller *c, const char *name, uint64_t size)
{
    return env_setattr(c, name, &(struct vfs_setattr){.mask = ATTR_SIZE, .size = size});
}

static inline int env_rename(const struct vfs_caller *c, const char *from, const char *to,
                             unsigned flags)
{
    return vfs_rename(c, NULL, from, NULL, to, flags);
}

static inline int env_link(const struct vfs_caller *c, const char *from, const char *to)
{
    struct path p;
    int err = path_walk(c, NULL, from, 0, &p);
    if (err)
        return err;
    err = vfs_link(c, &p, NULL, to);
    path_put(&p);
    return err;
}

static inline bool env_exists(const struct vfs_caller *c, const char *name)
{
    struct vfs_stat st;
    return env_stat(c, name, &st) == 0;
}

struct env_list {
    struct dir_sink sink;
    char names[8192]; // "name\n" for each entry
    size_t len;
    unsigned count, limit;
};

static inline bool env_list_emit(struct dir_sink *sink, const char *name, size_t name_len,
                                 uint64_t ino, uint8_t d_type, uint64_t next_pos)
{
    (void)ino, (void)d_type, (void)next_pos;
    struct env_list *l = CONTAINER_OF(sink, struct env_list, sink);
    if (l->limit && l->count >= l->limit)
        return false;
    if (l->len + name_len + 2 <= sizeof l->names) {
        memcpy(l->names + l->len, name, name_len);
        l->len += name_len;
        l->names[l->len++] = '\n';
        l->names[l->len] = 0;
    }
    l->count++;
    return true;
}

// How many entries the directory shows, "." and ".." included.
static inline int env_count(const struct vfs_caller *c, const char *name)
{
    struct env_list l = {.sink = {env_list_emit}};
    struct file *dir = env_open(c, name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    if (!dir)
        return -1;
    int err = file_readdir(dir, &l.sink);
    file_put(dir);
    return err ? err : (int)l.count;
}

#endif
