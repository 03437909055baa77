// A small file system in memory that follows Linux's rules, for fs_model.c: names, links, owners,
// modes, contents. Each m_* operation changes the model and returns what the system call must:
// 0 or more, or the negative error. M_SKIP says that the call is not to be made at all.
//
// Names are one letter, "a" to "f"; a directory is an array of children. Symlinks are relative.
#ifndef TESTS_GUEST_FS_MODEL_H
#define TESTS_GUEST_FS_MODEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { M_NAMES = 6, M_SIZE_MAX = 20000, M_TEXT = 32, M_SKIP = -100000, M_LINKS = 40 };
enum { M_READ = 4, M_WRITE = 2, M_EXEC = 1 };

struct m_node {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    unsigned nlink, opens; // opens: descriptors; with no link either, contents go
    bool dead, linkable;   // dead: a removed directory; linkable: made by O_TMPFILE
    unsigned subdirs;
    struct m_node *child[M_NAMES], *parent;
    char target[M_TEXT], attr[M_TEXT];
    int attr_len; // of user.t; -1: none
    unsigned char *data;
    size_t size;
    dev_t rdev;
    unsigned crossed; // a symlink: walks that led through it
};

struct m_cred {
    uid_t uid;
    gid_t gid, group; // one more group
};

static inline bool m_is_dir(const struct m_node *n)
{
    return S_ISDIR(n->mode);
}

static inline struct m_node *m_new(mode_t mode, uid_t uid, gid_t gid)
{
    struct m_node *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    n->mode = mode;
    n->uid = uid;
    n->gid = gid;
    n->attr_len = -1;
    return n;
}

// Nodes stay (the tree may still point at a removed directory's); contents do not.
static inline void m_drop(struct m_node *n)
{
    if (n->nlink > 0 || n->opens > 0)
        return;
    free(n->data);
    n->data = NULL;
    n->size = 0;
}

static inline bool m_in_group(const struct m_cred *c, gid_t gid)
{
    return c->gid == gid || c->group == gid;
}

static inline int m_may(const struct m_cred *c, const struct m_node *n, unsigned mask)
{
    unsigned bits = n->mode & 7;
    if (c->uid == 0)
        return !(mask & M_EXEC) || m_is_dir(n) || n->mode & 0111 ? 0 : -EACCES;
    if (c->uid == n->uid)
        bits = n->mode >> 6 & 7;
    else if (m_in_group(c, n->gid))
        bits = n->mode >> 3 & 7;
    return (bits & mask) == mask ? 0 : -EACCES;
}

// --- Walking -------------------------------------------------------------------------------------

enum m_kind { M_NAME, M_DOT, M_DOTDOT, M_SELF };
struct m_walk {
    struct m_node *dir, *node; // where the last name is looked up, and what it is (NULL: nothing)
    enum m_kind kind;
    unsigned name;
    bool slash; // the path ended in one
};

static inline int m_step_symlink(struct m_node *link, char rest[512], unsigned *links)
{
    char all[512];
    if (++*links > M_LINKS)
        return -ELOOP;
    if (snprintf(all, sizeof all, "%s%s", link->target, rest) >= (int)sizeof all)
        return M_SKIP;
    memcpy(rest, all, sizeof all);
    link->crossed++;
    return 0;
}

// One component of `rest`, which is cut off. 1: it was the last.
static inline int m_component(struct m_walk *w, char rest[512])
{
    char *end = rest + strcspn(rest, "/"), *next = end + strspn(end, "/");
    size_t len = (size_t)(end - rest);
    bool last = !*next;
    w->slash = last && *end == '/';
    w->kind = len == 1 && rest[0] == '.'                     ? M_DOT
              : len == 2 && rest[0] == '.' && rest[1] == '.' ? M_DOTDOT
                                                             : M_NAME;
    w->name = w->kind == M_NAME ? (unsigned)(rest[0] - 'a') : 0;
    memmove(rest, end, strlen(end) + 1); // the slash stays, for symlinks
    return last;
}

