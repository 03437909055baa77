// Credentials: copies, the rules of set*id, capabilities, execve.
#include "kernel/cred.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct cred *cred_copy(const struct cred *from, uint32_t group_count)
{
    struct cred *c = malloc(sizeof *c + group_count * sizeof c->groups[0]);
    if (!c)
        return NULL;
    // All but the count of references, which others change meanwhile.
    const size_t start = offsetof(struct cred, uid);
    memcpy((char *)c + start, (const char *)from + start, sizeof *c - start);
    atomic_init(&c->refs, 1);
    user_ns_get(c->user_ns);
    uint32_t kept = from->group_count < group_count ? from->group_count : group_count;
    memcpy(c->groups, from->groups, kept * sizeof c->groups[0]);
    c->group_count = group_count;
    return c;
}

struct cred *cred_create_user(uint32_t uid, uint32_t gid)
{
    struct cred *c = cred_create_root();
    if (!c)
        return NULL;
    c->uid = c->euid = c->suid = c->fsuid = uid;
    c->gid = c->egid = c->sgid = c->fsgid = gid;
    if (uid != 0)
        c->cap_permitted = c->cap_effective = 0;
    return c;
}

// Whether `b` has no more rights than `a`: inside a namespace of its own making everybody may have
// all of them.
static bool caps_within(const struct cred *a, const struct cred *b)
{
    if (a->user_ns == b->user_ns)
        return !(b->cap_permitted & ~a->cap_permitted);
    for (const struct user_ns *ns = b->user_ns; ns; ns = user_ns_parent(ns))
        if (user_ns_parent(ns) == a->user_ns && ns->owner_uid == a->euid)
            return true;
    return false;
}

static bool identity_changed(const struct cred *a, const struct cred *b)
{
    return a->euid != b->euid || a->egid != b->egid || a->fsuid != b->fsuid ||
           a->fsgid != b->fsgid || !caps_within(a, b);
}

void cred_commit(struct task *task, struct cred *cred)
{
    const struct cred *old = task->cred;
    bool changed = identity_changed(old, cred);
    lock_acquire(&task->lock);
    task->cred = cred;
    lock_release(&task->lock);
    if (changed) {
        struct process *p = task->process;
        lock_acquire(&p->lock);
        p->dumpable = 0;
        lock_release(&p->lock);
        lock_acquire(&task->kernel->tasklist);
        task->pdeath_signal = 0;
        lock_release(&task->kernel->tasklist);
    }
    cred_put(old);
}

bool cred_may_signal(const struct cred *self, const struct cred *target)
{
    return self->euid == target->suid || self->euid == target->uid || self->uid == target->suid ||
           self->uid == target->uid || cred_capable_in(self, target->user_ns, LINUX_CAP_KILL);
}

// Capabilities after execve (capabilities(7)), without file capabilities: user 0 gets the bounding
// and inheritable sets, others what is ambient.
static void exec_capabilities(struct cred *c, const struct cred *from, bool set_id)
{
    bool root_rules = !(c->securebits & LINUX_SECBIT_NOROOT);
    if (set_id)
        c->cap_ambient = 0;
    uint64_t permitted = c->cap_ambient, effective = c->cap_ambient;
    const uint32_t root = cred_uid(c, 0); // of the user namespace
    if (root_rules && root != ID_NONE && (c->euid == root || c->uid == root)) {
        permitted = from->cap_inheritable | from->cap_bounding;
        effective = c->euid == root ? permitted : c->cap_ambient;
    }
    c->cap_permitted = permitted;
    c->cap_effective = effective;
    c->securebits &= ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
}

struct cred *cred_for_exec(const struct cred *from, uint32_t file_uid, uint32_t file_gid,
                           bool no_privs, bool *secure)
{
    struct cred *c = cred_copy(from, from->group_count);
    if (!c)
        return NULL;
    // Ids that have no name here are not taken on either.
    const struct user_ns *ns = c->user_ns;
    bool known =
        (file_uid == UINT32_MAX || user_ns_from_machine(ns, ID_UID, file_uid) != ID_NONE) &&
        (file_gid == UINT32_MAX || user_ns_from_machine(ns, ID_GID, file_gid) != ID_NONE);
    if (!no_privs && known) {
        if (file_uid != UINT32_MAX)
            c->euid = file_uid;
        if (file_gid != UINT32_MAX)
            c->egid = file_gid;
    }
    bool set_id = c->euid != from->euid || c->egid != from->egid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    exec_capabilities(c, from, set_id);
    *secure = c->euid != c->uid || c->egid != c->gid;
    return c;
}
