// How strace shows structs: one function for each struct of syscalls.tbl that is `traced`. The
// address was found readable; a struct that ends beyond readable memory is shown as its address.
#include "kernel/strace.h"
#include "kernel/syscall_trace.h"
#include "kernel/task.h"
#include "platform/abi/resource.h"
#include "platform/abi/sched.h"
#include "platform/abi/signal.h"
#include "platform/abi/system.h"
#include "platform/abi/time.h"
#include <string.h>

#define LL(x)  ((long long)(x))
#define ULL(x) ((unsigned long long)(x))

// Reads a struct or shows its address and returns from the formatter.
#define READ_OR_RETURN(value)                                                                      \
    if (user_get(task, addr, &(value))) {                                                          \
        trace_printf(line, "0x%llx", ULL(addr));                                                   \
        return;                                                                                    \
    }

// A formatter; `count` matters to those without a fixed size only.
#define FORMAT(name)                                                                               \
    void trace_##name(struct trace_line *line, struct task *task, uaddr_t addr,                    \
                      MAYBE_UNUSED uint64_t count)

// --- Numbers -------------------------------------------------------------------------------------

FORMAT(int)
{
    int32_t v;
    READ_OR_RETURN(v);
    trace_printf(line, "[%d]", v);
}

FORMAT(uint)
{
    uint32_t v;
    READ_OR_RETURN(v);
    trace_printf(line, "[%u]", v);
}

FORMAT(long)
{
    int64_t v;
    READ_OR_RETURN(v);
    trace_printf(line, "[%lld]", LL(v));
}

FORMAT(ulong)
{
    uint64_t v;
    READ_OR_RETURN(v);
    trace_printf(line, "[0x%llx]", ULL(v));
}

FORMAT(fdpair)
{
    int32_t v[2];
    READ_OR_RETURN(v);
    trace_printf(line, "[%d, %d]", v[0], v[1]);
}

FORMAT(wstatus)
{
    int32_t v;
    char buf[TRACE_SIGNAL_NAME_MAX];
    READ_OR_RETURN(v);
    if (v == 0xffff)
        trace_printf(line, "[{WIFCONTINUED}]");
    else if ((v & 0x7f) == 0)
        trace_printf(line, "[{WIFEXITED && WEXITSTATUS == %d}]", v >> 8 & 0xff);
    else if ((v & 0xff) == 0x7f)
        trace_printf(line, "[{WIFSTOPPED && WSTOPSIG == %s}]",
                     trace_signal_name(v >> 8 & 0xff, buf, sizeof buf));
    else
        trace_printf(line, "[{WIFSIGNALED && WTERMSIG == %s%s}]",
                     trace_signal_name(v & 0x7f, buf, sizeof buf), v & 0x80 ? ", core" : "");
}

// --- Time ----------------------------------------------------------------------------------------

static void put_timespec(struct trace_line *line, const struct linux_timespec *t)
{
    trace_printf(line, "{%lld, %lld}", LL(t->sec), LL(t->nsec));
}

static void put_timeval(struct trace_line *line, const struct linux_timeval *t)
{
    trace_printf(line, "{%lld, %lld}", LL(t->sec), LL(t->usec));
}

FORMAT(timespec)
{
    struct linux_timespec t;
    READ_OR_RETURN(t);
    put_timespec(line, &t);
}

FORMAT(timespec2)
{
    struct linux_timespec t[2];
    READ_OR_RETURN(t);
    trace_printf(line, "[");
    put_timespec(line, &t[0]);
    trace_printf(line, ", ");
    put_timespec(line, &t[1]);
    trace_printf(line, "]");
}

FORMAT(timeval)
{
    struct linux_timeval t;
    READ_OR_RETURN(t);
    put_timeval(line, &t);
}

FORMAT(itimerspec)
{
    struct linux_itimerspec t;
    READ_OR_RETURN(t);
    trace_printf(line, "{interval=");
    put_timespec(line, &t.interval);
    trace_printf(line, ", value=");
    put_timespec(line, &t.value);
    trace_printf(line, "}");
}

FORMAT(itimerval)
{
    struct linux_itimerval t;
    READ_OR_RETURN(t);
    trace_printf(line, "{interval=");
    put_timeval(line, &t.interval);
    trace_printf(line, ", value=");
    put_timeval(line, &t.value);
    trace_printf(line, "}");
}

