// Credentials: the rules of set*id, capabilities, execve.
#include "kernel/cred.h"
#include "kernel/keys.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"

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
    if (changed) { // first: nobody may look in by what the new one allows
        lock_acquire(&task->process->lock);
        task->process->dumpable = 0;
        lock_release(&task->process->lock);
    }
    lock_acquire(&task->lock);
    task->cred = cred;
    lock_release(&task->lock);
    if (changed) {
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

// What an execve makes of capabilities.
struct exec_caps {
    uint64_t permitted;
    bool effective;
    bool from_file;
};

// capabilities(7): a file gives its own; user 0 gets the bounding and inheritable sets.
static int exec_caps_find(const struct cred *c, const struct cred *from,
                          const struct exec_rights *file, struct exec_caps *out)
{
    const uint32_t root = cred_uid(c, 0); // of the user namespace
    *out =
        (struct exec_caps){.from_file = file->has_caps && fcap_counts(c->user_ns, file->caps_root)};
    if (out->from_file) {
        out->permitted = (from->cap_bounding & file->caps_permitted) |
                         (from->cap_inheritable & file->caps_inheritable);
        out->effective = file->caps_effective;
        if (out->effective && file->caps_permitted & ~out->permitted)
            return -LINUX_EPERM;
    }
    // A set-user-id program of root with capabilities of its own has those only.
    bool own_only = out->from_file && c->uid != root && c->euid == root;
    if (root == ID_NONE || c->securebits & LINUX_SECBIT_NOROOT || own_only)
        return 0;
    if (c->euid == root || c->uid == root)
        out->permitted = from->cap_inheritable | from->cap_bounding;
    out->effective |= c->euid == root;
    return 0;
}

// What was not there before is not given to somebody who is watched, or wants no more.
static void exec_limit(struct cred *c, const struct cred *from, const struct exec_rights *file,
                       struct exec_caps *caps)
{
    if (file->no_new_privs || !cred_capable_own(from, LINUX_CAP_SETUID)) {
        c->euid = c->uid;
        c->egid = c->gid;
    }
    caps->permitted &= from->cap_permitted;
}

int cred_for_exec(const struct cred *from, const struct exec_rights *file, bool *secure,
                  struct cred **out)
{
    struct cred *c = cred_copy(from, from->group_count);
    if (!c)
        return -LINUX_ENOMEM;
    // An owner that has no name here lends its ids to nobody.
    if (user_ns_from_machine(c->user_ns, ID_UID, file->uid) != ID_NONE &&
        user_ns_from_machine(c->user_ns, ID_GID, file->gid) != ID_NONE) {
        c->euid = file->set_uid ? file->uid : c->euid;
        c->egid = file->set_gid ? file->gid : c->egid;
    }
    struct exec_caps caps;
    int err = exec_caps_find(c, from, file, &caps);
    if (err) {
        cred_put(c);
        return err;
    }
    bool set_id = c->euid != from->uid || c->egid != from->gid;
    if ((set_id || caps.permitted & ~from->cap_permitted) && (file->no_new_privs || file->watched))
        exec_limit(c, from, file, &caps);
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    if (set_id || caps.from_file)
        c->cap_ambient = 0;
    c->cap_permitted = caps.permitted | c->cap_ambient;
    c->cap_effective = caps.effective ? c->cap_permitted : c->cap_ambient;
    c->securebits &= ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
    *secure = set_id ||
              (c->uid != cred_uid(c, 0) && (caps.effective || c->cap_permitted & ~c->cap_ambient));
    *out = c;
    return 0;
}

bool cred_keeps_dumpable(const struct cred *from, const struct cred *to)
{
    return from->euid == from->uid && from->egid == from->gid && !identity_changed(from, to);
}
