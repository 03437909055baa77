#include "kernel/boot.h"
#include "kernel/acct.h"
#include "kernel/anon.h"
#include "kernel/fanotify.h"
#include "kernel/inotify.h"
#include "kernel/kernel.h"
#include "kernel/keys.h"
#include "kernel/net/net.h"
#include "kernel/ns.h"
#include "kernel/pipe.h"
#include "kernel/proc/proc.h"
#include "kernel/tty/tty.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

int boot_files(struct kernel *kernel)
{
    const struct vfs_device fifo = {.type = LINUX_S_IFIFO, .open = pipe_open_fifo, .ctx = kernel};
    int err = anon_create(kernel);
    if (!err)
        err = keys_create(&kernel->keys);
    if (!err)
        err = net_create(kernel);
    if (!err)
        err = inotify_create(kernel);
    if (!err)
        err = fanotify_create(kernel);
    if (!err)
        err = nsfs_create(kernel);
    if (!err)
        err = vfs_register_device(kernel->vfs, &fifo);
    if (err)
        boot_files_done(kernel);
    return err;
}

void boot_files_done(struct kernel *kernel)
{
    ns_drop_initial(kernel);
    fanotify_destroy(kernel);
    inotify_destroy(kernel);
    acct_destroy(kernel);
    net_destroy(kernel);
    keys_destroy(kernel->keys);
    kernel->keys = NULL;
    anon_destroy(kernel);
}

// --- Mounts --------------------------------------------------------------------------------------

// On whose behalf the tree is prepared: root, in the whole tree, with no task.
static int boot_caller(struct kernel *kernel, struct vfs_caller *c)
{
    *c = (struct vfs_caller){.vfs = kernel->vfs, .cred = cred_create_root()};
    if (!c->cred)
        return -LINUX_ENOMEM;
    vfs_root(kernel->vfs, &c->root);
    c->cwd = c->root;
    return 0;
}

static void boot_caller_done(struct vfs_caller *c)
{
    path_put(&c->root);
    cred_put(c->cred);
}

// Mounts `super` (consuming its reference) where the root has the directory `at`; without one the
// guest goes without, which is not an error of ours.
static int mount_if_there(const struct vfs_caller *c, struct kernel *kernel, const char *at,
                          struct super *super, const char *type, unsigned flags)
{
    struct path point;
    int err = path_walk(c, NULL, at, WALK_FOLLOW | WALK_DIRECTORY, &point);
    if (err) {
        super_put(super);
        log_printf(&kernel->log, LOG_WARN, "%s is no directory of the root: not mounted", at);
        return 0;
    }
    err = vfs_mount(kernel->vfs, &point, super, type, type, flags);
    path_put(&point);
    return err;
}

static int populate_dev(const struct vfs_caller *c)
{
    static const struct {
        const char *name;
        uint32_t mode, major, minor;
    } nodes[] = {
        {"/dev/tty", LINUX_S_IFCHR | 0666, 5, 0},
        {"/dev/console", LINUX_S_IFCHR | 0600, 5, 1},
        {"/dev/ptmx", LINUX_S_IFCHR | 0666, 5, 2},
    };
    static const struct {
        const char *name, *target;
    } links[] = {
        {"/dev/fd", "/proc/self/fd"},
        {"/dev/stdin", "/proc/self/fd/0"},
        {"/dev/stdout", "/proc/self/fd/1"},
        {"/dev/stderr", "/proc/self/fd/2"},
    };
    int err = 0;
    for (size_t i = 0; !err && i < ARRAY_LEN(nodes); i++)
        err = vfs_mknod(c, NULL, nodes[i].name, nodes[i].mode,
                        vfs_makedev(nodes[i].major, nodes[i].minor));
    for (size_t i = 0; !err && i < ARRAY_LEN(links); i++)
        err = vfs_symlink(c, links[i].target, NULL, links[i].name);
    if (!err)
        err = vfs_mkdir(c, NULL, "/dev/pts", 0755);
    if (!err)
        err = vfs_mkdir(c, NULL, "/dev/shm", 01777);
    return err;
}

