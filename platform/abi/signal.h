// Signals as ARM64 Linux numbers and lays them out (asm-generic/signal.h, asm/sigcontext.h). Layer
// 0.
#ifndef PLATFORM_ABI_SIGNAL_H
#define PLATFORM_ABI_SIGNAL_H

#include <stddef.h>
#include <stdint.h>

enum {
    LINUX_SIGHUP = 1,
    LINUX_SIGINT = 2,
    LINUX_SIGQUIT = 3,
    LINUX_SIGILL = 4,
    LINUX_SIGTRAP = 5,
    LINUX_SIGABRT = 6,
    LINUX_SIGBUS = 7,
    LINUX_SIGFPE = 8,
    LINUX_SIGKILL = 9,
    LINUX_SIGUSR1 = 10,
    LINUX_SIGSEGV = 11,
    LINUX_SIGUSR2 = 12,
    LINUX_SIGPIPE = 13,
    LINUX_SIGALRM = 14,
    LINUX_SIGTERM = 15,
    LINUX_SIGSTKFLT = 16,
    LINUX_SIGCHLD = 17,
    LINUX_SIGCONT = 18,
    LINUX_SIGSTOP = 19,
    LINUX_SIGTSTP = 20,
    LINUX_SIGTTIN = 21,
    LINUX_SIGTTOU = 22,
    LINUX_SIGURG = 23,
    LINUX_SIGXCPU = 24,
    LINUX_SIGXFSZ = 25,
    LINUX_SIGVTALRM = 26,
    LINUX_SIGPROF = 27,
    LINUX_SIGWINCH = 28,
    LINUX_SIGIO = 29,
    LINUX_SIGPWR = 30,
    LINUX_SIGSYS = 31,
    LINUX_SIGRTMIN = 32,
    LINUX_NSIG = 64,
};

enum {
    LINUX_SIG_BLOCK = 0,
    LINUX_SIG_UNBLOCK = 1,
    LINUX_SIG_SETMASK = 2,
};

// Handlers that are no addresses.
#define LINUX_SIG_DFL 0ull
#define LINUX_SIG_IGN 1ull

#define LINUX_SA_NOCLDSTOP      0x00000001ull
#define LINUX_SA_NOCLDWAIT      0x00000002ull
#define LINUX_SA_SIGINFO        0x00000004ull
#define LINUX_SA_UNSUPPORTED    0x00000400ull
#define LINUX_SA_EXPOSE_TAGBITS 0x00000800ull
#define LINUX_SA_RESTORER       0x04000000ull
#define LINUX_SA_ONSTACK        0x08000000ull
#define LINUX_SA_RESTART        0x10000000ull
#define LINUX_SA_NODEFER        0x40000000ull
#define LINUX_SA_RESETHAND      0x80000000ull

// si_code. Positive codes come from the kernel.
enum {
    LINUX_SI_USER = 0,
    LINUX_SI_KERNEL = 0x80,
    LINUX_SI_QUEUE = -1,
    LINUX_SI_TIMER = -2,
    LINUX_SI_MESGQ = -3,
    LINUX_SI_ASYNCIO = -4,
    LINUX_SI_SIGIO = -5,
    LINUX_SI_TKILL = -6,
    LINUX_ILL_ILLOPC = 1,
    LINUX_ILL_ILLTRP = 4,
    LINUX_SEGV_MAPERR = 1,
    LINUX_SEGV_ACCERR = 2,
    LINUX_BUS_ADRALN = 1,
    LINUX_BUS_ADRERR = 2,
    LINUX_BUS_OBJERR = 3,
    LINUX_TRAP_BRKPT = 1,
    LINUX_TRAP_TRACE = 2,
    LINUX_TRAP_HWBKPT = 4,
    LINUX_CLD_EXITED = 1,
    LINUX_CLD_KILLED = 2,
    LINUX_CLD_DUMPED = 3,
    LINUX_CLD_TRAPPED = 4,
    LINUX_CLD_STOPPED = 5,
    LINUX_CLD_CONTINUED = 6,
    LINUX_SYS_SECCOMP = 1,
    LINUX_POLL_IN = 1,
    LINUX_POLL_OUT = 2,
    LINUX_POLL_MSG = 3,
    LINUX_POLL_ERR = 4,
    LINUX_POLL_PRI = 5,
    LINUX_POLL_HUP = 6,
};

