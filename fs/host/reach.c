// Ways to a host object: descriptors of directories (a bounded cache), places, open contents.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// --- Descriptors are a budget --------------------------------------------------------------------

// Takes the least recently used directory descriptor nobody needs. -1: none.
static int take_idle_dir(struct host_fs *fs)
{
    struct host_node *node;
    for (struct list *at = fs->dir_lru.prev; at != &fs->dir_lru; at = at->prev) {
        node = list_entry(at, struct host_node, dir_link);
        if (node->dir_pins > 0)
            continue;
        int fd = node->dir_fd;
        node->dir_fd = -1;
        list_remove(&node->dir_link);
        fs->dir_count--;
        return fd;
    }
    return -1;
}

static bool drop_idle_dirs(struct host_fs *fs, unsigned keep)
{
    bool any = false;
    for (;;) {
        lock_acquire(&fs->node_lock);
        int fd = fs->dir_count > keep ? take_idle_dir(fs) : -1;
        lock_release(&fs->node_lock);
        if (fd < 0)
            return any;
        host_close(fd);
        any = true;
    }
}

int host_fs_open(struct host_fs *fs, int dir_fd, const char *name, unsigned flags, uint32_t mode)
{
    int fd = host_open(dir_fd, name, flags, mode);
    if ((fd == -LINUX_EMFILE || fd == -LINUX_ENFILE) && drop_idle_dirs(fs, 0))
        fd = host_open(dir_fd, name, flags, mode);
    return fd == -LINUX_EMFILE ? -LINUX_ENFILE : fd; // the guest's own limit is not ours
}

// --- Directories ---------------------------------------------------------------------------------

// One step of opening a chain of directories: the topmost one that is not open but whose parent is.
struct dir_step {
    struct host_node *node, *parent; // parent is pinned
    int parent_fd;
    uint32_t moves;
    char name[LINUX_NAME_MAX + 1];
};

// Under node_lock. True when `dir` itself is open (and now pinned).
static bool find_step(struct host_fs *fs, struct host_node *dir, struct dir_step *out, int *err)
{
    if (dir->dir_fd >= 0) {
        dir->dir_pins++;
        if (!list_empty(&dir->dir_link)) {
            list_remove(&dir->dir_link);
            list_add_head(&fs->dir_lru, &dir->dir_link);
        }
        return true;
    }
    for (struct host_node *node = dir;;) {
        if (list_empty(&node->names)) {
            *err = -LINUX_ENOENT; // gone, by somebody else's doing
            return false;
        }
        const struct host_name *n = list_first(&node->names, struct host_name, link);
        if (n->parent->dir_fd >= 0) {
            out->node = node;
            inode_get(&node->inode);
            out->parent = n->parent;
            inode_get(&n->parent->inode);
            out->parent_fd = n->parent->dir_fd;
            out->moves = node->moves;
            n->parent->dir_pins++;
            memcpy(out->name, n->name, strlen(n->name) + 1);
            return false;
        }
        node = n->parent;
    }
}

// Is the directory just opened the one the node stands for?
static int check_identity(const struct host_node *node, int fd)
{
    struct host_stat st;
    int err = host_fstat(fd, &st);
    if (!err && (st.ino != node->ino || st.dev != node->dev))
        err = -LINUX_ENOENT;
    return err;
}

// On success step->node is open and pinned, whatever else wants its place in the cache.
static int take_step(struct host_fs *fs, const struct dir_step *step)
{
    int fd = host_fs_open(fs, step->parent_fd, step->name, LINUX_O_PATH | LINUX_O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = check_identity(step->node, fd);
    if (err) {
        host_close(fd);
        return err;
    }
    lock_acquire(&fs->node_lock);
    if (step->node->dir_fd < 0) {
        step->node->dir_fd = fd;
        list_add_head(&fs->dir_lru, &step->node->dir_link);
        fs->dir_count++;
        fd = -1;
    }
    step->node->dir_pins++;
    lock_release(&fs->node_lock);
    host_close(fd);
    drop_idle_dirs(fs, fs->dir_limit);
    return 0;
}

// A name turned out wrong. Waits for a rename under way; true when the node has another name now.
static bool wait_settled(struct host_node *node, uint32_t moves)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    while (node->renaming)
        cond_wait(&fs->settled, &fs->node_lock, COND_FOREVER);
    bool moved = node->moves != moves;
    lock_release(&fs->node_lock);
    return moved;
}

static void step_done(struct host_node *node)
{
    if (!node)
        return;
    host_dir_done(node);
    inode_put(&node->inode);
}