static int mount_dev(const struct vfs_caller *c, struct kernel *kernel)
{
    struct path dev;
    if (path_walk(c, NULL, "/dev", WALK_FOLLOW | WALK_DIRECTORY, &dev))
        return 0;
    path_put(&dev);
    struct super *super;
    int err = devfs_create(kernel->vfs, &super);
    if (!err)
        err = mount_if_there(c, kernel, "/dev", super, "devtmpfs", MOUNT_NOSUID);
    if (!err)
        err = populate_dev(c);
    if (!err)
        err = tmpfs_create_with(kernel->vfs, &(struct tmpfs_options){.set = 0}, &super);
    if (!err)
        err = mount_if_there(c, kernel, "/dev/shm", super, "tmpfs", MOUNT_NOSUID | MOUNT_NODEV);
    if (!err && kernel->ttys)
        err = mount_if_there(c, kernel, "/dev/pts", tty_devpts(kernel), "devpts",
                             MOUNT_NOSUID | MOUNT_NOEXEC);
    return err;
}

int boot_mounts(struct kernel *kernel)
{
    const unsigned flags = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC;
    struct vfs_caller c;
    int err = boot_caller(kernel, &c);
    if (err)
        return err;
    struct super *super;
    err = procfs_create(kernel, NULL, &super);
    if (!err)
        err = mount_if_there(&c, kernel, "/proc", super, "proc", flags);
    if (!err)
        err = sysfs_create(kernel, &super);
    if (!err)
        err = mount_if_there(&c, kernel, "/sys", super, "sysfs", flags);
    if (!err)
        err = mount_dev(&c, kernel);
    boot_caller_done(&c);
    return err;
}

// --- Name resolution -----------------------------------------------------------------------------

static const char resolver_path[] = "/etc/resolv.conf";
static const char resolver_mark[] = "# written when the guest starts\n";

enum resolver_state { RESOLVER_SAME, RESOLVER_OURS, RESOLVER_GUESTS };

// What the file is, if there is one: the wanted text already, written by us, or the guest's own.
static enum resolver_state resolver_look(const struct vfs_caller *c, const char *want, char *buf)
{
    struct file *file;
    struct iter it;
    uint64_t pos = 0;
    int err = vfs_open(c, NULL, resolver_path, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0, 0, &file);
    if (err)
        return err == -LINUX_ENOENT ? RESOLVER_OURS : RESOLVER_GUESTS;
    size_t len = strlen(want), mark = sizeof resolver_mark - 1;
    iter_kernel(&it, buf, len + 1); // one more than wanted tells a longer file
    ssize_t n = file_read(file, &it, &pos);
    file_put(file);
    if (n < 0)
        return RESOLVER_GUESTS;
    if ((size_t)n == len && memcmp(buf, want, len) == 0)
        return RESOLVER_SAME;
    bool ours = n == 0 || ((size_t)n >= mark && memcmp(buf, resolver_mark, mark) == 0);
    return ours ? RESOLVER_OURS : RESOLVER_GUESTS;
}

static int resolver_write(const struct vfs_caller *c, char *text)
{
    const unsigned flags = LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC | LINUX_O_NONBLOCK;
    struct file *file;
    struct iter it;
    uint64_t pos = 0;
    int err = vfs_open(c, NULL, resolver_path, flags, 0644, 0, &file);
    if (err)
        return err;
    iter_kernel(&it, text, strlen(text));
    ssize_t n = file_write(file, &it, &pos);
    file_put(file);
    return n < 0 ? (int)n : 0;
}

void boot_resolver(struct kernel *kernel, const char *text)
{
    struct vfs_caller c;
    if (boot_caller(kernel, &c))
        return;
    size_t len = sizeof resolver_mark - 1 + strlen(text);
    char *want = malloc(len + 1), *have = malloc(len + 1);
    int err = want && have ? 0 : -LINUX_ENOMEM;
    if (!err) {
        memcpy(want, resolver_mark, sizeof resolver_mark);
        memcpy(want + sizeof resolver_mark - 1, text, len - (sizeof resolver_mark - 1) + 1);
        if (resolver_look(&c, want, have) == RESOLVER_OURS)
            err = resolver_write(&c, want);
    }
    if (err && err != -LINUX_ENOENT) // a root without /etc goes without
        log_printf(&kernel->log, LOG_WARN, "cannot write %s: error %d", resolver_path, -err);
    free(want);
    free(have);
    boot_caller_done(&c);
}
