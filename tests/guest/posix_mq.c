// POSIX message queues: names, order, limits, waits and notification.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define BAD ((void *)8)

static char buf[8192];

static int raw_open(const char *name, int flags, mode_t mode, struct mq_attr *a)
{
    return (int)syscall(SYS_mq_open, name, flags, mode, a);
}

static void show_attr(const char *name, mqd_t q)
{
    struct mq_attr a;
    if (mq_getattr(q, &a) < 0)
        show_call(name, -1);
    else
        SHOW(name, "flags %lx max %ld size %ld now %ld", a.mq_flags, a.mq_maxmsg, a.mq_msgsize,
             a.mq_curmsgs);
}

static void take(const char *name, mqd_t q)
{
    unsigned prio = 77;
    ssize_t n = mq_receive(q, buf, sizeof buf, &prio);
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%zd bytes '%.*s' priority %u", n, (int)n, buf, prio);
}

static ssize_t read_state(mqd_t q)
{
    lseek(q, 0, SEEK_SET);
    return read(q, buf, sizeof buf);
}

static void names(void)
{
    char longer[300];
    memset(longer, 'n', sizeof longer - 1);
    longer[299] = 0;
    show_done("missing", raw_open("q", O_RDWR, 0, NULL));
    show_done("empty", raw_open("", O_RDWR | O_CREAT, 0600, NULL));
    show_done("slash", raw_open("a/b", O_RDWR | O_CREAT, 0600, NULL));
    show_done("too long", raw_open(longer, O_RDWR | O_CREAT, 0600, NULL));
    show_done("bad", raw_open(BAD, O_RDWR | O_CREAT, 0600, NULL));
    show_done("bad attributes", raw_open("q", O_RDWR | O_CREAT, 0600, BAD));
    struct mq_attr zero = {.mq_maxmsg = 0, .mq_msgsize = 8},
                   huge = {.mq_maxmsg = 70000, .mq_msgsize = 8},
                   wide = {.mq_maxmsg = 1, .mq_msgsize = 1 << 25},
                   good = {.mq_maxmsg = 3, .mq_msgsize = 16, .mq_flags = O_NONBLOCK};
    show_done("no messages", raw_open("q", O_RDWR | O_CREAT, 0600, &zero));
    show_done("too many messages", raw_open("q", O_RDWR | O_CREAT, 0600, &huge));
    show_done("too wide", raw_open("q", O_RDWR | O_CREAT, 0600, &wide));
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0640, &good);
    show_done("make", q);
    show_attr("attributes", q);
    SHOW("on exec", "%d", fcntl(q, F_GETFD));
    show_done("exclusive", mq_open("/q", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
    show_done("both", raw_open("q", O_ACCMODE, 0, NULL));
    mqd_t r = mq_open("/q", O_RDONLY | O_NONBLOCK);
    show_attr("again", r);
    mq_send(q, "x", 1, 0);
    show_attr("one sent", r);
    show_done("unlink", mq_unlink("/q"));
    show_done("unlink again", mq_unlink("/q"));
    show_done("open again", mq_open("/q", O_RDWR));
    take("still there", r);
    show_done("close", mq_close(r));
    show_done("close again", mq_close(r));
    mq_close(q);
    q = mq_open("/standard", O_RDWR | O_CREAT, 0600, NULL);
    show_attr("standard", q);
    mq_close(q);
    mq_unlink("/standard");
}

static void order(void)
{
    struct mq_attr a = {.mq_maxmsg = 5, .mq_msgsize = 16};
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
    show_done("send", mq_send(q, "one", 3, 1));
    mq_send(q, "three", 5, 3);
    mq_send(q, "one again", 9, 1);
    mq_send(q, "", 0, 2);
    show_done("highest", mq_send(q, "top", 3, 32767));
    show_done("full", mq_send(q, "more", 4, 1));
    show_done("priority", mq_send(q, "x", 1, 32768));
    show_done("too long", mq_send(q, "0123456789abcdefg", 17, 1));
    show_done("bad message", mq_send(q, BAD, 5, 1));
    struct pollfd p = {q, 0x3fff, 0};
    int n = poll(&p, 1, 0);
    SHOW("poll full", "%d %x", n, (unsigned)p.revents);
    show_done("small room", mq_receive(q, buf, 15, NULL));
    for (int i = 0; i < 6; i++)
        take("take", q);
    n = poll(&p, 1, 0);
    SHOW("poll empty", "%d %x", n, (unsigned)p.revents);
    mqd_t r = mq_open("/q", O_RDONLY), w = mq_open("/q", O_WRONLY);
    show_done("send to a reader", mq_send(r, "x", 1, 0));
    show_done("receive from a writer", mq_receive(w, buf, sizeof buf, NULL));
    show_done("not a queue", mq_send(0, "x", 1, 0));
    show_done("bad descriptor", mq_receive(99, buf, sizeof buf, NULL));
    struct mq_attr set = {.mq_flags = O_NONBLOCK}, wrong = {.mq_flags = O_APPEND}, old;
    show_done("set wrong", mq_setattr(r, &wrong, NULL));
    show_done("set", mq_setattr(r, &set, &old));
    SHOW("old", "%lx", old.mq_flags);
    take("waits no more", r);
    struct timespec past = {1, 0}, bad = {1, -1};
    set.mq_flags = 0;
    mq_setattr(r, &set, NULL);
    show_done("timed out", mq_timedreceive(r, buf, sizeof buf, NULL, &past));
    show_done("bad time", mq_timedreceive(r, buf, sizeof buf, NULL, &bad));
    mq_send(q, "x", 1, 0);
    show_done("ready before bad time", mq_timedreceive(r, buf, sizeof buf, NULL, &bad));
    ssize_t len = read_state(q);
    SHOW("read", "%.*s", (int)(len > 0 ? len - 1 : 0), buf);
    mq_close(q), mq_close(r), mq_close(w);
    mq_unlink("/q");
}

static void waiting(void)
{
    struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 16};
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0600, &a);
    int status;
    pid_t child = fork();
    if (!child)
        _exit(mq_receive(q, buf, sizeof buf, NULL) == 5 ? 0 : errno);
    task_until_asleep(child);
    mq_send(q, "hello", 5, 0);
    waitpid(child, &status, 0);
    SHOW("received", "%s", status_text(status));
    mq_send(q, "first", 5, 0);
    if (!(child = fork()))
        _exit(mq_send(q, "second", 6, 0) ? errno : 0);
    task_until_asleep(child);
    take("first", q);
    waitpid(child, &status, 0);
    SHOW("sent", "%s", status_text(status));
    take("second", q);
    mq_close(q);
    mq_unlink("/q");
}

