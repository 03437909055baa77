// Namespaces of a task, and the files that stand for them (namespaces(7)). Layer 4.
//
// A task holds a `struct namespaces`, which is never changed once it is shared: to enter another
// one is to make a new set. The user namespace is part of the credentials (fs/cred.h), the process
// namespace a task is in is part of its numbers (kernel/pid_ns.h).
#ifndef KERNEL_NS_H
#define KERNEL_NS_H

#include "fs/namespace.h"
#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cred;
struct file;
struct ipc;
struct kernel;
struct mnt_ns;
struct pid_ns;
struct task;

struct uts_ns {
    struct namespace base;
    char nodename[65], domainname[65]; // guarded by tasklist
};

struct namespaces {
    _Atomic uint32_t refs;
    // Immutable; each referenced.
    struct uts_ns *uts;
    struct ipc *ipc;
    struct mnt_ns *mnt;          // NULL until the root is mounted
    struct pid_ns *pid_children; // where children are born; NULL: the initial one
    struct namespace *cgroup;    // there is one group, so it is a name only
};

// Kinds of which there is one, and the identity of those that NULL stands for.
enum ns_fixed {
    NS_FIXED_USER,
    NS_FIXED_PID,
    NS_FIXED_NET,
    NS_FIXED_TIME,
    NS_FIXED_CGROUP,
    NS_FIXED
};

// What hangs off struct kernel.
struct ns_table {
    struct namespaces *initial;
    struct namespace fixed[NS_FIXED];
    struct super *nsfs;
    _Atomic uint32_t next_inum;
};

NODISCARD int ns_create(struct kernel *kernel, const char *nodename);
void ns_destroy(struct kernel *kernel); // every task is gone
// What needs the file systems goes before they do.
void ns_drop_initial(struct kernel *kernel);
uint32_t ns_new_inum(struct kernel *kernel);

struct namespaces *namespaces_get(struct namespaces *ns);
void namespaces_put(struct namespaces *ns); // harmless with NULL; no lock held
// Another task's, referenced; NULL when it has none any more.
struct namespaces *task_ns_get(struct task *task);
// The calling task drops the ones it has and takes `ns` (consumed), NULL at its end.
void task_ns_set(struct task *task, struct namespaces *ns);

struct ipc *task_ipc(const struct task *task);
struct user_ns *task_mnt_owner(const struct task *task); // of the mount namespace
bool task_mnt_capable(const struct task *task, unsigned cap);

// A copy of `from` in which the kinds of `flags` (LINUX_CLONE_NEW*) are new ones, owned by
// `cred`'s user namespace. With CLONE_NEWNS `fs` is moved to the copies of its root and directory.
struct fs_context;
NODISCARD int namespaces_copy(struct task *task, struct namespaces *from, const struct cred *cred,
                              uint64_t flags, struct fs_context *fs, struct namespaces **out);

// What clone and unshare share: the kinds of `flags` that exist, and the right to make them.
// -LINUX_EINVAL, -LINUX_EPERM.
NODISCARD int ns_check_flags(struct task *task, uint64_t flags);
// New credentials in a new user namespace below the caller's. -LINUX_EPERM, -LINUX_ENOSPC.
NODISCARD int ns_new_user(struct task *task, struct cred **out);
// setns(2) and CLONE_NEWUSER: every capability inside `ns` (referenced by the call).
void cred_enter_user_ns(struct cred *cred, struct user_ns *ns);

// The namespace of one kind a task is in, referenced; NULL when it has none. `kind`: one
// LINUX_CLONE_NEW* flag; with `children`, the one for its children.
struct namespace *task_namespace(struct task *task, uint64_t kind, bool children);
// The nsfs object of `ns`, whose reference is consumed.
NODISCARD int nsfs_path(struct kernel *kernel, struct namespace *ns, struct path *out);
// "uts:[4026531838]"; returns the length.
int nsfs_name(const struct namespace *ns, char *buf, size_t size);
// The namespace an open file stands for, borrowed; NULL for other files.
struct namespace *nsfs_of(const struct file *file);
NODISCARD int nsfs_create(struct kernel *kernel);
// NULL for the fixed ones that NULL stands for.
struct user_ns *ns_user(struct namespace *ns);
struct pid_ns *ns_pid(struct namespace *ns);

#endif
