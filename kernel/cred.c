// Credentials: copies, the rules of set*id, capabilities, execve.
#include "kernel/cred.h"
#include "fs/landlock.h"
#include "kernel/keys.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
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
    landlock_get(c->landlock);
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
    if (task->thread_keyring && (old->fsuid != cred->fsuid || old->fsgid != cred->fsgid))
        keys_owner_changed(task, cred);
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

bool cred_parse_file_caps(const void *value, size_t size, struct exec_rights *out)
{
    // Words of 32 bits, little-endian: magic, then permitted and inheritable for the lower and the
    // upper half, then (revision 3) the user who is root where it counts.
    enum { REVISION_2 = 2, REVISION_3 = 3, WORDS_2 = 5, WORDS_3 = 6, FLAG_EFFECTIVE = 1 };
    uint32_t word[WORDS_3] = {0};
    if (size != WORDS_2 * sizeof word[0] && size != WORDS_3 * sizeof word[0])
        return false;
    const uint8_t *at = value;
    for (size_t i = 0; i < size; i++)
        word[i / 4] |= (uint32_t)at[i] << 8 * (i % 4);
    uint32_t revision = word[0] >> 24;
    if (revision != (size == WORDS_2 * sizeof word[0] ? REVISION_2 : REVISION_3))
        return false;
    out->has_caps = true;
    out->caps_root = word[5];
    out->caps_effective = word[0] & FLAG_EFFECTIVE;
    out->caps_permitted = (word[1] | (uint64_t)word[3] << 32) & LINUX_CAP_FULL;
    out->caps_inheritable = (word[2] | (uint64_t)word[4] << 32) & LINUX_CAP_FULL;
    return true;
}

// Capabilities after execve (capabilities(7)): user 0 gets the bounding and inheritable sets, a
// file with capabilities gives its own, others what is ambient.
static int exec_capabilities(struct cred *c, const struct cred *from, bool set_id,
                             const struct exec_rights *file, bool *raised)
{
    const uint32_t root = cred_uid(c, 0); // of the user namespace
    bool root_rules = !(c->securebits & LINUX_SECBIT_NOROOT) && root != ID_NONE;
    bool effective = false;
    uint64_t permitted = 0;
    bool has_caps = file->has_caps && fcap_counts(c->user_ns, file->caps_root);
    if (has_caps) {
        permitted = (from->cap_bounding & file->caps_permitted) |
                    (from->cap_inheritable & file->caps_inheritable);
        effective = file->caps_effective;
        if (effective && file->caps_permitted & ~permitted)
            return -LINUX_EPERM;
    }
    bool is_root = root != ID_NONE && (c->euid == root || c->uid == root);
    // A set-user-id program of root with capabilities of its own has those only.
    bool own_only = has_caps && c->uid != root && c->euid == root;
    if (root_rules && is_root && !own_only) {
        permitted = from->cap_inheritable | from->cap_bounding;
        effective = c->euid == root;
    }
    if (file->limited)
        permitted &= from->cap_permitted;
    if (set_id || has_caps)
        c->cap_ambient = 0;
    permitted |= c->cap_ambient;
    c->cap_permitted = permitted;
    c->cap_effective = effective ? permitted : c->cap_ambient;
    c->securebits &= ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
    *raised = c->uid != root && (effective || permitted & ~c->cap_ambient);
    return 0;
}

int cred_for_exec(const struct cred *from, const struct exec_rights *file, bool *secure,
                  struct cred **out)
{
    struct cred *c = cred_copy(from, from->group_count);
    bool raised = false;
    if (!c)
        return -LINUX_ENOMEM;
    // Ids that have no name here are not taken on either.
    const struct user_ns *ns = c->user_ns;
    bool known =
        (file->uid == UINT32_MAX || user_ns_from_machine(ns, ID_UID, file->uid) != ID_NONE) &&
        (file->gid == UINT32_MAX || user_ns_from_machine(ns, ID_GID, file->gid) != ID_NONE);
    if (known && file->uid != UINT32_MAX)
        c->euid = file->uid;
    if (known && file->gid != UINT32_MAX)
        c->egid = file->gid;
    bool set_id = c->euid != from->euid || c->egid != from->egid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    int err = exec_capabilities(c, from, set_id, file, &raised);
    if (err) {
        cred_put(c);
        return err;
    }
    *secure = c->euid != c->uid || c->egid != c->gid || raised;
    *out = c;
    return 0;
}
