// Makes system calls of every kind of argument and says how --strace has to show each: what it
// prints on standard output is one expected line for each call, where * stands for anything. Run by
// tests/cli/test_strace.py.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *const bad = (char *)8;
static char *page;     // whose next one cannot be read
static char *page_end; // its end

// The call, and how it looks.
#define TRACED(expected, call)                                                                     \
    do {                                                                                           \
        call;                                                                                      \
        printf("%s\n", expected);                                                                  \
    } while (0)

static void texts(void)
{
    static char big[400], odd[] = "\"\\\n\t\r\x01\xff";
    memset(big, 'x', sizeof big - 1);
    char expected[600];
    TRACED("write(-1, \"short\", 5) = -1 EBADF (*)", syscall(SYS_write, -1, "short", 5));
    TRACED("write(-1, \"\\\"\\\\\\n\\t\\r\\x01\\xff\", 7) = -1 EBADF (*)",
           syscall(SYS_write, -1, odd, 7));
    snprintf(expected, sizeof expected, "write(-1, \"%.32s\"..., 399) = -1 EBADF (*)", big);
    TRACED(expected, syscall(SYS_write, -1, big, 399));
    TRACED("write(-1, 0x8, 5) = -1 *", syscall(SYS_write, -1, bad, 5));
    TRACED("write(-1, NULL, 5) = -1 *", syscall(SYS_write, -1, NULL, 5));
    TRACED("read(-1, 0x8, 5) = -1 EBADF (*)", syscall(SYS_read, -1, bad, 5));
    TRACED("openat(AT_FDCWD, \"/none\", 0, *) = -1 ENOENT (*)",
           syscall(SYS_openat, AT_FDCWD, "/none", 0));
    TRACED("openat(77, \"none\", O_RDWR|O_CREAT|O_CLOEXEC, 0640) = -1 EBADF (*)",
           syscall(SYS_openat, 77, "none", O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    TRACED("openat(AT_FDCWD, 0x8, *) = -1 EFAULT (*)", syscall(SYS_openat, AT_FDCWD, bad, 0));
    TRACED("openat(AT_FDCWD, NULL, *) = -1 EFAULT (*)", syscall(SYS_openat, AT_FDCWD, NULL, 0));
    snprintf(expected, sizeof expected, "chdir(\"%.256s\"...) = -1 *", big);
    TRACED(expected, syscall(SYS_chdir, big));
    memset(page, 'y', 4096);
    // Without its end in sight there is nothing to show.
    TRACED("chdir(0x*) = -1 EFAULT (*)", syscall(SYS_chdir, page_end - 100));
    memset(page_end - 300, 'z', 300);
    snprintf(expected, sizeof expected, "chdir(\"%.256s\"...) = -1 EFAULT (*)",
             (char *)memset(big, 'z', sizeof big - 1));
    TRACED(expected, syscall(SYS_chdir, page_end - 300));
    char *many[20] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
                      "a8", "a9", "b0", "b1", "b2", "b3", NULL};
    char *two[] = {"A=1", "B=2", NULL};
    TRACED("execve(\"/none\", [\"a0\", \"a1\", \"a2\", \"a3\", \"a4\", \"a5\", \"a6\", \"a7\", "
           "\"a8\", "
           "\"a9\", \"b0\", \"b1\", ...], [\"A=1\", \"B=2\"]) = -1 ENOENT (*)",
           syscall(SYS_execve, "/none", many, two));
    TRACED("execve(\"/none\", NULL, 0x8) = -1 *", syscall(SYS_execve, "/none", NULL, bad));
}

static void numbers(void)
{
    int p[2], status;
    TRACED("setuid(-1) = -1 EINVAL (*)", syscall(SYS_setuid, -1));
    TRACED("setgid(0) = 0", syscall(SYS_setgid, 0));
    TRACED("umask(0022) = *", syscall(SYS_umask, 022));
    TRACED("lseek(-1, -5, SEEK_END) = -1 EBADF (*)", syscall(SYS_lseek, -1, -5L, SEEK_END));
    TRACED("lseek(-1, 5, 99) = -1 EBADF (*)", syscall(SYS_lseek, -1, 5L, 99));
    TRACED("kill(0, SIGRT_2) = *", (signal(34, SIG_IGN), syscall(SYS_kill, 0, 34)));
    TRACED("kill(0, 65) = -1 EINVAL (*)", syscall(SYS_kill, 0, 65));
    TRACED("kill(0, -1) = -1 EINVAL (*)", syscall(SYS_kill, 0, -1));
    TRACED("kill(0, 0) = 0", syscall(SYS_kill, 0, 0));
    TRACED("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x*",
           syscall(SYS_mmap, NULL, 4096L, 3L, 0x22L, -1L, 0L));
    TRACED("mmap(NULL, 4096, 0x40000000, MAP_ANONYMOUS|0x40000000, -1, 0) = -1 *",
           syscall(SYS_mmap, NULL, 4096L, 0x40000000L, 0x40000020L, -1L, 0L));
    TRACED("pipe2([*, *], O_CLOEXEC) = 0", syscall(SYS_pipe2, p, O_CLOEXEC));
    TRACED("pipe2(0x8, 0) = -1 EFAULT (*)", syscall(SYS_pipe2, bad, 0));
    TRACED("syscall_4000() = -1 ENOSYS (*)", syscall(4000));
    TRACED("fcntl(0, 4242, *) = -1 EINVAL (*)", syscall(SYS_fcntl, 0, 4242, 0));
    static const struct {
        int signo;
        const char *expected;
    } ends[] = {
        {0, "wait4(*, [{WIFEXITED && WEXITSTATUS == 7}], 0, NULL) = *"},
        {SIGTERM, "wait4(*, [{WIFSIGNALED && WTERMSIG == SIGTERM}], 0, NULL) = *"},
        {SIGKILL, "wait4(*, [{WIFSIGNALED && WTERMSIG == SIGKILL}], 0, NULL) = *"},
    };
    for (int i = 0; i < 3; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            if (ends[i].signo)
                kill(getpid(), ends[i].signo);
            syscall(SYS_exit, 7);
        }
        TRACED(ends[i].expected, syscall(SYS_wait4, child, &status, 0, NULL));
    }
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        for (;;)
            pause();
    }
    TRACED("wait4(*, [{WIFSTOPPED && WSTOPSIG == SIGSTOP}], WUNTRACED, NULL) = *",
           syscall(SYS_wait4, child, &status, WUNTRACED, NULL));
    kill(child, SIGCONT);
    TRACED("wait4(*, [{WIFCONTINUED}], WCONTINUED, NULL) = *",
           syscall(SYS_wait4, child, &status, WCONTINUED, NULL));
    struct rusage usage;
    kill(child, SIGKILL);
    TRACED("wait4(*, [{WIFSIGNALED && WTERMSIG == SIGKILL}], 0, {utime={*, *}, stime={*, *}, "
           "maxrss=*}) "
           "= *",
           syscall(SYS_wait4, child, &status, 0, &usage));
    TRACED("wait4(-1, NULL, 0, NULL) = -1 ECHILD (*)", syscall(SYS_wait4, -1, NULL, 0, NULL));
}

