// Terminals keep order, wake who waits and lose nothing, whoever is at their far end.
#include "kernel/group.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timer.h"
#include "kernel/tty/tty.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <stdlib.h>
#include <string.h>

// --- One session and one group for all tasks of the test -----------------------------------------

static struct session session;
static struct pgrp pgrp;
static struct process process;
static struct task *leader;
static _Atomic uint64_t group_signals, leader_signals;

struct session *session_get(struct session *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void session_put(struct session *s)
{
    if (s)
        atomic_fetch_sub(&s->refs, 1);
}

struct pgrp *pgrp_get(struct pgrp *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void pgrp_put(struct pgrp *g)
{
    if (g)
        atomic_fetch_sub(&g->refs, 1);
}

struct pgrp *pgrp_find(struct kernel *kernel, int32_t pgid)
{
    return pgid == pgrp.pgid ? pgrp_get(&pgrp) : NULL;
}

struct pgrp *task_pgrp_get(struct task *task)
{
    return pgrp_get(&pgrp);
}

struct session *task_session_get(struct task *task)
{
    return session_get(&session);
}

bool task_leads_session(struct task *task)
{
    return task == leader;
}

bool pgrp_orphaned(struct pgrp *g)
{
    return false;
}

struct process *process_get(struct process *p)
{
    return p;
}

void process_put(struct process *p) {}

struct task *process_leader_get(struct process *p)
{
    return leader;
}

bool task_signal_pending(struct task *task)
{
    return false;
}

bool signal_blocked_or_ignored(struct task *task, int signo)
{
    return false;
}

void signal_kernel_pgrp(struct pgrp *g, int signo)
{
    lock_assert_none_held();
    atomic_fetch_or(&group_signals, signal_bit(signo));
}

void signal_kernel_process(struct task *task, int signo)
{
    lock_assert_none_held();
    atomic_fetch_or(&leader_signals, signal_bit(signo));
}

// --- A far end that remembers --------------------------------------------------------------------

struct far {
    struct lock lock;
    struct cond changed;
    // Guarded by lock.
    char text[1 << 20];
    size_t len, room; // room: bytes taken before it refuses
    unsigned attention, ready, closed;
    bool inside; // a callback is running
    bool overlap;
    bool interrupt; // ^C is typed while the next output is taken
};
static struct far far;
static void type(const char *text);

static size_t far_output(void *context, const void *bytes, size_t n)
{
    lock_assert_none_held();
    lock_acquire(&far.lock);
    far.overlap |= far.inside;
    far.inside = true;
    n = n < far.room ? n : far.room;
    n = n < sizeof far.text - far.len ? n : sizeof far.text - far.len;
    memcpy(far.text + far.len, bytes, n);
    far.len += n;
    far.room -= n;
    far.inside = false;
    bool interrupt = far.interrupt;
    far.interrupt = false;
    cond_broadcast(&far.changed);
    lock_release(&far.lock);
    if (interrupt)
        type("\003");
    return n;
}

static void far_count(unsigned *counter)
{
    lock_assert_none_held();
    lock_acquire(&far.lock);
    ++*counter;
    cond_broadcast(&far.changed);
    lock_release(&far.lock);
}

// Waits until the callback that counts here was called.
static bool far_hears(const unsigned *counter)
{
    uint64_t deadline = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
    bool in_time = true;
    lock_acquire(&far.lock);
    while (!*counter && in_time)
        in_time = cond_wait(&far.changed, &far.lock, deadline);
    bool heard = *counter;
    lock_release(&far.lock);
    return heard;
}

static void far_ready(void *context)
{
    far_count(&far.ready);
}

static void far_attention(void *context)
{
    far_count(&far.attention);
}

static void far_closed(void *context)
{
    far_count(&far.closed);
}

static void far_reset(size_t room)
{
    lock_acquire(&far.lock);
    far.len = far.attention = far.ready = far.closed = 0;
    far.room = room;
    lock_release(&far.lock);
}

static void far_allow(struct tty *tty, size_t room)
{
    lock_acquire(&far.lock);
    far.room = room;
    lock_release(&far.lock);
    tty_backend_ready(tty);
}

static bool far_is(const char *text)
{
    lock_acquire(&far.lock);
    bool same = far.len == strlen(text) && !memcmp(far.text, text, far.len);
    if (!same)
        printf("# far end has %zu bytes: %.*s\n", far.len, (int)(far.len < 200 ? far.len : 200),
               far.text);
    lock_release(&far.lock);
    return same;
}

// --- Helpers -------------------------------------------------------------------------------------

static struct tap t;
static struct kernel *kernel;
static struct tty *tty;
static struct task *task; // has the near side at descriptor 0

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static struct task *new_task(struct task *share)
{
    struct task *made = stub_task_create(kernel, share);
    made->process = &process;
    return made;
}

static void begin(size_t room)
{
    far_reset(room);
    const struct tty_backend backend = {far_output, far_ready, far_attention, far_closed, NULL};
    const struct linux_winsize size = {24, 80, 0, 0};
    struct file *file;
    ISH_ASSERT(!tty_backend_create(kernel, &backend, &size, &tty));
    task = new_task(NULL);
    ISH_ASSERT(!tty_backend_open(tty, task->cred, &file));
    ISH_ASSERT(fd_install(task, file, 0, false) == 0);
}

static void end(void)
{
    stub_task_destroy(task);
    tty_backend_end(tty);
    tty_put(tty);
}

static void set_modes(uint32_t lflag_off, uint32_t oflag_off)
{
    struct linux_termios tio;
    ISH_ASSERT(sys_ioctl(task, 0, LINUX_TCGETS, at(&tio)) == 0);
    tio.c_lflag &= ~lflag_off;
    tio.c_oflag &= ~oflag_off;
    ISH_ASSERT(sys_ioctl(task, 0, LINUX_TCSETS, at(&tio)) == 0);
}

static void type(const char *text)
{
    ISH_ASSERT(tty_backend_input(tty, text, strlen(text)) == (ssize_t)strlen(text));
}

struct call {
    struct task *task;
    pthread_t thread;
    bool write;
    char *buf;
    size_t n;
    int64_t result;
    _Atomic bool done;
};

static void call_main(void *arg)
{
    struct call *c = arg;
    c->result =
        c->write ? sys_write(c->task, 0, at(c->buf), c->n) : sys_read(c->task, 0, at(c->buf), c->n);
    atomic_store(&c->done, true);
}

static void call_start(struct call *c, struct task *who, bool write, void *buf, size_t n)
{
    *c = (struct call){.task = who, .write = write, .buf = buf, .n = n};
    ISH_ASSERT(!thread_start_joinable(call_main, c, "call", &c->thread));
}

static void pause_ms(unsigned ms)
{
    struct lock lock;
    struct cond never;
    lock_init(&lock, LOCK_RANK_LOG);
    cond_init(&never);
    uint64_t until = clock_monotonic_ns() + ms * 1000000ull;
    lock_acquire(&lock);
    while (clock_monotonic_ns() < until)
        (void)cond_wait(&never, &lock, until);
    lock_release(&lock);
    cond_destroy(&never);
    lock_destroy(&lock);
}

// --- Tests ---------------------------------------------------------------------------------------

static void test_output(void)
{
    begin(SIZE_MAX);
    CHECK(&t, sys_write(task, 0, at("a\nb"), 3) == 3 && far_is("a\r\nb"),
          "what is written reaches the far end, processed");
    type("xy\177\r");
    CHECK(&t, far_is("a\r\nbxy\b \b\r\n"), "echo does, too");
    char buf[16];
    CHECK(&t, sys_read(task, 0, at(buf), 16) == 2 && !memcmp(buf, "x\n", 2),
          "and the line is read");
    struct linux_winsize size;
    CHECK(&t, sys_ioctl(task, 0, LINUX_TIOCGWINSZ, at(&size)) == 0 && size.ws_col == 80,
          "the window size is the far end's");
    end();
    CHECK(&t, far.closed == 1, "the far end hears of the last close");
}

static void test_refusal(void)
{
    static char big[100000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)('a' + i % 26);
    begin(1000);
    set_modes(0, LINUX_OPOST);
    struct call c;
    call_start(&c, task, true, big, sizeof big);
    for (int i = 0; i < 300 && !atomic_load(&c.done); i++) {
        pause_ms(1);
        far_allow(tty, 777);
    }
    far_allow(tty, SIZE_MAX);
    thread_join(c.thread);
    CHECK(&t, c.result == sizeof big, "a writer waits while the far end refuses");
    tty_backend_drain(tty);
    CHECK(&t, far.len == sizeof big && !memcmp(far.text, big, sizeof big),
          "and every byte arrives once, in order");
    end();
    CHECK(&t, !far.overlap, "the output callback never overlapped itself");
}

static void test_drop_on_interrupt(void)
{
    begin(0);
    sys_write(task, 0, at("lost"), 4);
    type("\003");
    far_allow(tty, SIZE_MAX);
    tty_backend_drain(tty);
    CHECK(&t, far_is("^C"), "^C drops output the far end has not taken");
    far_reset(SIZE_MAX);
    far.interrupt = true;
    sys_write(task, 0, at("taken"), 5);
    tty_backend_drain(tty);
    CHECK(&t, far_is("taken^C"), "^C while output is taken drops no more than there is");
    struct linux_winsize big = {50, 100, 0, 0};
    CHECK(&t, !tty_set_controlling(tty, leader), "a session leader takes the terminal");
    atomic_store(&group_signals, 0);
    type("\003\032");
    CHECK(&t, atomic_load(&group_signals) == (signal_bit(LINUX_SIGINT) | signal_bit(LINUX_SIGTSTP)),
          "keys are signals for the foreground group");
    atomic_store(&group_signals, 0);
    tty_backend_resize(tty, &big);
    uint64_t first = atomic_exchange(&group_signals, 0);
    tty_backend_resize(tty, &big);
    CHECK(&t, first == signal_bit(LINUX_SIGWINCH) && !atomic_load(&group_signals),
          "a resize is SIGWINCH, the same size again is not");
    end();
    CHECK(&t,
          atomic_load(&leader_signals) == (signal_bit(LINUX_SIGHUP) | signal_bit(LINUX_SIGCONT)) &&
              !session.tty && session.left_pgrp == &pgrp,
          "a hangup tells the leader and takes the terminal from the session");
    pgrp_put(session.left_pgrp);
    session.left_pgrp = NULL;
}

static void test_input(void)
{
    static char big[60000], got[60000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);
    begin(SIZE_MAX);
    set_modes(LINUX_ICANON | LINUX_ECHO | LINUX_ISIG | LINUX_IEXTEN, 0);
    struct linux_termios tio;
    sys_ioctl(task, 0, LINUX_TCGETS, at(&tio));
    tio.c_iflag = 0;
    sys_ioctl(task, 0, LINUX_TCSETS, at(&tio));
    CHECK(&t, far_hears(&far.attention), "setting modes calls for attention");
    size_t sent = 0, received = 0;
    unsigned refusals = 0;
    while (received < sizeof got) {
        ssize_t n = tty_backend_input(tty, big + sent, sizeof big - sent);
        sent += (size_t)n;
        unsigned ready = far.ready;
        n = sys_read(task, 0, at(got + received), 5000);
        received += (size_t)n;
        if (sent < sizeof big && far.ready == ready + 1)
            refusals++;
    }
    CHECK(&t, sent == sizeof big && !memcmp(big, got, sizeof big),
          "input nobody reads is refused, not lost");
    CHECK(&t, refusals > 0, "and the far end hears when it is taken again");
    end();
}

static void test_waiting(void)
{
    char buf[16] = {0};
    struct call c;
    begin(SIZE_MAX);
    call_start(&c, task, false, buf, sizeof buf);
    CHECK(&t, far_hears(&far.attention) && !atomic_load(&c.done),
          "a read waits, and calls for attention");
    type("hi\n");
    thread_join(c.thread);
    CHECK(&t, c.result == 3 && !memcmp(buf, "hi\n", 3), "a line ends the wait");
    call_start(&c, task, false, buf, sizeof buf);
    pause_ms(20);
    stub_interrupt(task);
    thread_join(c.thread);
    CHECK(&t, c.result == -ERESTARTSYS, "a signal ends it");
    call_start(&c, task, false, buf, sizeof buf);
    pause_ms(20);
    tty_backend_hangup(tty);
    thread_join(c.thread);
    CHECK(&t, c.result == -LINUX_EIO, "a hangup ends it with EIO");
    struct linux_pollfd p = {0, LINUX_POLLIN | LINUX_POLLOUT, 0};
    uint64_t zero[2] = {0, 0};
    CHECK(&t, sys_read(task, 0, at(buf), 1) == 0 && sys_write(task, 0, at(buf), 1) == -LINUX_EIO,
          "afterwards reads are at the end and writes are EIO");
    CHECK(&t,
          sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 1 &&
              p.revents == (LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLERR | LINUX_POLLHUP),
          "and poll says so");
    CHECK(&t, tty_backend_input(tty, "x", 1) == -LINUX_EIO, "nothing can be typed any more");
    end();
}

// Pieces of several writers do not mix, whatever the far end takes at a time.
static void test_writers(void)
{
    enum { WRITERS = 3, LEN = 1500, ROUNDS = 20 };
    static char bytes[WRITERS][LEN];
    struct task *others[WRITERS];
    struct call calls[WRITERS];
    bool good = true;
    begin(0);
    set_modes(0, LINUX_OPOST);
    for (int w = 0; w < WRITERS; w++) {
        memset(bytes[w], 'A' + w, LEN);
        others[w] = new_task(task);
    }
    for (int round = 0; round < ROUNDS; round++) {
        far_reset(0);
        for (int w = 0; w < WRITERS; w++)
            call_start(&calls[w], others[w], true, bytes[w], LEN);
        for (int i = 0; i < 12; i++)
            far_allow(tty, 401);
        far_allow(tty, SIZE_MAX);
        for (int w = 0; w < WRITERS; w++) {
            thread_join(calls[w].thread);
            good = good && calls[w].result == LEN;
        }
        tty_backend_drain(tty);
        good = good && far.len == WRITERS * LEN;
        for (size_t i = 0; i < far.len && good; i++)
            good = far.text[i] == far.text[i / LEN * LEN];
        far_reset(0);
    }
    CHECK(&t, good, "writers that run at once do not mix their text");
    for (int w = 0; w < WRITERS; w++)
        stub_task_destroy(others[w]);
    end();
}

static void test_pty(void)
{
    struct task *who = new_task(NULL);
    int32_t on = 0;
    char buf[64];
    int64_t master = sys_openat(who, LINUX_AT_FDCWD, at("/ptmx"), LINUX_O_RDWR, 0);
    CHECK(&t, master == 0, "the multiplexer gives a master");
    CHECK(&t, sys_openat(who, LINUX_AT_FDCWD, at("/pts/0"), LINUX_O_RDWR, 0) == -LINUX_EIO,
          "whose slave is locked");
    sys_ioctl(who, 0, LINUX_TIOCSPTLCK, at(&on));
    CHECK(&t, sys_openat(who, LINUX_AT_FDCWD, at("/pts/0"), LINUX_O_RDWR, 0) == 1,
          "until it is unlocked");
    sys_write(who, 0, at("ls\n"), 3);
    CHECK(&t,
          sys_read(who, 1, at(buf), 64) == 3 && sys_read(who, 0, at(buf), 64) == 4 &&
              !memcmp(buf, "ls\r\n", 4),
          "a line goes one way and its echo the other");
    CHECK(&t, sys_ioctl(who, 0, LINUX_TIOCGPTPEER, LINUX_O_RDWR) == 2, "the master opens its peer");
    sys_close(who, 2);
    sys_close(who, 1);
    CHECK(&t, sys_read(who, 0, at(buf), 1) == -LINUX_EIO, "without a slave the master reads EIO");
    sys_close(who, 0);
    CHECK(&t, sys_openat(who, LINUX_AT_FDCWD, at("/pts/0"), LINUX_O_RDWR, 0) == -LINUX_ENOENT,
          "the node goes with the master");
    stub_task_destroy(who);
}

static void mount_devpts(void)
{
    struct task *who = new_task(NULL);
    struct path where;
    struct vfs_caller c;
    ISH_ASSERT(!sys_mkdirat(who, LINUX_AT_FDCWD, at("/pts"), 0755));
    ISH_ASSERT(!sys_mknodat(who, LINUX_AT_FDCWD, at("/ptmx"), LINUX_S_IFCHR | 0666,
                            (uint32_t)vfs_makedev(5, 2)));
    task_caller(who, &c);
    ISH_ASSERT(!path_walk(&c, NULL, "/pts", 0, &where));
    ISH_ASSERT(!vfs_mount(kernel->vfs, &where, tty_devpts(kernel), "devpts", "devpts", 0));
    path_put(&where);
    task_caller_done(&c);
    stub_task_destroy(who);
}

int main(void)
{
    lock_init(&session.lock, LOCK_RANK_PGRP);
    lock_init(&far.lock, LOCK_RANK_LOG);
    cond_init(&far.changed);
    pgrp.session = &session;
    pgrp.pgid = session.sid = 1;
    session.leader = &process;
    kernel = stub_kernel_create();
    ISH_ASSERT(!timer_wheel_create(&kernel->timers));
    ISH_ASSERT(!tty_boot(kernel));
    mount_devpts();
    leader = new_task(NULL);
    test_output();
    test_refusal();
    test_drop_on_interrupt();
    test_input();
    test_waiting();
    test_writers();
    test_pty();
    CHECK(&t, !atomic_load(&session.refs) && !atomic_load(&pgrp.refs),
          "no reference to a session or group is left");
    stub_task_destroy(leader);
    tty_boot_done(kernel);
    timer_wheel_destroy(kernel->timers);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
