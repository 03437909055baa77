// Keys that the kernel holds for programs (keyrings(7)). Layer 4.
#ifndef KERNEL_KEYS_H
#define KERNEL_KEYS_H

#include "platform/base/compiler.h"

struct cred;
struct kernel;
struct key;
struct keys;
struct proc_text;
struct task;

NODISCARD int keys_create(struct keys **out);
void keys_destroy(struct keys *keys); // every task is gone
// What a task holds: a child has its parent's session; a program that begins has no keyring of the
// thread or the process. No lock held.
void keys_inherit(struct task *parent, struct task *child);
void keys_exec(struct task *task);
void keys_task_gone(struct task *task);
// The keyring of the last thread, and that of the process.
void keys_process_gone(struct kernel *kernel, struct key *process_keyring);
void keys_owner_changed(struct task *task, const struct cred *cred); // the file-system ids

// /proc/keys and /proc/key-users.
int keys_show(struct proc_text *t, struct task *reader);
int keys_show_users(struct proc_text *t, struct task *reader);

#endif
