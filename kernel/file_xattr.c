// Extended attributes. Names and values are copied in before the file system sees them.
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

enum { NAME_SIZE = LINUX_NAME_MAX + 1 };

// The object of an xattr call: a path, or the path of a descriptor.
struct target {
    struct file_at at; // when fd < 0
    struct file *file;
    struct vfs_caller caller;
    struct path path;
};

static int target_by_path(struct task *task, uaddr_t path, bool follow, struct target *t)
{
    t->file = NULL;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, follow ? (unsigned)WALK_FOLLOW : 0,
                              &t->at, &t->path);
    if (!err)
        t->caller = t->at.caller;
    return err;
}

static int target_by_fd(struct task *task, int32_t fd, struct target *t)
{
    t->file = fd_get_io(task, fd);
    if (!t->file)
        return -LINUX_EBADF;
    if (!t->file->path.dentry) {
        file_put(t->file);
        return -LINUX_EOPNOTSUPP;
    }
    t->path = t->file->path;
    task_caller(task, &t->caller);
    return 0;
}

static void target_done(struct target *t)
{
    if (t->file) {
        task_caller_done(&t->caller);
        file_put(t->file);
    } else {
        path_put(&t->path);
        file_at_end(&t->at);
    }
}

static int get_name(struct task *task, uaddr_t addr, char name[NAME_SIZE])
{
    ssize_t n = user_string(task, addr, name, NAME_SIZE);
    if (n == -LINUX_ENAMETOOLONG || n == 0)
        return -LINUX_ERANGE;
    return n < 0 ? (int)n : 0;
}

// --- Set -----------------------------------------------------------------------------------------

// What the guest wants set, copied.
struct new_value {
    char name[NAME_SIZE];
    void *value;
    size_t size;
    uint32_t flags;
};

static int get_value(struct task *task, uaddr_t name, uaddr_t value, uint64_t size, uint32_t flags,
                     struct new_value *out)
{
    if (flags & ~(uint32_t)(LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE))
        return -LINUX_EINVAL;
    int err = get_name(task, name, out->name);
    if (err)
        return err;
    if (size > LINUX_XATTR_SIZE_MAX)
        return -LINUX_E2BIG;
    out->value = malloc(size ? size : 1);
    if (!out->value)
        return -LINUX_ENOMEM;
    out->size = size;
    out->flags = flags;
    err = user_read(task, value, out->value, size);
    if (err)
        free(out->value);
    return err;
}

static int64_t set_value(struct target *t, struct new_value *v)
{
    int err = vfs_setxattr(&t->caller, &t->path, v->name, v->value, v->size, v->flags);
    target_done(t);
    free(v->value);
    return err;
}

static int64_t set_by_path(struct task *task, uaddr_t path, bool follow, uaddr_t name,
                           uaddr_t value, uint64_t size, uint32_t flags)
{
    struct target t;
    struct new_value v;
    int err = get_value(task, name, value, size, flags, &v);
    if (err)
        return err;
    err = target_by_path(task, path, follow, &t);
    if (err) {
        free(v.value);
        return err;
    }
    return set_value(&t, &v);
}

int64_t sys_setxattr(struct task *task, uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size,
                     uint32_t flags)
{
    return set_by_path(task, path, true, name, value, size, flags);
}

int64_t sys_lsetxattr(struct task *task, uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size,
                      uint32_t flags)
{
    return set_by_path(task, path, false, name, value, size, flags);
}

int64_t sys_fsetxattr(struct task *task, int32_t fd, uaddr_t name, uaddr_t value, uint64_t size,
                      uint32_t flags)
{
    struct target t;
    struct new_value v;
    int err = target_by_fd(task, fd, &t);
    if (err)
        return err;
    err = get_value(task, name, value, size, flags, &v);
    if (err) {
        target_done(&t);
        return err;
    }
    return set_value(&t, &v);
}

// --- Get and list --------------------------------------------------------------------------------

// Reads an attribute (name not NULL) or the list of names into guest memory. Ends the target.
static int64_t fetch(struct task *task, struct target *t, const char *name, uaddr_t buf,
                     uint64_t size)
{
    size_t room = size < LINUX_XATTR_SIZE_MAX ? (size_t)size : (size_t)LINUX_XATTR_SIZE_MAX;
    char *value = malloc(room ? room : 1);
    ssize_t n = -LINUX_ENOMEM;
    if (value)
        n = name ? vfs_getxattr(&t->caller, &t->path, name, value, room)
                 : vfs_listxattr(&t->caller, &t->path, value, room);
    target_done(t);
    if (n > 0 && size > 0) {
        int err = user_write(task, buf, value, (size_t)n);
        n = err ? err : n;
    }
    free(value);
    return n;
}

static int64_t get_by_path(struct task *task, uaddr_t path, bool follow, uaddr_t name, uaddr_t buf,
                           uint64_t size)
{
    struct target t;
    char text[NAME_SIZE];
    int err = get_name(task, name, text);
    if (!err)
        err = target_by_path(task, path, follow, &t);
    return err ? err : fetch(task, &t, text, buf, size);
}

int64_t sys_getxattr(struct task *task, uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size)
{
    return get_by_path(task, path, true, name, value, size);
}

int64_t sys_lgetxattr(struct task *task, uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size)
{
    return get_by_path(task, path, false, name, value, size);
}

int64_t sys_fgetxattr(struct task *task, int32_t fd, uaddr_t name, uaddr_t value, uint64_t size)
{
    struct target t;
    char text[NAME_SIZE];
    int err = target_by_fd(task, fd, &t);
    if (err)
        return err;
    err = get_name(task, name, text);
    if (err) {
        target_done(&t);
        return err;
    }
    return fetch(task, &t, text, value, size);
}

int64_t sys_listxattr(struct task *task, uaddr_t path, uaddr_t list, uint64_t size)
{
    struct target t;
    int err = target_by_path(task, path, true, &t);
    return err ? err : fetch(task, &t, NULL, list, size);
}

int64_t sys_llistxattr(struct task *task, uaddr_t path, uaddr_t list, uint64_t size)
{
    struct target t;
    int err = target_by_path(task, path, false, &t);
    return err ? err : fetch(task, &t, NULL, list, size);
}

int64_t sys_flistxattr(struct task *task, int32_t fd, uaddr_t list, uint64_t size)
{
    struct target t;
    int err = target_by_fd(task, fd, &t);
    return err ? err : fetch(task, &t, NULL, list, size);
}

// --- Remove --------------------------------------------------------------------------------------

static int64_t remove_from(struct target *t, const char *name)
{
    int err = vfs_removexattr(&t->caller, &t->path, name);
    target_done(t);
    return err;
}

static int64_t remove_by_path(struct task *task, uaddr_t path, bool follow, uaddr_t name)
{
    struct target t;
    char text[NAME_SIZE];
    int err = get_name(task, name, text);
    if (!err)
        err = target_by_path(task, path, follow, &t);
    return err ? err : remove_from(&t, text);
}

int64_t sys_removexattr(struct task *task, uaddr_t path, uaddr_t name)
{
    return remove_by_path(task, path, true, name);
}

int64_t sys_lremovexattr(struct task *task, uaddr_t path, uaddr_t name)
{
    return remove_by_path(task, path, false, name);
}

int64_t sys_fremovexattr(struct task *task, int32_t fd, uaddr_t name)
{
    struct target t;
    char text[NAME_SIZE];
    int err = target_by_fd(task, fd, &t);
    if (err)
        return err;
    err = get_name(task, name, text);
    if (err) {
        target_done(&t);
        return err;
    }
    return remove_from(&t, text);
}
