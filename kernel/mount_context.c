// fsopen, fspick, fsconfig and fsmount: a file system set up option by option through a descriptor,
// from which what went wrong can be read.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/mount_types.h"
#include "kernel/ns.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mount.h"
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 256, BINARY_MAX = 1024 * 1024 };

enum phase {
    CREATE_PARAMS,
    AWAITING_MOUNT,
    AWAITING_RECONF, // the next option begins another change
    RECONF_PARAMS,
    FAILED,
};

struct mount_context {
    struct gate gate;
    // Guarded by gate.
    enum phase phase;
    struct mount_options options;
    struct super *super; // referenced; NULL until it is made
    struct mount_log log;
};

static ssize_t context_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct mount_context *c = file->private;
    char line[MOUNT_LOG_LINE];
    gate_enter(&c->gate);
    bool any = c->log.count > 0;
    if (any) {
        memcpy(line, c->log.line[0], sizeof line);
        memmove(c->log.line[0], c->log.line[1], sizeof c->log.line - sizeof line);
        c->log.count--;
    }
    gate_leave(&c->gate);
    if (!any)
        return -LINUX_ENODATA;
    size_t len = strlen(line);
    if (len > it->left)
        return -LINUX_EMSGSIZE;
    int err = iter_put(it, line, len);
    return err ? err : (ssize_t)len;
}

static void context_free(struct mount_context *c)
{
    mount_options_done(&c->options);
    if (c->super)
        super_put(c->super);
    gate_destroy(&c->gate);
    free(c);
}

static void context_release(struct file *file)
{
    context_free(file->private);
}

static const struct file_ops context_ops = {.read = context_read, .release = context_release};

// `super`, whose reference is consumed: one to be changed; NULL: one to be made.
static int64_t context_open(struct task *task, const char *type, struct super *super, bool cloexec)
{
    struct mount_context *c = calloc(1, sizeof *c);
    int err = c ? mount_options_init(&c->options, type, super != NULL, &c->log) : -LINUX_ENOMEM;
    if (err) {
        free(c);
        if (super)
            super_put(super);
        return err;
    }
    gate_init(&c->gate);
    c->super = super;
    c->phase = super ? RECONF_PARAMS : CREATE_PARAMS;
    struct file *file = file_create(&context_ops, c, LINUX_O_RDWR, "anon_inode:[fscontext]");
    if (!file) {
        context_free(c);
        return -LINUX_ENOMEM;
    }
    return fd_install(task, file, 0, cloexec);
}

int64_t sys_fsopen(struct task *task, uaddr_t name_addr, uint32_t flags)
{
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags & ~(uint32_t)LINUX_FSOPEN_CLOEXEC)
        return -LINUX_EINVAL;
    char *name;
    int err = user_path(task, name_addr, &name);
    if (err)
        return err == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : err;
    int64_t result = context_open(task, name, NULL, flags & LINUX_FSOPEN_CLOEXEC);
    free(name);
    return result;
}

int64_t sys_fspick(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags)
{
    const uint32_t known = LINUX_FSPICK_CLOEXEC | LINUX_FSPICK_SYMLINK_NOFOLLOW |
                           LINUX_FSPICK_NO_AUTOMOUNT | LINUX_FSPICK_EMPTY_PATH;
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags & ~known)
        return -LINUX_EINVAL;
    unsigned walk = flags & LINUX_FSPICK_SYMLINK_NOFOLLOW ? 0 : (unsigned)WALK_FOLLOW;
    walk |= flags & LINUX_FSPICK_EMPTY_PATH ? (unsigned)WALK_EMPTY : 0;
    struct file_at at;
    struct path found;
    int64_t result = file_at_resolve(task, dirfd, path, walk, &at, &found);
    if (result)
        return result;
    struct super *super = vfs_is_mount_root(&found) ? vfs_mount_super(&found) : NULL;
    result = super ? context_open(task, vfs_mount_type(&found), super, flags & LINUX_FSPICK_CLOEXEC)
                   : -LINUX_EINVAL;
    path_put(&found);
    file_at_end(&at);
    return result;
}

// --- fsconfig ------------------------------------------------------------------------------------

static int check_arguments(uint32_t cmd, uaddr_t key, uaddr_t value, int32_t aux)
{
    bool good;
    switch (cmd) {
    case LINUX_FSCONFIG_SET_FLAG:
        good = key && !value && !aux;
        break;
    case LINUX_FSCONFIG_SET_STRING:
        good = key && value && !aux;
        break;
    case LINUX_FSCONFIG_SET_BINARY:
        good = key && value && aux > 0 && aux <= BINARY_MAX;
        break;
    case LINUX_FSCONFIG_SET_PATH:
    case LINUX_FSCONFIG_SET_PATH_EMPTY:
        good = key && value && (aux == LINUX_AT_FDCWD || aux >= 0);
        break;
    case LINUX_FSCONFIG_SET_FD:
        good = key && !value && aux >= 0;
        break;
    case LINUX_FSCONFIG_CMD_CREATE:
    case LINUX_FSCONFIG_CMD_RECONFIGURE:
        good = !key && !value && !aux;
        break;
    default:
        return -LINUX_EOPNOTSUPP;
    }
    return good ? 0 : -LINUX_EINVAL;
}

static int read_text(struct task *task, uaddr_t addr, char text[KEY_MAX])
{
    ssize_t n = user_string(task, addr, text, KEY_MAX);
    return n == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : n < 0 ? (int)n : 0;
}

// The value of an option, as far as it can be looked at: what is no text nobody takes.
struct value {
    bool is_text;
    char text[KEY_MAX];
};