static inline int m_look(struct m_walk *w)
{
    w->node = w->dir;
    if (w->kind == M_DOTDOT) {
        if (!w->dir->parent)
            return M_SKIP; // out of the model
        w->node = w->dir->parent;
    } else if (w->kind == M_NAME) {
        w->node = w->dir->child[w->name];
    }
    return 0;
}

// Walks to the last component; `follow`: through it too when it is a symlink, `slash_follows`: when
// it is one with a slash behind it.
static inline int m_walk(const struct m_cred *c, struct m_node *base, const char *path, bool follow,
                         bool slash_follows, struct m_walk *w)
{
    char rest[512];
    unsigned links = 0;
    snprintf(rest, sizeof rest, "%s", path);
    *w = (struct m_walk){.dir = base, .node = base, .kind = M_SELF};
    if (!*path)
        return -ENOENT;
    for (;;) {
        if (!m_is_dir(w->dir))
            return -ENOTDIR;
        int err = m_may(c, w->dir, M_EXEC);
        if (err)
            return err;
        int last = m_component(w, rest);
        err = m_look(w);
        if (err)
            return err;
        if (w->node && S_ISLNK(w->node->mode) && (!last || (w->slash ? slash_follows : follow))) {
            err = m_step_symlink(w->node, rest, &links);
            if (err)
                return err;
            continue;
        }
        if (last)
            return 0;
        if (!w->node)
            return -ENOENT;
        w->dir = w->node;
        memmove(rest, rest + strspn(rest, "/"), strlen(rest + strspn(rest, "/")) + 1);
    }
}

// To something that exists.
static inline int m_find(const struct m_cred *c, struct m_node *base, const char *path, bool follow,
                         struct m_node **out)
{
    struct m_walk w;
    int err = m_walk(c, base, path, follow, true, &w);
    if (err)
        return err;
    if (!w.node)
        return -ENOENT;
    if (w.slash && !m_is_dir(w.node))
        return -ENOTDIR;
    *out = w.node;
    return 0;
}

// --- Making --------------------------------------------------------------------------------------

static inline int m_may_create(const struct m_cred *c, const struct m_node *dir)
{
    return dir->dead ? -ENOENT : m_may(c, dir, M_WRITE | M_EXEC);
}

