// Core files: the memory and registers of a process that a signal ends, for a debugger. Layer 4.
//
// The thread that took the signal writes the file; the others, which are to end too, wait before
// they take anything down (core_dump_join), so that their registers and the memory stay as they
// were.
#ifndef KERNEL_CORE_DUMP_H
#define KERNEL_CORE_DUMP_H

struct siginfo;
struct task;

// What of memory belongs into a core (/proc/PID/coredump_filter).
enum {
    CORE_FILTER_ANON_PRIVATE = 1 << 0,
    CORE_FILTER_ANON_SHARED = 1 << 1,
    CORE_FILTER_FILE_PRIVATE = 1 << 2,
    CORE_FILTER_FILE_SHARED = 1 << 3,
    CORE_FILTER_ELF_HEADERS = 1 << 4,
    CORE_FILTER_DEFAULT = 0x33,
    CORE_FILTER_MASK = 0x1ff,
};

// These two with process->lock held, just before and after the end of the process was begun.
// Decides whether there will be a core, and counts the threads to wait for.
void core_dump_prepare(struct task *task, int signo);
// Writes it if that was decided (else does nothing); the lock is released meanwhile. The wait
// status says so then.
void core_dump(struct task *task, struct siginfo *info);

// A task ends: it waits for the core its process may be writing. No lock is held.
void core_dump_join(struct task *task);

#endif
