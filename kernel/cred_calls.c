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

// The machine's id for an argument, in place. False when the namespace has no such id.
static bool known_uid(const struct cred *c, uint32_t *uid)
{
    if (*uid == UNCHANGED)
        return true;
    *uid = cred_uid(c, *uid);
    return *uid != ID_NONE;
}

static bool known_gid(const struct cred *c, uint32_t *gid)
{
    if (*gid == UNCHANGED)
        return true;
    *gid = cred_gid(c, *gid);
    return *gid != ID_NONE;
}

static int64_t commit(struct task *task, struct cred *new)
{
    cred_commit(task, new);
    return 0;
}

// --- Users ---------------------------------------------------------------------------------------

int64_t sys_setuid(struct task *task, uint32_t uid)
{
    const struct cred *old = task->cred;
    if (uid == UNCHANGED || !known_uid(old, &uid))
        return -LINUX_EINVAL;
    bool privileged = task_capable_own(task, LINUX_CAP_SETUID);
    if (!privileged && uid != old->uid && uid != old->suid)
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (privileged)
        new->uid = new->suid = uid;
    new->euid = new->fsuid = uid;
    fix_capabilities(new, old);
    return commit(task, new);
}

int64_t sys_setreuid(struct task *task, uint32_t ruid, uint32_t euid)
{
    const struct cred *old = task->cred;
    if (!known_uid(old, &ruid) || !known_uid(old, &euid))
        return -LINUX_EINVAL;
    bool privileged = task_capable_own(task, LINUX_CAP_SETUID);
    if (!privileged && ruid != UNCHANGED && ruid != old->uid && ruid != old->euid)
        return -LINUX_EPERM;
    if (!privileged && euid != UNCHANGED && euid != old->uid && euid != old->euid &&
        euid != old->suid)
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (ruid != UNCHANGED)
        new->uid = ruid;
    if (euid != UNCHANGED)
        new->euid = euid;
    if (ruid != UNCHANGED || (euid != UNCHANGED && euid != old->uid))
        new->suid = new->euid;
    new->fsuid = new->euid;
    fix_capabilities(new, old);
    return commit(task, new);
}

static bool is_one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == UNCHANGED || id == a || id == b || id == c;
}

int64_t sys_setresuid(struct task *task, uint32_t ruid, uint32_t euid, uint32_t suid)
{
    const struct cred *old = task->cred;
    if (!known_uid(old, &ruid) || !known_uid(old, &euid) || !known_uid(old, &suid))
        return -LINUX_EINVAL;
    if (!task_capable_own(task, LINUX_CAP_SETUID) &&
        !(is_one_of(ruid, old->uid, old->euid, old->suid) &&
          is_one_of(euid, old->uid, old->euid, old->suid) &&
          is_one_of(suid, old->uid, old->euid, old->suid)))
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (ruid != UNCHANGED)
        new->uid = ruid;
    if (euid != UNCHANGED)
        new->euid = euid;
    if (suid != UNCHANGED)
        new->suid = suid;
    new->fsuid = new->euid;
    fix_capabilities(new, old);
    return commit(task, new);
}

static int64_t put3(struct task *task, const uaddr_t addr[3], const uint32_t value[3])
{
    for (int i = 0; i < 3; i++)
        if (user_put(task, addr[i], &value[i]))
            return -LINUX_EFAULT;
    return 0;
}

int64_t sys_getresuid(struct task *task, uaddr_t ruid, uaddr_t euid, uaddr_t suid)
{
    const struct cred *c = task->cred;
    return put3(task, (uaddr_t[]){ruid, euid, suid},
                (uint32_t[]){cred_show_uid(c, c->uid), cred_show_uid(c, c->euid),
                             cred_show_uid(c, c->suid)});
}