static inline void m_inherit(const struct m_cred *c, const struct m_node *dir, struct m_node *n)
{
    n->uid = c->uid;
    n->gid = c->gid;
    if (!(dir->mode & S_ISGID))
        return;
    n->gid = dir->gid;
    if (m_is_dir(n))
        n->mode |= S_ISGID;
    else if ((n->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && c->uid != 0 &&
             !m_in_group(c, dir->gid))
        n->mode &= (mode_t)~S_ISGID;
}

static inline void m_put(struct m_node *dir, unsigned name, struct m_node *n)
{
    dir->child[name] = n;
    if (m_is_dir(n)) {
        n->parent = dir;
        dir->subdirs++;
    }
}

static inline void m_take(struct m_node *dir, unsigned name)
{
    if (m_is_dir(dir->child[name]))
        dir->subdirs--;
    dir->child[name] = NULL;
}

// mkdir, mknod, symlink, link: the place for something new.
static inline int m_place(const struct m_cred *c, struct m_node *base, const char *path, bool dir,
                          struct m_walk *w)
{
    int err = m_walk(c, base, path, false, false, w);
    if (err)
        return err;
    if (w->kind != M_NAME || w->node)
        return -EEXIST;
    return w->slash && !dir ? -ENOENT : 0;
}

static inline int m_make(const struct m_cred *c, struct m_node *base, const char *path, mode_t mode,
                         const char *target, dev_t rdev)
{
    struct m_walk w;
    int err = m_place(c, base, path, S_ISDIR(mode), &w);
    if (!err)
        err = m_may_create(c, w.dir);
    if (err)
        return err;
    if ((S_ISCHR(mode) || S_ISBLK(mode)) && c->uid != 0 && !(S_ISCHR(mode) && rdev == 0))
        return -EPERM;
    struct m_node *n = m_new(mode, 0, 0);
    n->nlink = 1;
    n->rdev = rdev;
    if (target)
        memcpy(n->target, target, strnlen(target, sizeof n->target - 1));
    m_inherit(c, w.dir, n);
    m_put(w.dir, w.name, n);
    return 0;
}

static inline int m_link(const struct m_cred *c, struct m_node *node, struct m_node *base,
                         const char *path)
{
    struct m_walk w;
    int err = m_place(c, base, path, false, &w);
    if (!err && c->uid != 0 && c->uid != node->uid)
        return M_SKIP; // fs.protected_hardlinks
    if (!err)
        err = m_may_create(c, w.dir);
    if (!err && m_is_dir(node))
        err = -EPERM;
    if (!err && node->nlink == 0 && !node->linkable)
        err = -ENOENT;
    if (err)
        return err;
    node->nlink++;
    m_put(w.dir, w.name, node);
    return 0;
}

// --- Removing and renaming -----------------------------------------------------------------------

static inline bool m_empty(const struct m_node *dir)
{
    for (unsigned i = 0; i < M_NAMES; i++)
        if (dir->child[i])
            return false;
    return true;
}

static inline int m_may_delete(const struct m_cred *c, const struct m_node *dir,
                               const struct m_node *n, bool want_dir)
{
    int err = m_may(c, dir, M_WRITE | M_EXEC);
    if (err)
        return err;
    if (dir->mode & S_ISVTX && c->uid != 0 && c->uid != n->uid && c->uid != dir->uid)
        return -EPERM;
    if (want_dir != m_is_dir(n))
        return want_dir ? -ENOTDIR : -EISDIR;
    return dir->dead ? -ENOENT : 0;
}

static inline void m_unname(struct m_node *n)
{
    if (m_is_dir(n)) {
        n->dead = true;
        n->nlink = 0;
    } else {
        n->nlink--;
    }
    m_drop(n);
}

static inline int m_unlink(const struct m_cred *c, struct m_node *base, const char *path)
{
    struct m_walk w;
    int err = m_walk(c, base, path, false, false, &w);
    if (err)
        return err;
    if (w.kind != M_NAME)
        return -EISDIR;
    if (!w.node)
        return -ENOENT;
    if (w.slash)
        return m_is_dir(w.node) ? -EISDIR : -ENOTDIR;
    err = m_may_delete(c, w.dir, w.node, false);
    if (err)
        return err;
    m_take(w.dir, w.name);
    m_unname(w.node);
    return 0;
}

static inline int m_rmdir(const struct m_cred *c, struct m_node *base, const char *path)
{
    struct m_walk w;
    int err = m_walk(c, base, path, false, false, &w);
    if (err)
        return err;
    if (w.kind != M_NAME)
        return w.kind == M_DOT ? -EINVAL : -ENOTEMPTY;
    if (!w.node)
        return -ENOENT;
    err = m_may_delete(c, w.dir, w.node, true);
    if (!err && !m_empty(w.node))
        err = -ENOTEMPTY;
    if (err)
        return err;
    m_take(w.dir, w.name);
    m_unname(w.node);
    return 0;
}

static inline bool m_is_above(const struct m_node *above, const struct m_node *n)
{
    for (; n; n = n->parent)
        if (n == above)
            return true;
    return false;
}

static inline int m_check_rename(const struct m_walk *a, const struct m_walk *b, unsigned flags)
{
    bool exchange = flags & RENAME_EXCHANGE;
    if (!a->node)
        return -ENOENT;
    if (flags & RENAME_NOREPLACE && b->node)
        return -EEXIST;
    if (exchange && !b->node)
        return -ENOENT;
    if (exchange && !m_is_dir(b->node) && b->slash)
        return -ENOTDIR;
    if (!m_is_dir(a->node) && (a->slash || (!exchange && b->slash)))
        return -ENOTDIR;
    if (m_is_dir(a->node) && m_is_above(a->node, b->dir))
        return -EINVAL;
    if (b->node && m_is_dir(b->node) && m_is_above(b->node, a->dir))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static inline int m_may_rename(const struct m_cred *c, const struct m_walk *a,
                               const struct m_walk *b, bool exchange)
{
    int err = m_may_delete(c, a->dir, a->node, m_is_dir(a->node));
    if (!err)
        err = b->node ? m_may_delete(c, b->dir, b->node, m_is_dir(exchange ? b->node : a->node))
                      : m_may_create(c, b->dir);
    if (!err && a->dir != b->dir && m_is_dir(a->node))
        err = m_may(c, a->node, M_WRITE);
    if (!err && a->dir != b->dir && exchange && m_is_dir(b->node))
        err = m_may(c, b->node, M_WRITE);
    if (!err && b->node && !exchange && m_is_dir(b->node) && !m_empty(b->node))
        err = -ENOTEMPTY;
    return err;
}

static inline int m_rename(const struct m_cred *c, struct m_node *from, const char *old,
                           struct m_node *to, const char *new, unsigned flags)
{
    struct m_walk a, b;
    bool exchange = flags & RENAME_EXCHANGE;
    if (exchange && flags & ~(unsigned)RENAME_EXCHANGE)
        return -EINVAL;
    int err = m_walk(c, from, old, false, false, &a);
    if (!err)
        err = m_walk(c, to, new, false, false, &b);
    if (err)
        return err;
    if (a.kind != M_NAME)
        return -EBUSY;
    if (b.kind != M_NAME)
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    err = m_check_rename(&a, &b, flags);
    if (err || a.node == b.node)
        return err;
    err = m_may_rename(c, &a, &b, exchange);
    if (err)
        return err;
    m_take(a.dir, a.name);
    if (b.node)
        m_take(b.dir, b.name);
    m_put(b.dir, b.name, a.node);
    if (exchange)
        m_put(a.dir, a.name, b.node);
    else if (b.node)
        m_unname(b.node);
    if (flags & RENAME_WHITEOUT) {
        struct m_node *n = m_new(S_IFCHR, 0, 0);
        n->nlink = 1;
        m_inherit(c, a.dir, n);
        m_put(a.dir, a.name, n);
    }
    return 0;
}

// --- Attributes and contents ---------------------------------------------------------------------

static inline mode_t m_without_setid(const struct m_cred *c, const struct m_node *n)
{
    mode_t mode = n->mode & (mode_t)~S_ISUID;
    bool drops = n->mode & S_IXGRP || (c->uid != 0 && !m_in_group(c, n->gid));
    return mode & S_ISGID && drops ? mode & (mode_t)~S_ISGID : mode;
}

static inline int m_chmod(const struct m_cred *c, struct m_node *n, mode_t mode)
{
    if (c->uid != 0 && c->uid != n->uid)
        return -EPERM;
    if (S_ISLNK(n->mode))
        return -EOPNOTSUPP;
    if (c->uid != 0 && !m_in_group(c, n->gid))
        mode &= (mode_t)~S_ISGID;
    n->mode = (n->mode & S_IFMT) | mode;
    return 0;
}

static inline int m_chown(const struct m_cred *c, struct m_node *n, uid_t uid, gid_t gid)
{
    bool own = c->uid == n->uid;
    if (c->uid != 0 && uid != (uid_t)-1 && !(own && uid == n->uid))
        return -EPERM;
    if (c->uid != 0 && gid != (gid_t)-1 && !(own && (gid == n->gid || m_in_group(c, gid))))
        return -EPERM;
    if (!m_is_dir(n) && !S_ISLNK(n->mode)) {
        mode_t mode = m_without_setid(c, n);
        if (mode != n->mode && c->uid != 0 && !own)
            return -EPERM; // even when nothing else is asked for
        n->mode = mode;
    }
    if (uid != (uid_t)-1)
        n->uid = uid;
    if (gid != (gid_t)-1)
        n->gid = gid;
    return 0;
}

static inline void m_kill_setid(const struct m_cred *c, struct m_node *n)
{
    if (c->uid != 0)
        n->mode = m_without_setid(c, n);
}

static inline void m_resize(struct m_node *n, size_t size)
{
    if (!n->data && !(n->data = malloc(M_SIZE_MAX)))
        abort();
    if (size > n->size)
        memset(n->data + n->size, 0, size - n->size);
    n->size = size;
}

static inline int m_truncate(const struct m_cred *c, struct m_node *n, size_t size)
{
    if (m_is_dir(n))
        return -EISDIR;
    if (!S_ISREG(n->mode))
        return -EINVAL;
    int err = m_may(c, n, M_WRITE);
    if (err)
        return err;
    m_resize(n, size);
    m_kill_setid(c, n);
    return 0;
}

static inline int m_write(const struct m_cred *c, struct m_node *n, size_t at, size_t len,
                          unsigned char value)
{
    m_resize(n, at + len > n->size ? at + len : n->size);
    memset(n->data + at, value, len);
    m_kill_setid(c, n);
    return (int)len;
}

// Who may use user.t of it.
static inline int m_may_attr(const struct m_cred *c, const struct m_node *n, bool write)
{
    if (!S_ISREG(n->mode) && !m_is_dir(n))
        return write ? -EPERM : -ENODATA;
    if (write && m_is_dir(n) && n->mode & S_ISVTX && c->uid != 0 && c->uid != n->uid)
        return -EPERM;
    return m_may(c, n, write ? M_WRITE : M_READ);
}

// open(2), for what can be opened without waiting.
static inline int m_open_made(const struct m_cred *c, struct m_walk *w, mode_t mode,
                              struct m_node **out)
{
    if (w->dir->dead)
        return -ENOENT;
    int err = m_may(c, w->dir, M_WRITE | M_EXEC);
    if (err)
        return err;
    struct m_node *n = m_new(S_IFREG | mode, 0, 0);
    n->nlink = 1;
    m_inherit(c, w->dir, n);
    m_put(w->dir, w->name, n);
    *out = n;
    return 0;
}

static inline int m_open_there(const struct m_cred *c, struct m_node *n, int flags)
{
    unsigned mask = (flags & O_ACCMODE) == O_RDONLY   ? M_READ
                    : (flags & O_ACCMODE) == O_WRONLY ? M_WRITE
                                                      : M_READ | M_WRITE;
    if (flags & O_DIRECTORY && !m_is_dir(n))
        return -ENOTDIR;
    if (flags & O_PATH)
        return 0;
    if (S_ISLNK(n->mode))
        return -ELOOP;
    if (m_is_dir(n) && (mask & M_WRITE || flags & O_TRUNC))
        return -EISDIR;
    if (!m_is_dir(n) && !S_ISREG(n->mode))
        return M_SKIP;
    if (flags & O_TRUNC)
        mask |= M_WRITE;
    int err = m_may(c, n, mask);
    if (err)
        return err;
    if (flags & O_TRUNC) {
        m_resize(n, 0);
        m_kill_setid(c, n);
    }
    return 0;
}

static inline int m_open(const struct m_cred *c, struct m_node *base, const char *path, int flags,
                         mode_t mode, struct m_node **out)
{
    struct m_walk w;
    bool create = flags & O_CREAT;
    bool follow = !(flags & O_NOFOLLOW) && !(create && flags & O_EXCL);
    int err = m_walk(c, base, path, follow, !create, &w);
    if (err)
        return err;
    if (create && w.slash && w.kind == M_NAME)
        return -EISDIR;
    if (!w.node)
        return create ? m_open_made(c, &w, mode, out) : -ENOENT;
    if (create && flags & O_EXCL)
        return -EEXIST;
    if (create && m_is_dir(w.node))
        return -EISDIR;
    if (!create && w.slash && !m_is_dir(w.node))
        return -ENOTDIR;
    // The check for sticky directories excuses files and FIFOs alone, by default.
    if (create && w.dir->mode & S_ISVTX && w.dir->mode & S_IWOTH && !S_ISREG(w.node->mode) &&
        !S_ISFIFO(w.node->mode) && w.node->uid != w.dir->uid && w.node->uid != c->uid)
        return -EACCES;
    *out = w.node;
    return m_open_there(c, w.node, flags);
}

#endif