// --- Signals -------------------------------------------------------------------------------------

static void put_sigset(struct trace_line *line, uint64_t set)
{
    // A set with most signals is shown by what it lacks, as strace does.
    bool inverted = __builtin_popcountll(set) > 32;
    trace_printf(line, inverted ? "~[" : "[");
    const char *separator = "";
    for (int sig = 1; sig <= LINUX_NSIG; sig++) {
        char buf[TRACE_SIGNAL_NAME_MAX];
        if (!!(set >> (sig - 1) & 1) == inverted)
            continue;
        const char *name = trace_signal_name(sig, buf, sizeof buf);
        trace_printf(line, "%s%s", separator, strncmp(name, "SIG", 3) ? name : name + 3);
        separator = " ";
    }
    trace_printf(line, "]");
}

FORMAT(sigset)
{
    uint64_t set;
    READ_OR_RETURN(set);
    put_sigset(line, set);
}

FORMAT(sigaction)
{
    struct linux_sigaction a;
    READ_OR_RETURN(a);
    if (a.handler == LINUX_SIG_DFL || a.handler == LINUX_SIG_IGN)
        trace_printf(line, "{%s, ", a.handler == LINUX_SIG_DFL ? "SIG_DFL" : "SIG_IGN");
    else
        trace_printf(line, "{0x%llx, ", ULL(a.handler));
    put_sigset(line, a.mask);
    trace_printf(line, ", flags=0x%llx}", ULL(a.flags));
}

FORMAT(siginfo)
{
    struct linux_siginfo i;
    char buf[TRACE_SIGNAL_NAME_MAX];
    READ_OR_RETURN(i);
    trace_printf(line, "{%s, si_code=%d, si_pid=%d, si_uid=%u}",
                 trace_signal_name(i.signo, buf, sizeof buf), i.code, i.rt.pid, i.rt.uid);
}

FORMAT(sigevent)
{
    struct linux_sigevent e;
    char buf[TRACE_SIGNAL_NAME_MAX];
    READ_OR_RETURN(e);
    trace_printf(line, "{%s, notify=%d, value=0x%llx}", trace_signal_name(e.signo, buf, sizeof buf),
                 e.notify, ULL(e.value));
}

FORMAT(stack)
{
    struct linux_stack s;
    READ_OR_RETURN(s);
    trace_printf(line, "{sp=0x%llx, flags=%d, size=%llu}", ULL(s.sp), s.flags, ULL(s.size));
}

// --- Processes -----------------------------------------------------------------------------------

FORMAT(clone_args)
{
    struct linux_clone_args a = {0};
    if (user_read(task, addr, &a, LINUX_CLONE_ARGS_SIZE_VER0)) {
        trace_printf(line, "0x%llx", ULL(addr));
        return;
    }
    trace_printf(line, "{flags=0x%llx, exit_signal=%llu, stack=0x%llx, stack_size=0x%llx}",
                 ULL(a.flags), ULL(a.exit_signal), ULL(a.stack), ULL(a.stack_size));
}

FORMAT(strings)
{
    enum { SHOWN = 12 };
    trace_printf(line, "[");
    for (unsigned i = 0;; i++) {
        uint64_t pointer;
        if (user_get(task, addr + i * sizeof pointer, &pointer) || !pointer)
            break;
        if (i == SHOWN) {
            trace_printf(line, ", ...");
            break;
        }
        if (i)
            trace_printf(line, ", ");
        trace_text(line, task, pointer);
    }
    trace_printf(line, "]");
}

FORMAT(rlimit)
{
    struct linux_rlimit r;
    READ_OR_RETURN(r);
    trace_printf(line, "{cur=%lld, max=%lld}", LL(r.cur), LL(r.max));
}

FORMAT(rusage)
{
    struct linux_rusage r;
    READ_OR_RETURN(r);
    trace_printf(line, "{utime=");
    put_timeval(line, &r.utime);
    trace_printf(line, ", stime=");
    put_timeval(line, &r.stime);
    trace_printf(line, ", maxrss=%lld}", LL(r.maxrss));
}