// The lowest directory opened on the way down stays pinned until the next one is, so that every
// step comes nearer, however full the cache is.
int host_dir_pin(struct host_node *dir, int *fd)
{
    struct host_fs *fs = dir->fs;
    struct host_node *lowest = NULL;
    int err = 0;
    for (;;) {
        struct dir_step step;
        lock_acquire(&fs->node_lock);
        bool open = find_step(fs, dir, &step, &err);
        *fd = dir->dir_fd;
        lock_release(&fs->node_lock);
        if (open || err)
            break;
        err = take_step(fs, &step);
        bool moved = err && wait_settled(step.node, step.moves);
        step_done(step.parent);
        step_done(lowest);
        lowest = err ? NULL : step.node;
        if (err)
            inode_put(&step.node->inode);
        if (err && !moved)
            break;
        err = 0;
    }
    step_done(lowest);
    return err;
}

void host_dir_done(struct host_node *dir)
{
    atomic_fetch_sub_explicit(&dir->dir_pins, 1, memory_order_release);
}

// --- Places --------------------------------------------------------------------------------------

static void place_release(struct host_node *node)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    if (--node->place_users == 0)
        cond_broadcast(&fs->settled);
    lock_release(&fs->node_lock);
}

int host_place_find(struct host_node *node, struct host_place *out)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    while (node->renaming)
        cond_wait(&fs->settled, &fs->node_lock, COND_FOREVER);
    const struct host_name *n =
        list_empty(&node->names) ? NULL : list_first(&node->names, struct host_name, link);
    if (n) {
        node->place_users++;
        out->node = node;
        out->parent = n->parent;
        if (n->parent)
            inode_get(&n->parent->inode);
        memcpy(out->name, n->name, strlen(n->name) + 1);
    }
    lock_release(&fs->node_lock);
    if (!n)
        return -LINUX_ENOENT;
    out->dir_fd = fs->staging_fd;
    if (!out->parent)
        return 0;
    int err = host_dir_pin(out->parent, &out->dir_fd);
    if (err) {
        inode_put(&out->parent->inode);
        place_release(node);
    }
    return err;
}

void host_place_done(struct host_place *place)
{
    if (place->parent) {
        host_dir_done(place->parent);
        inode_put(&place->parent->inode);
    }
    place_release(place->node);
}

static bool at_rest(const struct host_node *node)
{
    return !node || (node->place_users == 0 && !node->renaming);
}

// Both at once, so that nobody holds one name while waiting for another.
void host_rename_begin(struct host_node *a, struct host_node *b)
{
    struct host_fs *fs = a->fs;
    lock_acquire(&fs->node_lock);
    while (!at_rest(a) || !at_rest(b))
        cond_wait(&fs->settled, &fs->node_lock, COND_FOREVER);
    a->renaming = true;
    if (b)
        b->renaming = true;
    lock_release(&fs->node_lock);
}

void host_rename_end(struct host_node *a, struct host_node *b)
{
    struct host_fs *fs = a->fs;
    lock_acquire(&fs->node_lock);
    a->renaming = false;
    if (b)
        b->renaming = false;
    cond_broadcast(&fs->settled);
    lock_release(&fs->node_lock);
}

// --- Contents ------------------------------------------------------------------------------------

struct host_fd *host_fd_create(int fd, bool writable)
{
    struct host_fd *h = malloc(sizeof *h);
    if (!h) {
        host_close(fd);
        return NULL;
    }
    atomic_init(&h->refs, 1);
    h->fd = fd;
    h->writable = writable;
    return h;
}

