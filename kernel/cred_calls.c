// System calls on identity: users, groups, capabilities.
#include "kernel/cred.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

#define UNCHANGED UINT32_MAX

// --- What user 0 brings and takes (capabilities(7), "effect of user id changes") -----------------

static void fix_capabilities(struct cred *new, const struct cred *old)
{
    if (new->securebits & LINUX_SECBIT_NO_SETUID_FIXUP)
        return;
    const uint32_t root = cred_uid(old, 0); // of the user namespace
    bool had_root = old->uid == root || old->euid == root || old->suid == root;
    bool has_root = new->uid == root || new->euid == root || new->suid == root;
    if (had_root && !has_root) {
        if (!(new->securebits &LINUX_SECBIT_KEEP_CAPS))
            new->cap_permitted = new->cap_effective = 0;
        new->cap_ambient = 0;
    }
    if (old->euid == root && new->euid != root)
        new->cap_effective = 0;
    if (old->euid != root && new->euid == root)
        new->cap_effective = new->cap_permitted;
}

// Capabilities that go with the file-system user id.
#define FS_CAPS                                                                                    \
    (1ull << LINUX_CAP_CHOWN | 1ull << LINUX_CAP_MKNOD | 1ull << LINUX_CAP_DAC_OVERRIDE |          \
     1ull << LINUX_CAP_DAC_READ_SEARCH | 1ull << LINUX_CAP_FOWNER | 1ull << LINUX_CAP_FSETID |     \
     1ull << LINUX_CAP_LINUX_IMMUTABLE)

static void fix_fs_capabilities(struct cred *new, const struct cred *old)
{
    if (new->securebits & LINUX_SECBIT_NO_SETUID_FIXUP)
        return;
    const uint32_t root = cred_uid(old, 0);
    if (old->fsuid == root && new->fsuid != root)
        new->cap_effective &= ~FS_CAPS;
    if (old->fsuid != root && new->fsuid == root)
        new->cap_effective |= new->cap_permitted & FS_CAPS;
}

// --- Ids of either kind --------------------------------------------------------------------------

struct ids {
    uint32_t real, effective, saved, fs;
};

static struct ids ids_of(const struct cred *c, enum id_kind kind)
{
    return kind == ID_UID ? (struct ids){c->uid, c->euid, c->suid, c->fsuid}
                          : (struct ids){c->gid, c->egid, c->sgid, c->fsgid};
}

// The machine's id for an argument, in place. False when the namespace has no such id.
static bool known_id(const struct cred *c, enum id_kind kind, uint32_t *id)
{
    if (*id == UNCHANGED)
        return true;
    *id = kind == ID_UID ? cred_uid(c, *id) : cred_gid(c, *id);
    return *id != ID_NONE;
}

static bool may_set(const struct task *task, enum id_kind kind)
{
    return task_capable_own(task, kind == ID_UID ? LINUX_CAP_SETUID : LINUX_CAP_SETGID);
}

// Gives the task these ids; a user id brings and takes capabilities by the rule `fix`.
static int64_t ids_commit(struct task *task, enum id_kind kind, const struct ids *ids,
                          void (*fix)(struct cred *new, const struct cred *old))
{
    const struct cred *old = task->cred;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (kind == ID_UID) {
        new->uid = ids->real;
        new->euid = ids->effective;
        new->suid = ids->saved;
        new->fsuid = ids->fs;
        fix(new, old);
    } else {
        new->gid = ids->real;
        new->egid = ids->effective;
        new->sgid = ids->saved;
        new->fsgid = ids->fs;
    }
    cred_commit(task, new);
    return 0;
}

// setuid, setgid
static int64_t set_one(struct task *task, enum id_kind kind, uint32_t id)
{
    struct ids ids = ids_of(task->cred, kind);
    if (id == UNCHANGED || !known_id(task->cred, kind, &id))
        return -LINUX_EINVAL;
    bool privileged = may_set(task, kind);
    if (!privileged && id != ids.real && id != ids.saved)
        return -LINUX_EPERM;
    if (privileged)
        ids.real = ids.saved = id;
    ids.effective = ids.fs = id;
    return ids_commit(task, kind, &ids, fix_capabilities);
}

// setreuid, setregid
static int64_t set_two(struct task *task, enum id_kind kind, uint32_t real, uint32_t effective)
{
    const struct ids old = ids_of(task->cred, kind);
    if (!known_id(task->cred, kind, &real) || !known_id(task->cred, kind, &effective))
        return -LINUX_EINVAL;
    if (!may_set(task, kind) && ((real != UNCHANGED && real != old.real && real != old.effective) ||
                                 (effective != UNCHANGED && effective != old.real &&
                                  effective != old.effective && effective != old.saved)))
        return -LINUX_EPERM;
    struct ids ids = old;
    if (real != UNCHANGED)
        ids.real = real;
    if (effective != UNCHANGED)
        ids.effective = effective;
    if (real != UNCHANGED || (effective != UNCHANGED && effective != old.real))
        ids.saved = ids.effective;
    ids.fs = ids.effective;
    return ids_commit(task, kind, &ids, fix_capabilities);
}