static void times(void)
{
    struct timespec t = {0, 5};
    struct itimerspec is = {{0, 0}, {7, 8}};
    struct itimerval iv = {{1, 2}, {0, 0}}, old;
    struct timespec pair[2] = {{1, 2}, {3, 4}};
    int id;
    TRACED("nanosleep({0, 5}, NULL) = 0", syscall(SYS_nanosleep, &t, NULL));
    TRACED("nanosleep(0x8, NULL) = -1 EFAULT (*)", syscall(SYS_nanosleep, bad, NULL));
    TRACED("nanosleep(0x*, NULL) = -1 EFAULT (*)", syscall(SYS_nanosleep, page_end - 8, NULL));
    TRACED("clock_gettime(CLOCK_MONOTONIC, {*, *}) = 0",
           syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t));
    TRACED("clock_gettime(-2, *) = *", syscall(SYS_clock_gettime, -2, &t));
    TRACED("clock_gettime(99, 0x*) = -1 EINVAL (*)", syscall(SYS_clock_gettime, 99, &t));
    TRACED("gettimeofday({*, *}, NULL) = 0", syscall(SYS_gettimeofday, &iv, NULL));
    iv = (struct itimerval){{1, 2}, {0, 0}};
    TRACED("setitimer(ITIMER_REAL, {interval={1, 2}, value={0, 0}}, {interval={0, 0}, value={0, "
           "0}}) = 0",
           syscall(SYS_setitimer, ITIMER_REAL, &iv, &old));
    syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id);
    TRACED("timer_settime(0, 0, {interval={0, 0}, value={7, 8}}, NULL) = 0",
           syscall(SYS_timer_settime, id, 0, &is, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_ptr = (void *)0x55;
    TRACED("timer_create(CLOCK_REALTIME, {SIGUSR1, notify=0, value=0x55}, [1]) = 0",
           syscall(SYS_timer_create, CLOCK_REALTIME, &event, &id));
    TRACED("utimensat(AT_FDCWD, \"/none\", [{1, 2}, {3, 4}], AT_SYMLINK_NOFOLLOW) = -1 ENOENT (*)",
           syscall(SYS_utimensat, AT_FDCWD, "/none", pair, AT_SYMLINK_NOFOLLOW));
}

static void on_signal(int signo)
{
    (void)signo;
}

static void signals(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } action = {(void *)SIG_IGN, 0, NULL, 0};
    uint64_t set = 1ull << (SIGINT - 1) | 1ull << (SIGUSR1 - 1) | 1ull << 33;
    TRACED("rt_sigaction(SIGUSR1, {SIG_IGN, [], flags=0x0}, NULL, 8) = 0",
           syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8));
    TRACED("rt_sigaction(SIGUSR1, NULL, {SIG_IGN, [], flags=0x0}, 8) = 0",
           syscall(SYS_rt_sigaction, SIGUSR1, NULL, &action, 8));
    action.handler = (void *)SIG_DFL;
    action.mask = set;
    TRACED("rt_sigaction(SIGUSR1, {SIG_DFL, [INT USR1 RT_2], flags=0x0}, NULL, 8) = 0",
           syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8));
    action.handler = (void *)on_signal;
    action.mask = ~set;
    action.flags = 0x10000000;
    TRACED("rt_sigaction(SIGUSR2, {0x*, ~[INT USR1 RT_2], flags=0x10000000}, NULL, 8) = 0",
           syscall(SYS_rt_sigaction, SIGUSR2, &action, NULL, 8));
    uint64_t one = 1ull << (SIGUSR2 - 1), old;
    TRACED("rt_sigprocmask(SIG_BLOCK, [USR2], [], 8) = 0",
           syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, &old, 8));
    siginfo_t info = {0};
    struct timespec none = {0, 0};
    syscall(SYS_kill, getpid(), SIGUSR2);
    TRACED("rt_sigtimedwait([USR2], {SIGUSR2, si_code=0, si_pid=*, si_uid=0}, {0, 0}, 8) = 12",
           syscall(SYS_rt_sigtimedwait, &one, &info, &none, 8));
    TRACED("rt_sigprocmask(SIG_UNBLOCK, [USR2], NULL, 8) = 0",
           syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, 8));
    TRACED("--- SIGUSR2 {si_code=0, si_addr=0x*} ---", syscall(SYS_kill, getpid(), SIGUSR2));
    struct sigaction plain = {.sa_handler = on_signal}, restart = plain;
    restart.sa_flags = SA_RESTART;
    struct itimerval soon = {{0, 0}, {0, 200000}};
    int p[2];
    sigaction(SIGALRM, &plain, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    struct timespec long_time = {50, 0};
    TRACED("nanosleep({50, 0}, *) = ? ERESTART_RESTARTBLOCK",
           syscall(SYS_nanosleep, &long_time, &none));
    setitimer(ITIMER_REAL, &soon, NULL);
    TRACED("ppoll(NULL, 0, NULL, NULL, 8) = ? ERESTARTNOHAND",
           syscall(SYS_ppoll, NULL, 0, NULL, NULL, 8));
    pipe(p);
    char c;
    setitimer(ITIMER_REAL, &soon, NULL);
    TRACED("read(*, 0x*, 1) = ? ERESTARTSYS", syscall(SYS_read, p[0], &c, 1));
    stack_t stack = {.ss_sp = page, .ss_size = 16384}, now;
    TRACED("sigaltstack({sp=0x*, flags=0, size=16384}, {sp=*, flags=2, size=0}) = 0",
           syscall(SYS_sigaltstack, &stack, &now));
}