// sigevent.sigev_notify
enum {
    LINUX_SIGEV_SIGNAL = 0,
    LINUX_SIGEV_NONE = 1,
    LINUX_SIGEV_THREAD = 2,
    LINUX_SIGEV_THREAD_ID = 4,
};

enum {
    LINUX_SS_ONSTACK = 1,
    LINUX_SS_DISABLE = 2,
    LINUX_MINSIGSTKSZ = 5120,
    LINUX_SIGSTKSZ = 16384,
};
#define LINUX_SS_AUTODISARM 0x80000000u

struct linux_sigaction {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "struct sigaction");

struct linux_stack {
    uint64_t sp;
    int32_t flags, pad;
    uint64_t size;
};
_Static_assert(sizeof(struct linux_stack) == 24, "stack_t");

struct linux_siginfo {
    int32_t signo, error, code, pad;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
        } rt; // kill, sigqueue, message queues
        struct {
            int32_t id, overrun;
            uint64_t value;
            int32_t private;
        } timer;
        struct {
            int32_t pid;
            uint32_t uid;
            int32_t status;
            int32_t pad;
            int64_t utime, stime;
        } child;
        struct {
            uint64_t addr;
            int16_t addr_lsb;
        } fault;
        struct {
            int64_t band;
            int32_t fd;
        } poll;
        struct {
            uint64_t call_addr;
            int32_t syscall;
            uint32_t arch;
        } sys;
        uint8_t bytes[112];
    };
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "siginfo_t");
_Static_assert(offsetof(struct linux_siginfo, child.utime) == 32, "si_utime");

struct linux_sigevent {
    uint64_t value;
    int32_t signo, notify;
    int32_t tid;
    uint8_t pad[44];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "struct sigevent");

// What read(2) on a signalfd returns.
struct linux_signalfd_siginfo {
    uint32_t signo;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t tid, band, overrun, trapno;
    int32_t status, value_int;
    uint64_t value, utime, stime, addr;
    uint16_t addr_lsb, pad2;
    int32_t syscall;
    uint64_t call_addr;
    uint32_t arch;
    uint8_t pad[28];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "struct signalfd_siginfo");

// Records inside sigcontext.reserved: each begins with a header, the list ends with zeros.
struct linux_context_header {
    uint32_t magic, size;
};
#define LINUX_FPSIMD_MAGIC 0x46508001u
#define LINUX_ESR_MAGIC    0x45535201u
#define LINUX_EXTRA_MAGIC  0x45585401u

struct linux_fpsimd_context {
    struct linux_context_header head;
    uint32_t fpsr, fpcr;
    __uint128_t v[32];
};
_Static_assert(sizeof(struct linux_fpsimd_context) == 528, "struct fpsimd_context");

struct linux_esr_context {
    struct linux_context_header head;
    uint64_t esr;
};

enum { LINUX_SIGCONTEXT_RESERVED = 4096 };

struct linux_sigcontext {
    uint64_t fault_address;
    uint64_t x[31];
    uint64_t sp, pc, pstate;
    _Alignas(16) uint8_t reserved[LINUX_SIGCONTEXT_RESERVED];
};
_Static_assert(offsetof(struct linux_sigcontext, reserved) == 288, "struct sigcontext");

struct linux_ucontext {
    uint64_t flags, link;
    struct linux_stack stack;
    uint64_t sigmask;
    uint8_t unused[120];
    struct linux_sigcontext mcontext;
};
_Static_assert(offsetof(struct linux_ucontext, sigmask) == 40, "uc_sigmask");
_Static_assert(offsetof(struct linux_ucontext, mcontext) == 176, "uc_mcontext");
_Static_assert(sizeof(struct linux_ucontext) == 4560, "struct ucontext");

struct linux_rt_sigframe {
    struct linux_siginfo info;
    struct linux_ucontext uc;
};
_Static_assert(sizeof(struct linux_rt_sigframe) == 4688, "struct rt_sigframe");

#endif