static bool is_own(uint32_t id, const struct ids *ids)
{
    return id == UNCHANGED || id == ids->real || id == ids->effective || id == ids->saved;
}

// setresuid, setresgid
static int64_t set_three(struct task *task, enum id_kind kind, uint32_t real, uint32_t effective,
                         uint32_t saved)
{
    struct ids ids = ids_of(task->cred, kind);
    if (!known_id(task->cred, kind, &real) || !known_id(task->cred, kind, &effective) ||
        !known_id(task->cred, kind, &saved))
        return -LINUX_EINVAL;
    if (!may_set(task, kind) &&
        !(is_own(real, &ids) && is_own(effective, &ids) && is_own(saved, &ids)))
        return -LINUX_EPERM;
    if (real != UNCHANGED)
        ids.real = real;
    if (effective != UNCHANGED)
        ids.effective = effective;
    if (saved != UNCHANGED)
        ids.saved = saved;
    ids.fs = ids.effective;
    return ids_commit(task, kind, &ids, fix_capabilities);
}

// setfsuid, setfsgid: what it was, whether or not it is changed.
static int64_t set_fs(struct task *task, enum id_kind kind, uint32_t id)
{
    struct ids ids = ids_of(task->cred, kind);
    uint32_t before = user_ns_show(task->cred->user_ns, kind, ids.fs);
    if (id != UNCHANGED && known_id(task->cred, kind, &id) &&
        (is_own(id, &ids) || id == ids.fs || may_set(task, kind))) {
        ids.fs = id;
        (void)ids_commit(task, kind, &ids, fix_fs_capabilities);
    }
    return before;
}

static int64_t show_three(struct task *task, enum id_kind kind, const uaddr_t addr[3])
{
    const struct ids ids = ids_of(task->cred, kind);
    const uint32_t value[] = {ids.real, ids.effective, ids.saved};
    for (int i = 0; i < 3; i++) {
        uint32_t shown = user_ns_show(task->cred->user_ns, kind, value[i]);
        if (user_put(task, addr[i], &shown))
            return -LINUX_EFAULT;
    }
    return 0;
}

// --- Users ---------------------------------------------------------------------------------------

int64_t sys_setuid(struct task *task, uint32_t uid)
{
    return set_one(task, ID_UID, uid);
}

int64_t sys_setreuid(struct task *task, uint32_t ruid, uint32_t euid)
{
    return set_two(task, ID_UID, ruid, euid);
}

int64_t sys_setresuid(struct task *task, uint32_t ruid, uint32_t euid, uint32_t suid)
{
    return set_three(task, ID_UID, ruid, euid, suid);
}

int64_t sys_getresuid(struct task *task, uaddr_t ruid, uaddr_t euid, uaddr_t suid)
{
    return show_three(task, ID_UID, (uaddr_t[]){ruid, euid, suid});
}

int64_t sys_setfsuid(struct task *task, uint32_t uid)
{
    return set_fs(task, ID_UID, uid);
}

int64_t sys_getuid(struct task *task)
{
    return cred_show_uid(task->cred, task->cred->uid);
}

int64_t sys_geteuid(struct task *task)
{
    return cred_show_uid(task->cred, task->cred->euid);
}

// --- Groups --------------------------------------------------------------------------------------

int64_t sys_setgid(struct task *task, uint32_t gid)
{
    return set_one(task, ID_GID, gid);
}

int64_t sys_setregid(struct task *task, uint32_t rgid, uint32_t egid)
{
    return set_two(task, ID_GID, rgid, egid);
}

int64_t sys_setresgid(struct task *task, uint32_t rgid, uint32_t egid, uint32_t sgid)
{
    return set_three(task, ID_GID, rgid, egid, sgid);
}

int64_t sys_getresgid(struct task *task, uaddr_t rgid, uaddr_t egid, uaddr_t sgid)
{
    return show_three(task, ID_GID, (uaddr_t[]){rgid, egid, sgid});
}

int64_t sys_setfsgid(struct task *task, uint32_t gid)
{
    return set_fs(task, ID_GID, gid);
}

int64_t sys_getgid(struct task *task)
{
    return cred_show_gid(task->cred, task->cred->gid);
}

int64_t sys_getegid(struct task *task)
{
    return cred_show_gid(task->cred, task->cred->egid);
}

int64_t sys_getgroups(struct task *task, int32_t size, uaddr_t list)
{
    const struct cred *c = task->cred;
    if (size < 0 || (size > 0 && (uint32_t)size < c->group_count))
        return -LINUX_EINVAL;
    for (uint32_t i = 0; size > 0 && i < c->group_count; i++) {
        uint32_t gid = cred_show_gid(c, c->groups[i]);
        if (user_put(task, list + i * sizeof gid, &gid))
            return -LINUX_EFAULT;
    }
    return c->group_count;
}

