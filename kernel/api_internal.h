// What the files of the library share. Layer 5.
//
// Handles outlive the kernel they came from: each holds a reference to its ish_kernel, whose
// machine ish_kernel_destroy() takes away. Every call that uses the machine is between api_enter()
// and api_leave(), and destruction waits until nobody is.
#ifndef KERNEL_API_INTERNAL_H
#define KERNEL_API_INTERNAL_H

#include "include/ish/ish.h"
#include "kernel/kernel.h"
#include "platform/base/list.h"
#include "platform/lock.h"

struct task;
struct tty;

struct ish_kernel {
    _Atomic uint32_t refs;
    void (*log)(void *context, const char *channel, const char *line); // may be NULL
    void *log_context;
    struct lock lock; // rank api; never held across a call that may wait
    struct cond changed;
    // Guarded by lock.
    struct kernel *kernel; // NULL once it is destroyed
    bool dying;            // nobody enters any more
    unsigned users;        // calls between api_enter() and api_leave()
    struct list processes; // ish_process.link
    struct list terminals; // ish_terminal.link
};

struct ish_process {
    struct ish_kernel *owner; // referenced
    int pid;                  // immutable
    // Guarded by owner->lock.
    struct list link;
    struct task *task; // leader, referenced; NULL once the kernel is destroyed
    int status;        // valid then
};

struct ish_terminal {
    struct ish_kernel *owner; // referenced
    struct tty *tty;          // referenced
    ish_terminal_config config;
    // Guarded by owner->lock.
    struct list link;
    bool ended; // its callbacks were ended with the kernel
};

// False when the machine is gone or going.
bool api_enter(struct ish_kernel *k);
void api_leave(struct ish_kernel *k);
struct ish_kernel *api_get(struct ish_kernel *k);
void api_put(struct ish_kernel *k);

// Copies a struct of the caller's version, which starts with its size: what the caller does not
// know is zero. False for a size that cannot be.
bool api_copy_sized(void *to, size_t size, const void *from, size_t from_size);

// The end of all processes was awaited: takes their tasks from their handles.
void api_forget_processes(struct ish_kernel *k);
// Ends every terminal's callbacks.
void api_end_terminals(struct ish_kernel *k);

#endif