static void files(void)
{
    struct stat st;
    struct statx sx;
    uint64_t how[3] = {O_RDONLY, 0, 0};
    TRACED("newfstatat(AT_FDCWD, \"/\", {mode=040755, uid=0, gid=0, size=*, ino=*}, 0) = 0",
           (chmod("/", 0755), syscall(SYS_newfstatat, AT_FDCWD, "/", &st, 0)));
    TRACED("newfstatat(AT_FDCWD, \"/none\", 0x*, 0) = -1 ENOENT (*)",
           syscall(SYS_newfstatat, AT_FDCWD, "/none", &st, 0));
    TRACED("statx(AT_FDCWD, \"/\", 0, *, {mask=0x*, mode=040755, uid=0, gid=0, size=*, ino=*}) = 0",
           syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_BASIC_STATS, &sx));
    TRACED("openat2(AT_FDCWD, \"/none\", {flags=00, mode=00, resolve=0x0}, 24) = -1 ENOENT (*)",
           syscall(SYS_openat2, AT_FDCWD, "/none", how, sizeof how));
    struct iovec iov[10];
    for (int i = 0; i < 10; i++)
        iov[i] = (struct iovec){"ab", 2};
    TRACED("writev(-1, [{\"ab\", 2}, {\"ab\", 2}], 2) = -1 EBADF (*)",
           syscall(SYS_writev, -1, iov, 2));
    TRACED("writev(-1, [{\"ab\", 2}, *{\"ab\", 2}, ...], 10) = -1 EBADF (*)",
           syscall(SYS_writev, -1, iov, 10));
    TRACED("writev(-1, [], 0) = -1 EBADF (*)", syscall(SYS_writev, -1, iov, 0));
    int p[2];
    pipe(p);
    struct {
        int fd;
        short events, revents;
    } poll = {p[1], 4, 0};
    struct timespec none = {0, 0};
    TRACED("ppoll([{fd=*, events=0x4, revents=0x*}], 1, {0, 0}, NULL, 8) = 1",
           syscall(SYS_ppoll, &poll, 1, &none, NULL, 8));
    struct epoll_event event = {.events = EPOLLIN};
    event.data.u64 = 0x1234;
    int ep = epoll_create1(0);
    TRACED("epoll_ctl(*, EPOLL_CTL_ADD, *, {events=0x1, data=0x1234}) = 0",
           syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &event));
    uint64_t bits[16] = {1ull << p[1] | 1};
    TRACED("pselect6(64, NULL, [0 *], NULL, {0, 0}, NULL) = *",
           syscall(SYS_pselect6, 64, NULL, bits, NULL, &none, NULL));
    TRACED("pselect6(64, NULL, 0x8, NULL, *, NULL) = -1 EFAULT (*)",
           syscall(SYS_pselect6, 64, NULL, bad, NULL, &none, NULL));
    TRACED("pselect6(2000, 0x*, NULL, NULL, *, NULL) = *",
           syscall(SYS_pselect6, 2000, page_end - 8, NULL, NULL, &none, NULL));
}