static int read_value(struct task *task, uint32_t cmd, uaddr_t addr, int32_t aux, struct value *out)
{
    char *name;
    int err;
    struct file *file;
    out->is_text = cmd == LINUX_FSCONFIG_SET_STRING;
    switch (cmd) {
    case LINUX_FSCONFIG_SET_STRING:
        return read_text(task, addr, out->text);
    case LINUX_FSCONFIG_SET_BINARY: {
        char byte;
        err = user_get(task, addr, &byte);
        return err ? err : user_get(task, addr + (uint64_t)aux - 1, &byte);
    }
    case LINUX_FSCONFIG_SET_PATH:
    case LINUX_FSCONFIG_SET_PATH_EMPTY:
        err = user_path(task, addr, &name);
        if (!err) {
            err = *name || cmd == LINUX_FSCONFIG_SET_PATH_EMPTY ? 0 : -LINUX_ENOENT;
            free(name);
        }
        return err;
    case LINUX_FSCONFIG_SET_FD:
        file = fd_get_io(task, aux);
        file_put(file);
        return file ? 0 : -LINUX_EBADF;
    default:
        return 0;
    }
}

static int make_super(struct task *task, struct mount_context *c)
{
    if (c->phase != CREATE_PARAMS)
        return -LINUX_EBUSY;
    if (!task_capable_own(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    int err = mount_options_create(task, &c->options, &c->super);
    c->phase = err ? FAILED : AWAITING_MOUNT;
    return err;
}

static int change_super(struct task *task, struct mount_context *c)
{
    if (c->phase != RECONF_PARAMS)
        return -LINUX_EBUSY;
    int err =
        cred_capable_in(task->cred, c->super->owner, LINUX_CAP_SYS_ADMIN) && !task->cred->landlock
            ? mount_options_reconfigure(&c->options, c->super)
            : -LINUX_EPERM;
    c->phase = err ? FAILED : AWAITING_RECONF;
    return err;
}

// Options that were set belong to what was made of them.
static void begin_again(struct mount_context *c)
{
    free(c->options.source);
    c->options.source = NULL;
    c->options.set_rdonly = c->options.rdonly = false;
    c->options.tmpfs = (struct tmpfs_options){.set = 0};
    c->phase = RECONF_PARAMS;
}

static int configure(struct task *task, struct mount_context *c, uint32_t cmd, const char *key,
                     const struct value *value)
{
    if (c->phase == AWAITING_RECONF)
        begin_again(c);
    switch (cmd) {
    case LINUX_FSCONFIG_CMD_CREATE:
        return make_super(task, c);
    case LINUX_FSCONFIG_CMD_RECONFIGURE:
        return change_super(task, c);
    default:
        if (c->phase != CREATE_PARAMS && c->phase != RECONF_PARAMS)
            return -LINUX_EBUSY;
        if (cmd == LINUX_FSCONFIG_SET_FLAG)
            return mount_options_set(task, &c->options, key, NULL);
        return mount_options_set(task, &c->options, key, value->is_text ? value->text : "");
    }
}

int64_t sys_fsconfig(struct task *task, int32_t fd, uint32_t cmd, uaddr_t key_addr,
                     uaddr_t value_addr, int32_t aux)
{
    if (fd < 0)
        return -LINUX_EINVAL;
    int err = check_arguments(cmd, key_addr, value_addr, aux);
    if (err)
        return err;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    char key[KEY_MAX];
    struct value value;
    if (file->ops != &context_ops)
        err = -LINUX_EINVAL;
    if (!err && key_addr)
        err = read_text(task, key_addr, key);
    if (!err)
        err = read_value(task, cmd, value_addr, aux, &value);
    if (!err) {
        struct mount_context *c = file->private;
        gate_enter(&c->gate);
        err = configure(task, c, cmd, key, &value);
        gate_leave(&c->gate);
    }
    file_put(file);
    return err;
}

// --- fsmount -------------------------------------------------------------------------------------

static int context_mount(struct task *task, struct mount_context *c, unsigned flags,
                         struct file **out)
{
    if (!c->super)
        return -LINUX_EINVAL;
    if (c->phase != AWAITING_MOUNT)
        return -LINUX_EBUSY;
    struct path top;
    super_get(c->super);
    int err = vfs_detached_mount(task->kernel->vfs, c->super,
                                 c->options.source ? c->options.source : "none",
                                 c->options.type_name, flags, &top);
    if (err)
        return err;
    c->phase = AWAITING_RECONF;
    struct vfs_caller caller;
    task_caller(task, &caller);
    err = vfs_open_detached(&caller, &top, out);
    task_caller_done(&caller);
    return err;
}

int64_t sys_fsmount(struct task *task, int32_t fd, uint32_t flags, uint32_t attr)
{
    const uint32_t known = LINUX_MOUNT_ATTR_RDONLY | LINUX_MOUNT_ATTR_NOSUID |
                           LINUX_MOUNT_ATTR_NODEV | LINUX_MOUNT_ATTR_NOEXEC |
                           LINUX_MOUNT_ATTR_ATIME | LINUX_MOUNT_ATTR_NODIRATIME |
                           LINUX_MOUNT_ATTR_NOSYMFOLLOW;
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    int atime = mount_attr_atime(attr);
    if (flags & ~(uint32_t)LINUX_FSMOUNT_CLOEXEC || attr & ~known || atime < 0)
        return -LINUX_EINVAL;
    struct file *file = fd_get_io(task, fd), *mounted = NULL;
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EINVAL;
    if (file->ops == &context_ops) {
        struct mount_context *c = file->private;
        gate_enter(&c->gate);
        err = context_mount(task, c, (unsigned)(mount_attr_flags(attr) | atime), &mounted);
        gate_leave(&c->gate);
    }
    file_put(file);
    return err ? err : fd_install(task, mounted, 0, flags & LINUX_FSMOUNT_CLOEXEC);
}