int64_t sys_setfsuid(struct task *task, uint32_t uid)
{
    const struct cred *old = task->cred;
    uint32_t before = cred_show_uid(old, old->fsuid);
    if (uid == UNCHANGED || !known_uid(old, &uid) ||
        !(uid == old->uid || uid == old->euid || uid == old->suid || uid == old->fsuid ||
          task_capable_own(task, LINUX_CAP_SETUID)))
        return before;
    struct cred *new = cred_copy(old, old->group_count);
    if (new) {
        new->fsuid = uid;
        fix_fs_capabilities(new, old);
        cred_commit(task, new);
    }
    return before;
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
    const struct cred *old = task->cred;
    if (gid == UNCHANGED || !known_gid(old, &gid))
        return -LINUX_EINVAL;
    bool privileged = task_capable_own(task, LINUX_CAP_SETGID);
    if (!privileged && gid != old->gid && gid != old->sgid)
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (privileged)
        new->gid = new->sgid = gid;
    new->egid = new->fsgid = gid;
    return commit(task, new);
}

int64_t sys_setregid(struct task *task, uint32_t rgid, uint32_t egid)
{
    const struct cred *old = task->cred;
    if (!known_gid(old, &rgid) || !known_gid(old, &egid))
        return -LINUX_EINVAL;
    bool privileged = task_capable_own(task, LINUX_CAP_SETGID);
    if (!privileged && rgid != UNCHANGED && rgid != old->gid && rgid != old->egid)
        return -LINUX_EPERM;
    if (!privileged && egid != UNCHANGED && egid != old->gid && egid != old->egid &&
        egid != old->sgid)
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (rgid != UNCHANGED)
        new->gid = rgid;
    if (egid != UNCHANGED)
        new->egid = egid;
    if (rgid != UNCHANGED || (egid != UNCHANGED && egid != old->gid))
        new->sgid = new->egid;
    new->fsgid = new->egid;
    return commit(task, new);
}

int64_t sys_setresgid(struct task *task, uint32_t rgid, uint32_t egid, uint32_t sgid)
{
    const struct cred *old = task->cred;
    if (!known_gid(old, &rgid) || !known_gid(old, &egid) || !known_gid(old, &sgid))
        return -LINUX_EINVAL;
    if (!task_capable_own(task, LINUX_CAP_SETGID) &&
        !(is_one_of(rgid, old->gid, old->egid, old->sgid) &&
          is_one_of(egid, old->gid, old->egid, old->sgid) &&
          is_one_of(sgid, old->gid, old->egid, old->sgid)))
        return -LINUX_EPERM;
    struct cred *new = cred_copy(old, old->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    if (rgid != UNCHANGED)
        new->gid = rgid;
    if (egid != UNCHANGED)
        new->egid = egid;
    if (sgid != UNCHANGED)
        new->sgid = sgid;
    new->fsgid = new->egid;
    return commit(task, new);
}

int64_t sys_getresgid(struct task *task, uaddr_t rgid, uaddr_t egid, uaddr_t sgid)
{
    const struct cred *c = task->cred;
    return put3(task, (uaddr_t[]){rgid, egid, sgid},
                (uint32_t[]){cred_show_gid(c, c->gid), cred_show_gid(c, c->egid),
                             cred_show_gid(c, c->sgid)});
}

int64_t sys_setfsgid(struct task *task, uint32_t gid)
{
    const struct cred *old = task->cred;
    uint32_t before = cred_show_gid(old, old->fsgid);
    if (gid == UNCHANGED || !known_gid(old, &gid) ||
        !(gid == old->gid || gid == old->egid || gid == old->sgid || gid == old->fsgid ||
          task_capable_own(task, LINUX_CAP_SETGID)))
        return before;
    struct cred *new = cred_copy(old, old->group_count);
    if (new) {
        new->fsgid = gid;
        cred_commit(task, new);
    }
    return before;
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
        if (new->groups[i] == UNCHANGED || !known_gid(new, &new->groups[i])) {
            cred_put(new);
            return -LINUX_EINVAL;
        }
    qsort(new->groups, (size_t)size, sizeof new->groups[0], compare_gids);
    return commit(task, new);
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
    return commit(task, new);
}