FORMAT(sched_param)
{
    int32_t priority;
    READ_OR_RETURN(priority);
    trace_printf(line, "{%d}", priority);
}

FORMAT(utsname)
{
    struct linux_utsname u;
    READ_OR_RETURN(u);
    trace_printf(line, "{\"%.64s\", \"%.64s\", \"%.64s\", \"%.64s\"}", u.sysname, u.nodename,
                 u.release, u.machine);
}

// --- Files ---------------------------------------------------------------------------------------

// struct stat of ARM64, as far as it is shown.
struct stat_head {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad;
    int64_t size;
};

FORMAT(stat)
{
    struct stat_head st;
    READ_OR_RETURN(st);
    trace_printf(line, "{mode=0%o, uid=%u, gid=%u, size=%lld, ino=%llu}", st.mode, st.uid, st.gid,
                 LL(st.size), ULL(st.ino));
}

struct statx_head {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size;
};

FORMAT(statx)
{
    struct statx_head st;
    READ_OR_RETURN(st);
    trace_printf(line, "{mask=0x%x, mode=0%o, uid=%u, gid=%u, size=%llu, ino=%llu}", st.mask,
                 st.mode, st.uid, st.gid, ULL(st.size), ULL(st.ino));
}

FORMAT(open_how)
{
    uint64_t how[3];
    READ_OR_RETURN(how);
    trace_printf(line, "{flags=0%llo, mode=0%llo, resolve=0x%llx}", ULL(how[0]), ULL(how[1]),
                 ULL(how[2]));
}

FORMAT(iovec)
{
    uint64_t iov[2];
    READ_OR_RETURN(iov);
    trace_printf(line, "{");
    trace_bytes(line, task, iov[0], (size_t)iov[1]);
    trace_printf(line, ", %llu}", ULL(iov[1]));
}

FORMAT(pollfd)
{
    struct {
        int32_t fd;
        uint16_t events, revents;
    } p;
    READ_OR_RETURN(p);
    trace_printf(line, "{fd=%d, events=0x%x, revents=0x%x}", p.fd, p.events, p.revents);
}

FORMAT(epoll_event)
{
    struct {
        uint32_t events, pad;
        uint64_t data;
    } e;
    READ_OR_RETURN(e);
    trace_printf(line, "{events=0x%x, data=0x%llx}", e.events, ULL(e.data));
}

FORMAT(fdset)
{
    uint64_t bits[16] = {0};
    uint64_t nfds = count < 1024 ? count : 1024;
    if (user_read(task, addr, bits, (size_t)((nfds + 63) / 64 * sizeof bits[0]))) {
        trace_printf(line, "0x%llx", ULL(addr));
        return;
    }
    const char *separator = "";
    trace_printf(line, "[");
    for (unsigned fd = 0; fd < nfds; fd++) {
        if (!(bits[fd / 64] >> fd % 64 & 1))
            continue;
        trace_printf(line, "%s%u", separator, fd);
        separator = " ";
    }
    trace_printf(line, "]");
}

// --- Sockets -------------------------------------------------------------------------------------

FORMAT(sockaddr)
{
    uint8_t a[110] = {0}; // sockaddr_un is the longest of those shown
    size_t n = count >= 2 && count < sizeof a ? (size_t)count : 16;
    size_t got = user_read_partial(task, addr, a, n);
    unsigned family = a[0] | (unsigned)a[1] << 8;
    if (got < 2)
        trace_printf(line, "0x%llx", ULL(addr));
    else if (family == 1)
        trace_printf(line, "{AF_UNIX, \"%s%.*s\"}", a[2] ? "" : "@", (int)(n - 2 - !a[2]),
                     (const char *)a + 2 + !a[2]);
    else if (family == 2)
        trace_printf(line, "{AF_INET, %u.%u.%u.%u:%u}", a[4], a[5], a[6], a[7],
                     (unsigned)a[2] << 8 | a[3]);
    else
        trace_printf(line, "{family=%u}", family);
}

FORMAT(msghdr)
{
    uint64_t m[7];
    READ_OR_RETURN(m);
    trace_printf(line, "{namelen=%u, iovlen=%llu, controllen=%llu}", (uint32_t)m[1], ULL(m[3]),
                 ULL(m[5]));
}
