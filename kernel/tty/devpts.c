// devpts: numbers of terminals, and the files /dev/pts/N and /dev/pts/ptmx; the devices /dev/tty,
// /dev/console and /dev/ptmx.
//
// A node exists as long as its terminal's far end. Options are those containers mount it with:
// gid=5,mode=620,ptmxmode=666.
#include "kernel/task.h"
#include "kernel/tty/tty_state.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>

enum { INO_ROOT = 1, INO_PTMX = 2, INO_FIRST = 3, TTY_GROUP = 5, NODE_MODE = 0620 };
enum { DEVPTS_SUPER_MAGIC = 0x1cd1 };

struct tty_table {
    struct kernel *kernel;
    struct super *super; // immutable, referenced
    int64_t made;        // immutable: time of the directory
    struct lock lock;    // rank tty_table
    // Guarded by lock.
    struct tty *slot[TTY_MAX]; // referenced
    uint32_t slots_used;       // those from here on never held one
    struct tty *console;       // referenced
    unsigned timers;           // armed timers of terminals
    struct cond timers_done;
};

// --- Numbers -------------------------------------------------------------------------------------

static const struct inode_ops node_ops;

static struct inode *make_inode(struct super *super, const struct inode_ops *ops, uint32_t mode,
                                uint64_t ino, const struct cred *cred)
{
    struct inode *inode = inode_create(super, ops, mode & LINUX_S_IFMT, ino);
    if (!inode)
        return NULL;
    inode->cached_perm = true;
    atomic_store_explicit(&inode->mode, mode, memory_order_relaxed);
    atomic_store_explicit(&inode->uid, cred ? cred->fsuid : 0, memory_order_relaxed);
    return inode;
}

int devpts_add(struct tty *tty, const struct cred *cred)
{
    struct tty_table *table = tty->kernel->ttys;
    uint32_t index = 0;
    lock_acquire(&table->lock);
    while (index < TTY_MAX && table->slot[index])
        index++;
    if (index < TTY_MAX) {
        table->slot[index] = tty_get(tty);
        if (table->slots_used <= index)
            table->slots_used = index + 1;
    }
    lock_release(&table->lock);
    if (index == TTY_MAX)
        return -LINUX_ENOSPC;
    struct inode *inode =
        make_inode(table->super, &node_ops, LINUX_S_IFCHR | NODE_MODE, INO_FIRST + index, cred);
    if (inode) {
        atomic_store_explicit(&inode->gid, TTY_GROUP, memory_order_relaxed);
        inode->rdev = vfs_makedev(LINUX_UNIX98_PTY_SLAVE_MAJOR, index);
        inode->private = tty_get(tty);
    }
    tty->index = index;
    lock_acquire(&table->lock); // lookups see number and inode together
    tty->inode = inode;
    if (!inode)
        table->slot[index] = NULL;
    lock_release(&table->lock);
    if (!inode)
        tty_put(tty);
    return inode ? 0 : -LINUX_ENOMEM;
}

void devpts_remove(struct tty *tty)
{
    struct tty_table *table = tty->kernel->ttys;
    lock_acquire(&table->lock);
    bool console = table->console == tty;
    if (console)
        table->console = NULL;
    table->slot[tty->index] = NULL;
    struct inode *inode = tty->inode;
    tty->inode = NULL;
    lock_release(&table->lock);
    inode_put(inode);
    if (console)
        tty_put(tty);
    tty_put(tty); // the table's
}

struct inode *devpts_inode_get(struct tty *tty)
{
    struct tty_table *table = tty->kernel->ttys;
    lock_acquire(&table->lock);
    struct inode *inode = tty->inode ? inode_get(tty->inode) : NULL;
    lock_release(&table->lock);
    return inode;
}

void devpts_set_console(struct tty *tty)
{
    struct tty_table *table = tty->kernel->ttys;
    lock_acquire(&table->lock);
    if (!table->console)
        table->console = tty_get(tty);
    lock_release(&table->lock);
}

struct tty *devpts_console_get(struct kernel *kernel)
{
    struct tty_table *table = kernel->ttys;
    lock_acquire(&table->lock);
    struct tty *tty = table->console ? tty_get(table->console) : NULL;
    lock_release(&table->lock);
    return tty;
}

void tty_timer_begin(struct tty *tty)
{
    struct tty_table *table = tty->kernel->ttys;
    lock_acquire(&table->lock);
    table->timers++;
    lock_release(&table->lock);
}

void tty_timer_end(struct kernel *kernel)
{
    struct tty_table *table = kernel->ttys;
    lock_acquire(&table->lock);
    if (--table->timers == 0)
        cond_broadcast(&table->timers_done);
    lock_release(&table->lock);
}

// --- Nodes ---------------------------------------------------------------------------------------