static struct host_fd *fd_ref(struct host_fd *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void host_fd_put(struct host_fd *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    host_close(h->fd);
    free(h);
}

// The descriptor the node has, if it serves.
static struct host_fd *fd_cached(struct host_node *node, bool write)
{
    lock_acquire(&node->fs->node_lock);
    struct host_fd *h = node->fd && (node->fd->writable || !write) ? fd_ref(node->fd) : NULL;
    lock_release(&node->fs->node_lock);
    return h;
}

// In a tree of our own everything is opened for writing if it can be: one descriptor then serves
// every opener, and pages that are mapped early for reading can be written later.
static int open_contents(struct host_node *node, bool write, int *fd, bool *writable)
{
    struct host_fs *fs = node->fs;
    struct host_place place;
    int err = host_place_find(node, &place);
    if (err)
        return err;
    *writable = write || fs->owned;
    *fd = host_fs_open(fs, place.dir_fd, place.name,
                       (*writable ? LINUX_O_RDWR : LINUX_O_RDONLY) | LINUX_O_NONBLOCK, 0);
    if (*fd < 0 && *writable && !write) {
        *writable = false;
        *fd = host_fs_open(fs, place.dir_fd, place.name, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0);
    }
    host_place_done(&place);
    err = *fd < 0 ? *fd : check_identity(node, *fd);
    if (err && *fd >= 0)
        host_close(*fd);
    return err;
}

// Makes `h` the node's descriptor if it is better than what it has.
static void fd_publish(struct host_node *node, struct host_fd *h)
{
    struct host_fd *old = NULL;
    lock_acquire(&node->fs->node_lock);
    if (!node->fd || (h->writable && !node->fd->writable)) {
        old = node->fd;
        node->fd = fd_ref(h);
    }
    lock_release(&node->fs->node_lock);
    host_fd_put(old);
}

int host_fd_get(struct host_node *node, bool write, struct host_fd **out)
{
    *out = fd_cached(node, write);
    if (*out)
        return 0;
    int fd;
    bool writable;
    int err = open_contents(node, write, &fd, &writable);
    if (err)
        return err;
    *out = host_fd_create(fd, writable);
    if (!*out)
        return -LINUX_ENOMEM;
    fd_publish(node, *out);
    return 0;
}

// Kept descriptors are outside the cache: it has no say in how many there are.
static int hold_dir(struct host_node *dir)
{
    struct host_fs *fs = dir->fs;
    int fd, err = host_dir_pin(dir, &fd);
    if (err)
        return err;
    lock_acquire(&fs->node_lock);
    if (dir->keep++ == 0) {
        list_remove(&dir->dir_link);
        fs->dir_count--;
    }
    dir->dir_pins--;
    lock_release(&fs->node_lock);
    return 0;
}

static int open_to_hold(struct host_node *node, struct host_fd **out)
{
    struct host_fs *fs = node->fs;
    struct host_place place;
    int err = host_place_find(node, &place);
    if (err)
        return err;
    bool contents = LINUX_S_ISREG(node->host_type);
    int fd = host_fs_open(fs, place.dir_fd, place.name,
                          contents ? (fs->owned ? LINUX_O_RDWR : LINUX_O_RDONLY) | LINUX_O_NONBLOCK
                                   : LINUX_O_PATH,
                          0);
    if (fd < 0 && contents)
        fd = host_fs_open(fs, place.dir_fd, place.name, LINUX_O_PATH, 0);
    host_place_done(&place);
    if (fd < 0)
        return fd;
    *out = host_fd_create(fd, contents && fs->owned);
    if (!*out)
        return -LINUX_ENOMEM;
    fd_publish(node, *out);
    return 0;
}

int host_node_hold(struct host_node *node)
{
    if (LINUX_S_ISDIR(node->host_type))
        return hold_dir(node);
    lock_acquire(&node->fs->node_lock);
    node->keep++; // whatever descriptor it has from here on, it keeps
    lock_release(&node->fs->node_lock);
    struct host_fd *h = fd_cached(node, false);
    int err = h ? 0 : open_to_hold(node, &h);
    if (err) {
        host_node_unhold(node);
        return err;
    }
    host_fd_put(h);
    return 0;
}

// Under node_lock: what nobody has open is not kept open. To be put without the lock.
static struct host_fd *take_idle_fd(struct host_node *node)
{
    if (node->open_count > 0 || node->keep > 0)
        return NULL;
    struct host_fd *idle = node->fd;
    node->fd = NULL;
    return idle;
}

void host_fd_close_idle(struct host_node *node)
{
    lock_acquire(&node->fs->node_lock);
    struct host_fd *idle = take_idle_fd(node);
    lock_release(&node->fs->node_lock);
    host_fd_put(idle);
}

void host_node_unhold(struct host_node *node)
{
    struct host_fs *fs = node->fs;
    struct host_fd *idle = NULL;
    lock_acquire(&fs->node_lock);
    node->keep--;
    if (!LINUX_S_ISDIR(node->host_type)) {
        idle = take_idle_fd(node);
    } else if (node->keep == 0) {
        list_add_head(&fs->dir_lru, &node->dir_link);
        fs->dir_count++;
    }
    lock_release(&fs->node_lock);
    host_fd_put(idle);
}

int host_node_open_any(struct host_node *node, int *fd)
{
    int dir_fd;
    if (LINUX_S_ISDIR(node->host_type)) {
        int err = host_dir_pin(node, &dir_fd);
        if (err)
            return err;
        *fd = host_fs_open(node->fs, dir_fd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
        host_dir_done(node);
        return *fd < 0 ? *fd : 0;
    }
    struct host_fd *h;
    if (!LINUX_S_ISREG(node->host_type))
        return -LINUX_ENOENT;
    int err = host_fd_get(node, false, &h);
    if (err)
        return err;
    *fd = host_dup(h->fd);
    host_fd_put(h);
    host_fd_close_idle(node);
    return *fd < 0 ? *fd : 0;
}

// How to ask the host about an object, found in one look at the node.
struct question {
    enum { ASK_NOTHING, ASK_FD, ASK_DIR_FD, ASK_NAME, ASK_PLACE } how;
    struct host_fd *fd;       // referenced
    struct host_node *parent; // referenced and pinned
    int dir_fd;
    char name[LINUX_NAME_MAX + 1];
};

// Under node_lock.
static void prepare_question(struct host_node *node, struct question *q, struct host_stat *out)
{
    q->how = ASK_PLACE;
    if (node->fresh) { // what a lookup saw a moment ago answers one question
        *out = node->attr;
        node->fresh = false;
        q->how = ASK_NOTHING;
    } else if (node->fd) {
        q->fd = fd_ref(node->fd);
        q->how = ASK_FD;
    } else if (node->dir_fd >= 0) {
        node->dir_pins++;
        q->dir_fd = node->dir_fd;
        q->how = ASK_DIR_FD;
    } else if (!list_empty(&node->names)) {
        const struct host_name *n = list_first(&node->names, struct host_name, link);
        if (!n->parent || n->parent->dir_fd < 0)
            return;
        q->parent = n->parent;
        inode_get(&n->parent->inode);
        n->parent->dir_pins++;
        q->dir_fd = n->parent->dir_fd;
        memcpy(q->name, n->name, strlen(n->name) + 1);
        q->how = ASK_NAME;
    }
}

static int check_answer(const struct host_node *node, const struct host_stat *st)
{
    // Otherwise it was replaced from outside, or renamed while we asked.
    return st->ino == node->ino && st->dev == node->dev ? 0 : -LINUX_ENOENT;
}

static int ask_place(struct host_node *node, struct host_stat *out)
{
    struct host_place place;
    int err = host_place_find(node, &place);
    if (err)
        return err;
    err = host_stat(place.dir_fd, place.name, out);
    host_place_done(&place);
    return err ? err : check_answer(node, out);
}

int host_node_stat(struct host_node *node, struct host_stat *out)
{
    struct question q;
    int err = 0;
    lock_acquire(&node->fs->node_lock);
    prepare_question(node, &q, out);
    lock_release(&node->fs->node_lock);
    switch (q.how) {
    case ASK_NOTHING:
        return 0;
    case ASK_FD:
        err = host_fstat(q.fd->fd, out);
        host_fd_put(q.fd);
        return err;
    case ASK_DIR_FD:
        err = host_fstat(q.dir_fd, out);
        host_dir_done(node);
        return err;
    case ASK_NAME:
        err = host_stat_born(q.dir_fd, q.name,
                             atomic_load_explicit(&node->btime, memory_order_relaxed), out);
        if (!err)
            err = check_answer(node, out);
        host_dir_done(q.parent);
        inode_put(&q.parent->inode);
        return err ? ask_place(node, out) : 0;
    case ASK_PLACE:
        return ask_place(node, out);
    }
    return err;
}

int host_node_readlink(struct host_node *node, char *buf, size_t size, size_t *len)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    // Never changes once it is there. But the first reading after a change of the object is the
    // host's, which moves the access time then (relatime), and only then.
    const char *known = node->target_read ? node->target : NULL;
    lock_release(&fs->node_lock);
    if (known) {
        *len = strlen(known);
        memcpy(buf, known, *len < size ? *len : size);
        return 0;
    }
    char text[LINUX_PATH_MAX];
    struct host_place place;
    int err = host_place_find(node, &place);
    if (err)
        return err;
    ssize_t n = host_readlink(place.dir_fd, place.name, text, sizeof text - 1);
    host_place_done(&place);
    if (n < 0)
        return n == -LINUX_EINVAL ? -LINUX_ENOENT : (int)n; // replaced from outside
    text[n] = 0;
    *len = (size_t)n;
    memcpy(buf, text, *len < size ? *len : size);
    char *copy = fs->owned ? strdup(text) : NULL; // without it, it is read again
    lock_acquire(&fs->node_lock);
    if (!node->target) {
        node->target = copy;
        copy = NULL;
    }
    node->target_read = node->target != NULL;
    node->fresh = false;
    lock_release(&fs->node_lock);
    free(copy);
    return 0;
}