static int compare_gids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int64_t sys_setgroups(struct task *task, int32_t size, uaddr_t list)
{
    if (!task_capable_own(task, LINUX_CAP_SETGID) || !user_ns_may_setgroups(task->cred->user_ns))
        return -LINUX_EPERM;
    if (size < 0 || size > CRED_GROUPS_MAX)
        return -LINUX_EINVAL;
    struct cred *new = cred_copy(task->cred, (uint32_t)size);
    if (!new)
        return -LINUX_ENOMEM;
    size_t bytes = (size_t)size * sizeof new->groups[0];
    if (user_read(task, list, new->groups, bytes)) {
        cred_put(new);
        return -LINUX_EFAULT;
    }
    for (int32_t i = 0; i < size; i++)
        if (new->groups[i] == UNCHANGED || !known_id(new, ID_GID, &new->groups[i])) {
            cred_put(new);
            return -LINUX_EINVAL;
        }
    qsort(new->groups, (size_t)size, sizeof new->groups[0], compare_gids);
    cred_commit(task, new);
    return 0;
}

// --- Capabilities --------------------------------------------------------------------------------

// Reads the header; words: how many 32-bit halves the caller's version has. Linux answers an
// unknown version by writing its own, which is no error when only that was asked for.
static int read_header(struct task *task, uaddr_t addr, bool probe, struct linux_cap_header *header,
                       unsigned *words)
{
    if (user_get(task, addr, header))
        return -LINUX_EFAULT;
    switch (header->version) {
    case LINUX_CAPABILITY_VERSION_1:
        *words = 1;
        return 0;
    case LINUX_CAPABILITY_VERSION_2:
    case LINUX_CAPABILITY_VERSION_3:
        *words = 2;
        return 0;
    }
    uint32_t version = LINUX_CAPABILITY_VERSION_3;
    if (user_put(task, addr, &version))
        return -LINUX_EFAULT;
    *words = 0;
    return probe ? 0 : -LINUX_EINVAL;
}

int64_t sys_capget(struct task *task, uaddr_t header, uaddr_t data)
{
    struct linux_cap_header h;
    unsigned words;
    int err = read_header(task, header, !data, &h, &words);
    if (err || !words)
        return err;
    if (h.pid < 0)
        return -LINUX_EINVAL;
    struct task *target = h.pid ? task_find(task->kernel, pid_arg(task, h.pid)) : task_get(task);
    if (!target)
        return -LINUX_ESRCH;
    const struct cred *c = task_cred_get(target);
    struct linux_cap_data out[2];
    for (unsigned i = 0; i < 2; i++)
        out[i] = (struct linux_cap_data){(uint32_t)(c->cap_effective >> 32 * i),
                                         (uint32_t)(c->cap_permitted >> 32 * i),
                                         (uint32_t)(c->cap_inheritable >> 32 * i)};
    cred_put(c);
    task_put(target);
    return data ? user_write(task, data, out, words * sizeof out[0]) : 0;
}

static int check_new_capabilities(const struct task *task, uint64_t effective, uint64_t permitted,
                                  uint64_t inheritable)
{
    const struct cred *c = task->cred;
    if (!task_capable_own(task, LINUX_CAP_SETPCAP) &&
        inheritable & ~(c->cap_inheritable | c->cap_permitted))
        return -LINUX_EPERM;
    if (inheritable & ~(c->cap_inheritable | c->cap_bounding))
        return -LINUX_EPERM;
    if (permitted & ~c->cap_permitted || effective & ~permitted)
        return -LINUX_EPERM;
    return 0;
}

int64_t sys_capset(struct task *task, uaddr_t header, uaddr_t data)
{
    struct linux_cap_header h;
    unsigned words;
    int err = read_header(task, header, false, &h, &words);
    if (err)
        return err;
    if (h.pid != 0 && h.pid != task->own_pid)
        return -LINUX_EPERM;
    struct linux_cap_data in[2] = {{0}};
    if (user_read(task, data, in, words * sizeof in[0]))
        return -LINUX_EFAULT;
    uint64_t effective = (in[0].effective | (uint64_t)in[1].effective << 32) & LINUX_CAP_FULL;
    uint64_t permitted = (in[0].permitted | (uint64_t)in[1].permitted << 32) & LINUX_CAP_FULL;
    uint64_t inheritable = (in[0].inheritable | (uint64_t)in[1].inheritable << 32) & LINUX_CAP_FULL;
    err = check_new_capabilities(task, effective, permitted, inheritable);
    if (err)
        return err;
    struct cred *new = cred_copy(task->cred, task->cred->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    new->cap_effective = effective;
    new->cap_permitted = permitted;
    new->cap_inheritable = inheritable;
    new->cap_ambient &= permitted &inheritable;
    cred_commit(task, new);
    return 0;
}
