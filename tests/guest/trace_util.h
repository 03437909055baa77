// What the probes of ptrace(2) share: stops in words, and the registers every architecture has.
#ifndef TESTS_GUEST_TRACE_UTIL_H
#define TESTS_GUEST_TRACE_UTIL_H

#include "probe.h"
#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)
#define PC(r)     ((r).rip)
#define SP(r)     ((r).rsp)
#define RET(r)    ((r).rax)
#define STEP_BACK 1 // a breakpoint leaves the program counter behind itself
#elif defined(__aarch64__)
#define PC(r)     ((r).pc)
#define SP(r)     ((r).sp)
#define RET(r)    ((r).regs[0])
#define STEP_BACK 0
#endif

// glibc's wrapper returns the peeked word; the call itself stores it.
static inline long trace_call(long request, pid_t pid, unsigned long addr, unsigned long data)
{
    return syscall(SYS_ptrace, request, (long)pid, addr, data);
}

static inline const char *trace_event_text(int status)
{
    static const char *const names[] = {"",     "FORK",       "VFORK", "CLONE",
                                        "EXEC", "VFORK_DONE", "EXIT",  "SECCOMP"};
    int event = status >> 16;
    return event == 128 ? " STOP" : event > 0 && event < 8 ? names[event] : "";
}

// Waits for `pid` and says what came.
static inline int trace_wait(const char *name, pid_t pid)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL);
    if (got < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else if (WIFSTOPPED(status))
        SHOW(name, "stopped by %#x %s", WSTOPSIG(status) | (status >> 16) << 8,
             trace_event_text(status));
    else
        SHOW(name, "%s", status_text(status));
    return status;
}

static inline int trace_get_regs(pid_t pid, struct user_regs_struct *regs)
{
    struct iovec iov = {regs, sizeof *regs};
    return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0 ? -1 : 0;
}

static inline int trace_set_regs(pid_t pid, struct user_regs_struct *regs)
{
    struct iovec iov = {regs, sizeof *regs};
    return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0 ? -1 : 0;
}

static inline void trace_show_siginfo(const char *name, pid_t pid)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info) < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "signal %d code %#x errno %d", info.si_signo, (unsigned)info.si_code,
             info.si_errno);
}

// The letter of /proc/PID/status, and whether we are its tracer.
static inline void trace_show_state(const char *name, pid_t pid)
{
    char path[64], line[256], state = '?';
    int tracer = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "State: %c", &state);
        sscanf(line, "TracerPid: %d", &tracer);
    }
    if (f)
        fclose(f);
    SHOW(name, "%c tracer %s", state, tracer == getpid() ? "self" : tracer == 0 ? "none" : "other");
}

#endif