static int common_getattr(struct inode *inode, struct vfs_stat *out, int64_t atime, int64_t mtime)
{
    const struct tty_table *table = inode->super->private;
    *out = (struct vfs_stat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .rdev = inode->rdev,
        .mode = atomic_load_explicit(&inode->mode, memory_order_relaxed),
        .nlink = LINUX_S_ISDIR(inode->type) ? 2 : 1,
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .blksize = 1024,
        .atime = atime,
        .mtime = mtime,
        .ctime = table->made,
        .btime = INT64_MIN,
    };
    return 0;
}

static int still_getattr(struct inode *inode, struct vfs_stat *out)
{
    const struct tty_table *table = inode->super->private;
    return common_getattr(inode, out, table->made, table->made);
}

static int node_getattr(struct inode *inode, struct vfs_stat *out)
{
    struct tty *tty = inode->private;
    return common_getattr(inode, out, atomic_load_explicit(&tty->read_time, memory_order_relaxed),
                          atomic_load_explicit(&tty->write_time, memory_order_relaxed));
}

// Owner and mode may be changed (login, sshd); times are those of use.
static int common_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    if (attr->mask & ATTR_MODE)
        atomic_store_explicit(&inode->mode, inode->type | (attr->mode & LINUX_S_IALLPERM),
                              memory_order_relaxed);
    if (attr->mask & ATTR_UID)
        atomic_store_explicit(&inode->uid, attr->uid, memory_order_relaxed);
    if (attr->mask & ATTR_GID)
        atomic_store_explicit(&inode->gid, attr->gid, memory_order_relaxed);
    return 0;
}

static int node_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    struct tty *tty = inode->private;
    if (attr->mask & ATTR_ATIME)
        atomic_store_explicit(&tty->read_time, attr->atime, memory_order_relaxed);
    if (attr->mask & ATTR_MTIME)
        atomic_store_explicit(&tty->write_time, attr->mtime, memory_order_relaxed);
    return common_setattr(inode, attr);
}

static int node_open(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    bool noctty = atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_NOCTTY;
    return tty_near_open(inode->private, file, c->task, noctty);
}

static void node_evict(struct inode *inode)
{
    tty_put(inode->private);
}

static const struct inode_ops node_ops = {
    .getattr = node_getattr,
    .setattr = node_setattr,
    .open = node_open,
    .evict = node_evict,
};

// The device is opened by its number (vfs_open_device).
static const struct inode_ops ptmx_ops = {
    .getattr = still_getattr,
    .setattr = common_setattr,
};

// --- The directory -------------------------------------------------------------------------------

static int make_ptmx(struct super *super, struct inode **out)
{
    *out = make_inode(super, &ptmx_ops, LINUX_S_IFCHR | 0666, INO_PTMX, NULL);
    if (!*out)
        return -LINUX_ENOMEM;
    (*out)->rdev = vfs_makedev(LINUX_TTYAUX_MAJOR, 2);
    return 0;
}

// A number as devpts writes it: no sign, no leading zero.
static bool parse_index(const char *name, uint32_t *index)
{
    char *end;
    if (*name < '0' || *name > '9' || (*name == '0' && name[1]))
        return false;
    unsigned long n = strtoul(name, &end, 10);
    *index = n < TTY_MAX ? (uint32_t)n : TTY_MAX;
    return !*end && n < TTY_MAX;
}

static int root_lookup(struct inode *dir, const char *name, const struct vfs_caller *c,
                       struct inode **out)
{
    struct tty_table *table = dir->super->private;
    uint32_t index;
    if (!strcmp(name, "ptmx"))
        return make_ptmx(dir->super, out);
    if (!parse_index(name, &index))
        return -LINUX_ENOENT;
    lock_acquire(&table->lock);
    struct tty *tty = table->slot[index];
    *out = tty && tty->inode ? inode_get(tty->inode) : NULL;
    lock_release(&table->lock);
    return *out ? 0 : -LINUX_ENOENT;
}

static bool index_used(struct tty_table *table, uint32_t index)
{
    lock_acquire(&table->lock);
    bool used = table->slot[index];
    lock_release(&table->lock);
    return used;
}

// Positions: 0 ".", 1 "..", 2 "ptmx", 3 + N the terminal N.
static int root_readdir(struct file *file, uint64_t *pos, struct dir_sink *sink)
{
    static const char *const fixed[] = {".", "..", "ptmx"};
    struct tty_table *table = file->inode->super->private;
    for (; *pos < INO_FIRST; ++*pos) {
        bool node = *pos == 2;
        if (!sink->emit(sink, fixed[*pos], strlen(fixed[*pos]), node ? INO_PTMX : INO_ROOT,
                        node ? LINUX_DT_CHR : LINUX_DT_DIR, *pos + 1))
            return 0;
    }
    for (; *pos < INO_FIRST + TTY_MAX; ++*pos) {
        char name[16];
        uint32_t index = (uint32_t)*pos - INO_FIRST;
        if (!index_used(table, index))
            continue;
        int len = snprintf(name, sizeof name, "%u", index);
        if (!sink->emit(sink, name, (size_t)len, *pos, LINUX_DT_CHR, *pos + 1))
            return 0;
    }
    return 0;
}