static void processes(void)
{
    struct rlimit r = {1, 2};
    struct utsname u;
    struct sched_param param = {0};
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } args = {.flags = CLONE_FS, .exit_signal = 99, .stack = 0x10, .stack_size = 0x20};
    TRACED("clone3({flags=0x200, exit_signal=99, stack=0x10, stack_size=0x20}, 64) = -1 EINVAL (*)",
           syscall(SYS_clone3, &args, sizeof args));
    TRACED("clone3(0x8, 64) = -1 EFAULT (*)", syscall(SYS_clone3, bad, sizeof args));
    TRACED("clone3(0x*, 64) = -1 EFAULT (*)", syscall(SYS_clone3, page_end - 8, sizeof args));
    TRACED("prlimit64(0, RLIMIT_CORE, {cur=1, max=2}, NULL) = 0",
           syscall(SYS_prlimit64, 0, RLIMIT_CORE, &r, NULL));
    TRACED("uname({\"Linux\", \"*\", \"*\", \"aarch64\"}) = 0", syscall(SYS_uname, &u));
    TRACED("sched_getparam(0, {0}) = 0", syscall(SYS_sched_getparam, 0, &param));
    static uint32_t word = 1;
    struct timespec none = {0, 1};
    TRACED("futex(0x*, FUTEX_WAIT_PRIVATE, *) = -1 EAGAIN (*)",
           syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL));
    TRACED(
        "futex(0x*, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, *) = -1 *",
        syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &none, NULL, ~0u));
    TRACED("futex(0x*, 99, *) = -1 ENOSYS (*)", syscall(SYS_futex, &word, 99, 0, NULL));
}