static volatile int told, told_value, told_code;
static volatile pid_t told_pid;
static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    told++;
    told_value = info->si_value.sival_int;
    told_code = info->si_code;
    told_pid = info->si_pid;
}

static void *told_thread_argument;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static void on_thread(union sigval v)
{
    pthread_mutex_lock(&lock);
    told_thread_argument = v.sival_ptr;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&lock);
}

static void notifying(void)
{
    struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16};
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0600, &a);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    e.sigev_value.sival_int = 4711;
    show_done("register", mq_notify(q, &e));
    show_done("again", mq_notify(q, &e));
    ssize_t len = read_state(q);
    SHOW("read", "%.36s", len > 0 ? buf : "");
    IN_CHILD("busy in a child", show_done("child", mq_notify(q, &e));
             show_done("child removes nothing", mq_notify(q, NULL)));
    mq_send(q, "x", 1, 0);
    SHOW("told", "%d value %d code %d by %s", told, told_value, told_code,
         told_pid == getpid() ? "me" : "other");
    show_done("once", mq_notify(q, &e));
    mq_send(q, "y", 1, 0);
    SHOW("not of a second", "%d", told);
    take("x", q), take("y", q);
    mq_send(q, "z", 1, 0);
    SHOW("of the next first", "%d", told);
    take("z", q);
    mq_notify(q, &e);
    show_done("remove", mq_notify(q, NULL));
    mq_send(q, "x", 1, 0);
    SHOW("not told", "%d", told);
    take("x", q);
    mq_notify(q, &e);
    IN_CHILD("sender", mq_send(q, "x", 1, 0));
    SHOW("told", "%d by %s", told, told_pid == getpid() ? "me" : "other");
    take("x", q);
    e.sigev_signo = 99;
    show_done("bad signal", mq_notify(q, &e));
    e.sigev_notify = 77;
    show_done("bad kind", mq_notify(q, &e));
    show_done("bad pointer", (long)syscall(SYS_mq_notify, q, BAD));
    show_done("not a queue", mq_notify(0, NULL));
    e = (struct sigevent){.sigev_notify = SIGEV_NONE};
    show_done("quietly", mq_notify(q, &e));
    mq_notify(q, NULL);
    e = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread};
    e.sigev_value.sival_ptr = &a;
    show_done("thread", mq_notify(q, &e));
    mq_send(q, "t", 1, 0);
    pthread_mutex_lock(&lock);
    while (!told_thread_argument)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    SHOW("thread told", "%d", told_thread_argument == &a);
    mq_close(q);
    mq_unlink("/q");
}

// A process that asked to be told ends without having closed the queue: its descriptors live on.
static void outlived(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0600, NULL);
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        _exit(mq_notify(q, &e) ? 1 : 0);
    show_end("asks in a child", child);
    show_done("its place is taken", mq_notify(q, &e));
    mq_close(q);
    mq_unlink("/q");
}

static void rights(void)
{
    mqd_t q = mq_open("/q", O_RDWR | O_CREAT, 0604, NULL);
    IN_CHILD("another user", setgid(1000); setuid(1000); show_done("read", mq_open("/q", O_RDONLY));
             show_done("write", mq_open("/q", O_WRONLY)); show_done("unlink", mq_unlink("/q"));
             struct mq_attr a = {.mq_maxmsg = 11, .mq_msgsize = 8};
             show_done("more than users may", mq_open("/mine", O_RDWR | O_CREAT, 0600, &a));
             struct rlimit little = {1000, 1000}; setrlimit(RLIMIT_MSGQUEUE, &little);
             show_done("limit", mq_open("/mine", O_RDWR | O_CREAT, 0600, NULL)));
    mq_close(q);
    mq_unlink("/q");
}

int main(void)
{
    unshare(CLONE_NEWIPC); // natively a place of its own; inside a guest of its own it is one
    names();
    order();
    waiting();
    notifying();
    outlived();
    rights();
    return 0;
}