static const struct inode_ops root_ops = {
    .lookup = root_lookup,
    .getattr = still_getattr,
    .setattr = common_setattr,
};
static const struct file_ops root_file_ops = {
    .readdir = root_readdir,
    .seek = file_seek_default,
};

static int devpts_statfs(struct super *s, struct vfs_statfs *out)
{
    *out = (struct vfs_statfs){
        .type = DEVPTS_SUPER_MAGIC, .bsize = 4096, .frsize = 4096, .namelen = 255, .fsid = s->dev};
    return 0;
}

static void devpts_destroy(struct super *s)
{
    inode_put(s->root);
}

static const struct super_ops devpts_super_ops = {
    .destroy = devpts_destroy,
    .statfs = devpts_statfs,
};

static struct super *make_super(struct tty_table *table)
{
    struct super *super = super_create(&devpts_super_ops, table->kernel->vfs, table);
    if (!super)
        return NULL;
    super->flags = SUPER_NO_DCACHE;
    super->root = make_inode(super, &root_ops, LINUX_S_IFDIR | 0755, INO_ROOT, NULL);
    if (!super->root) {
        super_put(super);
        return NULL;
    }
    super->root->file_ops = &root_file_ops;
    return super;
}

struct super *tty_devpts(struct kernel *kernel)
{
    struct super *super = kernel->ttys->super;
    atomic_fetch_add_explicit(&super->refs, 1, memory_order_relaxed);
    return super;
}

// --- Devices by number ---------------------------------------------------------------------------

static int open_own_tty(struct inode *inode, struct file *file, const struct vfs_caller *c,
                        void *context)
{
    struct tty *tty = c->task ? task_tty_get(c->task) : NULL;
    if (!tty)
        return -LINUX_ENXIO;
    int err = tty_near_open(tty, file, c->task, true);
    tty_put(tty);
    return err;
}

static int open_console(struct inode *inode, struct file *file, const struct vfs_caller *c,
                        void *context)
{
    struct tty *tty = devpts_console_get(context);
    if (!tty)
        return -LINUX_ENODEV;
    int err = tty_near_open(tty, file, c->task, true);
    tty_put(tty);
    return err;
}

// A node with a terminal's number that is not in devpts leads nowhere.
static int open_stray(struct inode *inode, struct file *file, const struct vfs_caller *c,
                      void *context)
{
    return -LINUX_EIO;
}

static int register_devices(struct kernel *kernel)
{
    const struct vfs_device devices[] = {
        {LINUX_S_IFCHR, LINUX_TTYAUX_MAJOR, 0, 0, open_own_tty, kernel},
        {LINUX_S_IFCHR, LINUX_TTYAUX_MAJOR, 1, 1, open_console, kernel},
        {LINUX_S_IFCHR, LINUX_TTYAUX_MAJOR, 2, 2, pty_open_master, kernel},
        {LINUX_S_IFCHR, LINUX_UNIX98_PTY_SLAVE_MAJOR, 0, TTY_MAX - 1, open_stray, kernel},
    };
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        int err = vfs_register_device(kernel->vfs, &devices[i]);
        if (err)
            return err;
    }
    return 0;
}

int tty_boot(struct kernel *kernel)
{
    struct tty_table *table = calloc(1, sizeof *table);
    if (!table)
        return -LINUX_ENOMEM;
    table->kernel = kernel;
    table->made = (int64_t)clock_realtime_ns();
    lock_init(&table->lock, LOCK_RANK_TTY_TABLE);
    cond_init(&table->timers_done);
    table->super = make_super(table);
    if (!table->super) {
        cond_destroy(&table->timers_done);
        lock_destroy(&table->lock);
        free(table);
        return -LINUX_ENOMEM;
    }
    kernel->ttys = table;
    int err = register_devices(kernel);
    if (err)
        tty_boot_done(kernel);
    return err;
}

// The terminal with the lowest number, referenced.
static struct tty *any_tty(struct tty_table *table)
{
    struct tty *tty = NULL;
    lock_acquire(&table->lock);
    for (uint32_t i = 0; i < table->slots_used && !tty; i++) {
        if (table->slot[i])
            tty = tty_get(table->slot[i]);
    }
    lock_release(&table->lock);
    return tty;
}

void tty_boot_done(struct kernel *kernel)
{
    struct tty_table *table = kernel->ttys;
    if (!table)
        return;
    for (struct tty *tty; (tty = any_tty(table));) {
        tty_far_close(tty);
        tty_put(tty);
    }
    lock_acquire(&table->lock);
    while (table->timers)
        cond_wait(&table->timers_done, &table->lock, COND_FOREVER);
    lock_release(&table->lock);
    super_put(table->super);
    kernel->ttys = NULL;
    cond_destroy(&table->timers_done);
    lock_destroy(&table->lock);
    free(table);
}