static void sockets(void)
{
    struct sockaddr_un a = {AF_UNIX, "/none"}, hidden = {AF_UNIX, "\0hidden"};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    in.sin_addr.s_addr = htonl(0x7f000001);
    struct sockaddr other = {.sa_family = 17};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    TRACED("connect(*, {AF_UNIX, \"/none\"}, 8) = -1 ENOENT (*)", syscall(SYS_connect, fd, &a, 8));
    TRACED("connect(*, {AF_UNIX, \"@hidden\"}, 9) = -1 ECONNREFUSED (*)",
           syscall(SYS_connect, fd, &hidden, 9));
    TRACED("connect(-1, {AF_INET, 127.0.0.1:80}, 16) = -1 EBADF (*)",
           syscall(SYS_connect, -1, &in, sizeof in));
    TRACED("connect(-1, {family=17}, 16) = -1 EBADF (*)", syscall(SYS_connect, -1, &other, 16));
    TRACED("connect(-1, {family=17}, 1) = -1 EBADF (*)", syscall(SYS_connect, -1, &other, 1));
    TRACED("connect(-1, {family=17}, 4000) = -1 EBADF (*)", syscall(SYS_connect, -1, &other, 4000));
    TRACED("connect(-1, 0x*, 16) = -1 EBADF (*)", syscall(SYS_connect, -1, page_end - 1, 16));
    TRACED("connect(-1, NULL, 16) = -1 EBADF (*)", syscall(SYS_connect, -1, NULL, 16));
    struct msghdr m = {.msg_namelen = 3, .msg_iovlen = 4, .msg_controllen = 5};
    TRACED("sendmsg(-1, {namelen=3, iovlen=4, controllen=5}, MSG_DONTWAIT) = -1 EBADF (*)",
           syscall(SYS_sendmsg, -1, &m, MSG_DONTWAIT));
    int v[2];
    TRACED("socketpair(AF_UNIX, *, 0, [*, *]) = 0",
           syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, v));
}

// What a pointer leads to is shown as the pointer when nothing is there.
static void nowhere(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), ep = epoll_create1(0);
    TRACED("gettimeofday(0x8, NULL) = -1 EFAULT (*)", syscall(SYS_gettimeofday, bad, NULL));
    TRACED("clock_gettime(CLOCK_REALTIME, 0x8) = -1 EFAULT (*)",
           syscall(SYS_clock_gettime, CLOCK_REALTIME, bad));
    TRACED("setitimer(ITIMER_REAL, 0x8, NULL) = -1 EFAULT (*)",
           syscall(SYS_setitimer, ITIMER_REAL, bad, NULL));
    TRACED("timer_settime(0, 0, 0x8, NULL) = -1 EFAULT (*)",
           syscall(SYS_timer_settime, 0, 0, bad, NULL));
    TRACED("timer_create(CLOCK_REALTIME, 0x8, *) = -1 EFAULT (*)",
           syscall(SYS_timer_create, CLOCK_REALTIME, bad, page));
    TRACED("utimensat(AT_FDCWD, \"/\", *0x8*, 0) = -1 EFAULT (*)",
           syscall(SYS_utimensat, AT_FDCWD, "/", bad, 0));
    TRACED("rt_sigaction(SIGUSR1, 0x8, NULL, 8) = -1 EFAULT (*)",
           syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8));
    TRACED("rt_sigprocmask(SIG_BLOCK, 0x8, NULL, 8) = -1 EFAULT (*)",
           syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8));
    TRACED("rt_sigqueueinfo(*, SIGUSR1, 0x8) = -1 EFAULT (*)",
           syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, bad));
    TRACED("sigaltstack(0x8, NULL) = -1 EFAULT (*)", syscall(SYS_sigaltstack, bad, NULL));
    TRACED("prlimit64(0, RLIMIT_CORE, 0x8, NULL) = -1 EFAULT (*)",
           syscall(SYS_prlimit64, 0, RLIMIT_CORE, bad, NULL));
    TRACED("getrusage(*, 0x8) = -1 EFAULT (*)", syscall(SYS_getrusage, 0, bad));
    TRACED("uname(0x8) = -1 EFAULT (*)", syscall(SYS_uname, bad));
    TRACED("sched_setparam(0, 0x8) = -1 EFAULT (*)", syscall(SYS_sched_setparam, 0, bad));
    TRACED("newfstatat(AT_FDCWD, \"/\", 0x8, 0) = -1 EFAULT (*)",
           syscall(SYS_newfstatat, AT_FDCWD, "/", bad, 0));
    TRACED("statx(AT_FDCWD, \"/\", 0, *, 0x8) = -1 EFAULT (*)",
           syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_BASIC_STATS, bad));
    TRACED("openat2(AT_FDCWD, \"/none\", 0x8, 24) = -1 EFAULT (*)",
           syscall(SYS_openat2, AT_FDCWD, "/none", bad, (size_t)24));
    TRACED("writev(*, *0x8*, 1) = -1 EFAULT (*)", syscall(SYS_writev, fd, bad, 1));
    TRACED("ppoll(*0x8*, 1, NULL, NULL, 8) = -1 EFAULT (*)",
           syscall(SYS_ppoll, bad, 1, NULL, NULL, 8));
    TRACED("epoll_ctl(*, EPOLL_CTL_ADD, *, 0x8) = -1 EFAULT (*)",
           syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, bad));
    TRACED("sendmsg(*, 0x8, 0) = -1 EFAULT (*)", syscall(SYS_sendmsg, fd, bad, 0));
    TRACED("socketpair(AF_UNIX, *, 0, 0x8) = -1 EFAULT (*)",
           syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad));
}

int main(void)
{
    page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page_end = page + 4096;
    mprotect(page_end, 4096, PROT_NONE);
    static char room[1 << 16];
    setvbuf(stdout, room, _IOFBF, sizeof room);
    texts();
    numbers();
    times();
    signals();
    files();
    processes();
    sockets();
    nowhere();
    fflush(stdout);
    syscall(SYS_exit_group, 3);
}
