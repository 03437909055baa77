// System V semaphores, message queues and shared memory: every command, error and wait.
#include "asleep.h"
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define BAD ((void *)8)
enum { KEY = 0x69736831 };
#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#define MSG_STAT_ANY 13
#define SHM_STAT_ANY 15
#endif
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

union semun {
    int val;
    void *buf;
};

static int control(int id, int n, int cmd, void *arg)
{
    return (int)syscall(SYS_semctl, id, n, cmd, arg);
}

static int op(int id, unsigned short n, short by, short flags)
{
    struct sembuf b = {n, by, flags};
    return semop(id, &b, 1);
}

static void be_user(int id)
{
    setgid((gid_t)id);
    setuid((uid_t)id);
}

static void handler(int signo)
{
    (void)signo;
}

static void show_values(const char *name, int id, int n)
{
    char text[128];
    int at = 0;
    for (int i = 0; i < n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, " %d", control(id, i, GETVAL, NULL));
    SHOW(name, "%s", text);
}

static void show_mine(const char *name, long pid)
{
    SHOW(name, "%s", pid == getpid() ? "mine" : pid ? "other" : "none");
}

// --- Semaphores ----------------------------------------------------------------------------------

static void sem_making(void)
{
    show_call("no set", semget(KEY, 1, 0));
    show_call("empty", semget(KEY, 0, IPC_CREAT | 0600));
    show_call("negative", semget(KEY, -1, IPC_CREAT | 0600));
    show_call("too many", semget(KEY, 32001, IPC_CREAT | 0600));
    int id = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0640);
    show_done("make", id);
    show_call("exclusive", semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0640));
    SHOW("same", "%d", semget(KEY, 3, IPC_CREAT) == id);
    SHOW("fewer", "%d", semget(KEY, 1, 0) == id);
    SHOW("none", "%d", semget(KEY, 0, 0) == id);
    show_call("more", semget(KEY, 4, 0));
    struct semid_ds ds;
    show_done("stat", control(id, 0, IPC_STAT, &ds));
    SHOW("stat", "key %x mode %o nsems %d otime %d ctime %d", ds.sem_perm.__key, ds.sem_perm.mode,
         (int)ds.sem_nsems, (int)ds.sem_otime, ds.sem_ctime > 0);
    show_done("stat bad buffer", control(id, 0, IPC_STAT, BAD));
    show_done("stat bad id", control(id + 7, 0, IPC_STAT, &ds));
    show_done("stat negative", control(-1, 0, IPC_STAT, &ds));
    show_done("unknown command", control(id, 0, 77, &ds));
    SHOW("private", "%d", semget(IPC_PRIVATE, 1, 0600) != semget(IPC_PRIVATE, 1, 0600));
    show_done("remove", control(id, 0, IPC_RMID, NULL));
    show_done("remove again", control(id, 0, IPC_RMID, NULL));
    int next = semget(KEY, 1, IPC_CREAT | 0600);
    SHOW("another id", "%d", next != id);
    control(next, 0, IPC_RMID, NULL);
    struct seminfo info;
    SHOW("info", "%d", control(0, 0, IPC_INFO, &info) >= 0);
    SHOW("limits", "%d %d %d %d %d", info.semmsl, info.semmns, info.semopm, info.semmni,
         info.semvmx);
}

static void sem_values(void)
{
    int id = semget(IPC_PRIVATE, 3, 0600);
    unsigned short all[3] = {1, 2, 3};
    show_done("set all", control(id, 0, SETALL, all));
    show_values("values", id, 3);
    memset(all, 0, sizeof all);
    show_done("get all", control(id, 0, GETALL, all));
    SHOW("all", "%d %d %d", all[0], all[1], all[2]);
    show_done("set one", control(id, 1, SETVAL, (void *)9));
    show_done("set too much", control(id, 1, SETVAL, (void *)32768));
    show_done("set negative", control(id, 1, SETVAL, (void *)-1L));
    show_done("set beyond", control(id, 3, SETVAL, (void *)1));
    show_done("get beyond", control(id, 3, GETVAL, NULL));
    show_done("get negative", control(id, -1, GETVAL, NULL));
    show_mine("pid", control(id, 1, GETPID, NULL));
    all[0] = 40000;
    show_done("set all too much", control(id, 0, SETALL, all));
    show_done("set all bad", control(id, 0, SETALL, BAD));
    show_done("get all bad", control(id, 0, GETALL, BAD));
    show_values("values", id, 3);
    show_call("waiters", control(id, 0, GETNCNT, NULL));
    control(id, 0, IPC_RMID, NULL);
}

static void sem_operations(void)
{
    int id = semget(IPC_PRIVATE, 3, 0600);
    show_done("up", op(id, 0, 2, 0));
    show_done("down", op(id, 0, -1, 0));
    show_done("too far", op(id, 0, -2, IPC_NOWAIT));
    show_done("zero", op(id, 1, 0, 0));
    show_done("not zero", op(id, 0, 0, IPC_NOWAIT));
    show_done("beyond", op(id, 3, 1, 0));
    show_done("overflow", op(id, 0, 32767, 0));
    struct sembuf two[2] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}};
    show_done("all or none", semop(id, two, 2));
    show_values("values", id, 3);
    struct sembuf self[2] = {{2, 1, 0}, {2, -1, 0}};
    show_done("in order", semop(id, self, 2));
    show_values("values", id, 3);
    show_done("no operations", semop(id, two, 0));
    show_done("too many operations", semop(id, two, 501));
    show_done("bad operations", semop(id, BAD, 1));
    show_done("bad id", op(id + 5, 0, 1, 0));
    show_done("negative id", op(-1, 0, 1, 0));
    struct timespec soon = {0, 20000000}, bad = {0, -1};
    struct sembuf wait = {1, -1, 0};
    show_done("time out", (long)semtimedop(id, &wait, 1, &soon));
    show_done("bad time", (long)semtimedop(id, &wait, 1, &bad));
    show_done("bad time pointer", (long)syscall(SYS_semtimedop, id, &wait, 1, BAD));
    struct semid_ds ds;
    control(id, 0, IPC_STAT, &ds);
    SHOW("operated", "%d", ds.sem_otime > 0);
    control(id, 0, IPC_RMID, NULL);
}

static int wait_for_count(int id, int cmd, int n)
{
    for (int i = 0; i < 2000 && control(id, 0, cmd, NULL) != n; i++)
        usleep(1000);
    return control(id, 0, cmd, NULL);
}

static void sem_waiting(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600), status;
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t child = fork();
    if (!child)
        _exit(op(id, 0, -2, 0) ? errno : 0);
    SHOW("waiting", "%d", wait_for_count(id, GETNCNT, 1));
    op(id, 0, 1, 0);
    SHOW("still", "%d", wait_for_count(id, GETNCNT, 1));
    op(id, 0, 1, 0);
    waitpid(child, &status, 0);
    SHOW("woken", "%s", status_text(status));
    op(id, 0, 1, 0);
    if (!(child = fork()))
        _exit(op(id, 0, 0, 0) ? errno : 0);
    SHOW("waiting for zero", "%d", wait_for_count(id, GETZCNT, 1));
    op(id, 0, -1, 0);
    waitpid(child, &status, 0);
    SHOW("woken", "%s", status_text(status));
    if (!(child = fork()))
        _exit(op(id, 0, -1, 0) ? errno : 0);
    wait_for_count(id, GETNCNT, 1);
    kill(child, SIGUSR1);
    waitpid(child, &status, 0);
    SHOW("interrupted", "%s", status_text(status));
    SHOW("nobody waits", "%d", wait_for_count(id, GETNCNT, 0));
    if (!(child = fork()))
        _exit(op(id, 0, -1, 0) ? errno : 0);
    wait_for_count(id, GETNCNT, 1);
    control(id, 0, SETVAL, (void *)1);
    waitpid(child, &status, 0);
    SHOW("set", "%s", status_text(status));
    if (!(child = fork()))
        _exit(op(id, 0, -1, 0) ? errno : 0);
    wait_for_count(id, GETNCNT, 1);
    control(id, 0, IPC_RMID, NULL);
    waitpid(child, &status, 0);
    SHOW("removed", "%s", status_text(status));
}

static void *undo_in_thread(void *arg)
{
    op(*(int *)arg, 0, 1, SEM_UNDO);
    return NULL;
}

static void sem_undoing(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600);
    unsigned short all[2] = {5, 5};
    control(id, 0, SETALL, all);
    IN_CHILD("undo", op(id, 0, -3, SEM_UNDO), op(id, 1, 2, SEM_UNDO), op(id, 0, 1, 0),
             show_values("inside", id, 2));
    show_values("after", id, 2);
    show_mine("pid", control(id, 0, GETPID, NULL));
    IN_CHILD("set undoes nothing", op(id, 0, -3, SEM_UNDO), control(id, 0, SETVAL, (void *)7));
    show_values("after", id, 2);
    IN_CHILD("below zero", op(id, 1, 10, SEM_UNDO), op(id, 1, -12, 0));
    show_values("after", id, 2);
    IN_CHILD("removed set", int other = semget(IPC_PRIVATE, 1, 0600); op(other, 0, 1, SEM_UNDO);
             control(other, 0, IPC_RMID, NULL));
    IN_CHILD("thread", pthread_t t; pthread_create(&t, NULL, undo_in_thread, &id);
             pthread_join(t, NULL); show_values("after the thread", id, 2));
    show_values("after", id, 2);
    IN_CHILD("unshared", op(id, 0, 1, SEM_UNDO); show_values("before", id, 2);
             show_done("unshare", unshare(CLONE_SYSVSEM)); show_values("then", id, 2));
    IN_CHILD("not inherited", op(id, 0, 1, SEM_UNDO); pid_t c = fork(); if (!c) _exit(0);
             waitpid(c, NULL, 0); show_values("child gone", id, 2));
    show_values("after", id, 2);
    IN_CHILD("exec keeps", op(id, 0, 1, SEM_UNDO); execl("/bin/none", "none", NULL));
    struct sembuf far = {0, -32767, SEM_UNDO}, one = {0, -1, SEM_UNDO};
    control(id, 0, SETVAL, (void *)32767);
    IN_CHILD("far", show_done("all", semop(id, &far, 1)); control(id, 1, SETVAL, (void *)1);
             op(id, 0, 32767, 0); show_done("range", semop(id, &one, 1)));
    control(id, 0, IPC_RMID, NULL);
}

static void rights(void)
{
    int id = semget(KEY, 1, IPC_CREAT | 0640), q = msgget(KEY, IPC_CREAT | 0604),
        m = shmget(KEY, 4096, IPC_CREAT | 0604);
    IN_CHILD("semaphore of another", be_user(1000); struct semid_ds ds;
             show_call("get", semget(KEY, 1, 0600));
             show_call("get nothing", semget(KEY, 1, 0) < 0);
             show_done("stat", control(id, 0, IPC_STAT, &ds));
             show_done("value", control(id, 0, GETVAL, NULL)); show_done("up", op(id, 0, 1, 0));
             show_done("wait for zero", op(id, 0, 0, 0));
             show_done("set value", control(id, 0, SETVAL, (void *)1));
             show_done("set", control(id, 0, IPC_SET, &ds));
             show_done("remove", control(id, 0, IPC_RMID, NULL)));
    IN_CHILD("queue of another", be_user(1000); struct msqid_ds ds; char buf[64];
             show_call("get", msgget(KEY, 0200)); show_done("stat", msgctl(q, IPC_STAT, &ds));
             show_done("send", msgsnd(q, &(struct {
                                          long t;
                                          char c;
                                      }){1, 'x'},
                                      1, IPC_NOWAIT));
             show_done("receive", msgrcv(q, buf, 1, 0, IPC_NOWAIT));
             show_done("remove", msgctl(q, IPC_RMID, NULL)));
    IN_CHILD("segment of another", be_user(1000);
             show_done("attach", (long)shmat(m, NULL, 0) == -1 ? -1 : 0);
             show_done("attach to read", (long)shmat(m, NULL, SHM_RDONLY) == -1 ? -1 : 0);
             show_done("lock", shmctl(m, SHM_LOCK, NULL));
             show_done("remove", shmctl(m, IPC_RMID, NULL)));
    struct semid_ds ds;
    control(id, 0, IPC_STAT, &ds);
    ds.sem_perm.uid = 1000;
    ds.sem_perm.mode = 0777;
    show_done("give away", control(id, 0, IPC_SET, &ds));
    IN_CHILD("owner", be_user(1000); show_done("up", op(id, 0, 1, 0));
             show_done("remove", control(id, 0, IPC_RMID, NULL)));
    msgctl(q, IPC_RMID, NULL);
    shmctl(m, IPC_RMID, NULL);
}

// --- Messages ------------------------------------------------------------------------------------

struct msg {
    long type;
    char text[8192];
};
static struct msg msg;

static int put(int q, long type, const char *text, int flags)
{
    static struct msg m;
    m.type = type;
    snprintf(m.text, sizeof m.text, "%s", text);
    return msgsnd(q, &m, strlen(text), flags);
}

static void take(const char *name, int q, size_t room, long type, int flags)
{
    memset(&msg, 0, sizeof msg);
    ssize_t n = msgrcv(q, &msg, room, type, flags);
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%zd bytes, type %ld, '%.20s'", n, msg.type, msg.text);
}

static void messages(void)
{
    show_call("no queue", msgget(KEY, 0));
    int q = msgget(KEY, IPC_CREAT | 0600);
    show_done("make", q);
    show_call("exclusive", msgget(KEY, IPC_CREAT | IPC_EXCL | 0600));
    show_done("type 0", put(q, 0, "x", 0));
    show_done("type -1", put(q, -1, "x", 0));
    show_done("too long", msgsnd(q, &msg, 8193, 0));
    show_done("negative", msgsnd(q, &msg, (size_t)-1, 0));
    show_done("bad buffer", msgsnd(q, BAD, 1, 0));
    show_done("bad queue", put(q + 3, 1, "x", 0));
    put(q, 3, "three", 0);
    put(q, 1, "one", 0);
    put(q, 2, "two", 0);
    put(q, 5, "", 0);
    struct msqid_ds ds;
    show_done("stat", msgctl(q, IPC_STAT, &ds));
    SHOW("stat", "bytes %lu count %lu max %lu stime %d rtime %d", ds.__msg_cbytes, ds.msg_qnum,
         ds.msg_qbytes, ds.msg_stime > 0, (int)ds.msg_rtime);
    show_mine("sender", ds.msg_lspid);
    show_mine("receiver", ds.msg_lrpid);
    take("copy", q, 100, 1, MSG_COPY | IPC_NOWAIT);
    take("copy beyond", q, 100, 9, MSG_COPY | IPC_NOWAIT);
    take("copy waiting", q, 100, 1, MSG_COPY);
    take("copy except", q, 100, 1, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT);
    take("of type 2", q, 100, 2, 0);
    take("not of type 3", q, 100, 3, MSG_EXCEPT);
    take("too long", q, 2, 0, 0);
    take("cut", q, 2, 0, MSG_NOERROR);
    take("none of type", q, 100, 4, IPC_NOWAIT);
    take("empty message", q, 0, 0, 0);
    take("no message", q, 100, 0, IPC_NOWAIT);
    put(q, 9, "nine", 0);
    put(q, 4, "four", 0);
    put(q, 4, "four again", 0);
    take("lowest up to 3", q, 100, -3, IPC_NOWAIT);
    take("lowest up to 10", q, 100, -10, IPC_NOWAIT);
    take("lowest", q, 100, (long)1 << 63, IPC_NOWAIT);
    show_done("bad receive buffer", msgrcv(q, BAD, 100, 0, 0));
    show_done("gone", msgrcv(q, &msg, 100, 0, IPC_NOWAIT));
    show_done("negative room", msgrcv(q, &msg, (size_t)-1, 0, IPC_NOWAIT));
    show_done("negative queue", msgrcv(-1, &msg, 1, 0, IPC_NOWAIT));
    // A full queue.
    int sent = 0;
    while (msgsnd(q, &(struct msg){.type = 1}, 4000, IPC_NOWAIT) == 0)
        sent++;
    SHOW("full", "%d %s", sent, strerrorname_np(errno));
    ds.msg_qbytes = 100;
    show_done("set", msgctl(q, IPC_SET, &ds));
    show_done("set bad", msgctl(q, IPC_SET, BAD));
    show_done("unknown", msgctl(q, 99, &ds));
    struct msginfo info;
    SHOW("info", "%d", msgctl(0, IPC_INFO, (void *)&info) >= 0);
    SHOW("limits", "%d %d", info.msgmax, info.msgmnb);
    show_done("remove", msgctl(q, IPC_RMID, NULL));
    show_done("removed", put(q, 1, "x", 0));
}

static void message_waits(void)
{
    int q = msgget(IPC_PRIVATE, 0600), status;
    pid_t child = fork();
    if (!child)
        _exit(msgrcv(q, &msg, 100, 2, 0) == 3 ? 0 : errno);
    task_until_asleep(child);
    put(q, 1, "one", 0);
    put(q, 2, "two", 0);
    waitpid(child, &status, 0);
    SHOW("received", "%s", status_text(status));
    for (int i = 0; i < 2; i++)
        msgsnd(q, &(struct msg){.type = 7}, 8000, IPC_NOWAIT);
    if (!(child = fork()))
        _exit(put(q, 8,
                  "a message of more bytes than there is room for: "
                  "......................................................................"
                  "......................................................................"
                  "......................................................................"
                  "......................................................................"
                  "......................................................................"
                  "......................................................................",
                  0)
                  ? errno
                  : 0);
    task_until_asleep(child);
    take("make room", q, 8000, 7, IPC_NOWAIT);
    waitpid(child, &status, 0);
    SHOW("sent", "%s", status_text(status));
    if (!(child = fork()))
        _exit(msgrcv(q, &msg, 100, 55, 0) < 0 ? errno : 0);
    task_until_asleep(child);
    kill(child, SIGUSR1);
    waitpid(child, &status, 0);
    SHOW("interrupted", "%s", status_text(status));
    if (!(child = fork()))
        _exit(msgrcv(q, &msg, 100, 55, 0) < 0 ? errno : 0);
    task_until_asleep(child);
    msgctl(q, IPC_RMID, NULL);
    waitpid(child, &status, 0);
    SHOW("removed", "%s", status_text(status));
}

// --- Shared memory -------------------------------------------------------------------------------

static void show_segment(const char *name, int id)
{
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds)) {
        show_call(name, -1);
        return;
    }
    SHOW(name, "key %x mode %o size %zu attached %lu a %d", ds.shm_perm.__key, ds.shm_perm.mode,
         ds.shm_segsz, ds.shm_nattch, ds.shm_atime > 0);
}

static void segments(void)
{
    show_call("no segment", shmget(KEY, 4096, 0));
    show_call("size 0", shmget(KEY, 0, IPC_CREAT | 0600));
    show_call("huge", shmget(KEY, (size_t)-1, IPC_CREAT | 0600));
    int id = shmget(KEY, 5000, IPC_CREAT | 0600);
    show_done("make", id);
    show_call("larger", shmget(KEY, 5001, 0600));
    SHOW("smaller", "%d", shmget(KEY, 1, 0600) == id);
    SHOW("size 0 now", "%d", shmget(KEY, 0, 0600) == id);
    show_segment("fresh", id);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    show_segment("attached twice", id);
    memcpy(a, "hello", 6);
    SHOW("other view", "%s", b);
    SHOW("end", "%d", a[8191]);
    IN_CHILD("writing to the other", b[0] = 'x');
    show_done("protect", mprotect(b, 4096, PROT_READ | PROT_WRITE));
    IN_CHILD("child", memcpy(a + 4096, "from the child", 15); show_segment("inherited", id));
    SHOW("from the child", "%s", b + 4096);
    show_segment("child gone", id);
    show_done("bad address", (long)shmat(id, a + 1, 0) == -1 ? -1 : 0);
    show_done("taken address", (long)shmat(id, a, 0) == -1 ? -1 : 0);
    char *c = shmat(id, a + 100, SHM_RND | SHM_REMAP);
    SHOW("mapped over", "%d", c == a);
    show_segment("mapped over", id);
    show_done("over nothing", (long)shmat(id, NULL, SHM_REMAP) == -1 ? -1 : 0);
    show_done("bad id", (long)shmat(id + 3, NULL, 0) == -1 ? -1 : 0);
    show_done("negative id", (long)shmat(-1, NULL, 0) == -1 ? -1 : 0);
    show_done("cut", munmap(a, 4096));
    show_done("detach", shmdt(a));
    show_segment("detached", id);
    show_done("detach again", shmdt(a));
    show_done("detach inside", shmdt(b + 4096));
    show_done("detach unaligned", shmdt(b + 1));
    show_done("detach nothing", shmdt(NULL));
    show_done("lock", shmctl(id, SHM_LOCK, NULL));
    show_segment("locked", id);
    show_done("unlock", shmctl(id, SHM_UNLOCK, NULL));
    show_done("remove", shmctl(id, IPC_RMID, NULL));
    show_segment("removed but attached", id);
    show_call("key is free", shmget(KEY, 1, 0600));
    char *d = shmat(id, NULL, 0);
    SHOW("attach all the same", "%s", d == (void *)-1 ? strerrorname_np(errno) : d);
    show_done("detach", shmdt(b));
    show_segment("one left", id);
    show_done("detach last", shmdt(d));
    show_segment("gone", id);
    show_done("remove", shmctl(id, IPC_RMID, NULL));
    struct shminfo info;
    SHOW("info", "%d", shmctl(0, IPC_INFO, (void *)&info) >= 0);
    SHOW("limits", "%lx %lu %lu", info.shmmax, info.shmmin, info.shmmni);
    show_done("unknown", shmctl(id, 99, NULL));
}

static void *add_many(void *arg)
{
    for (int i = 0; i < 300; i++) {
        op(*(int *)arg, 0, -1, 0);
        op(*(int *)arg, 0, 1, 0);
    }
    return NULL;
}

// A semaphore keeps processes and threads apart.
static void exclusion(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600), m = shmget(IPC_PRIVATE, 4096, 0600);
    volatile int *count = shmat(m, NULL, 0);
    shmctl(m, IPC_RMID, NULL);
    op(id, 0, 1, 0);
    for (int i = 0; i < 3; i++)
        if (!fork()) {
            for (int n = 0; n < 300; n++) {
                op(id, 0, -1, SEM_UNDO);
                int was = *count;
                sched_yield();
                *count = was + 1;
                op(id, 0, 1, SEM_UNDO);
            }
            _exit(0);
        }
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, add_many, &id);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    while (wait(NULL) > 0)
        continue;
    SHOW("counted", "%d, semaphore %d", *count, control(id, 0, GETVAL, NULL));
    control(id, 0, IPC_RMID, NULL);
    IN_CHILD("dying holder", exit(0));
}

// The line of an object, without numbers of processes, times and residency.
static void show_listed(const char *file, int id, unsigned from, unsigned to)
{
    char path[64], line[512];
    unsigned long long n[20];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", file);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f))
        SHOW(file, "%.*s", (int)strcspn(line, "\n"), line);
    while (f && fgets(line, sizeof line, f)) {
        char *at = line;
        unsigned count = 0;
        for (; count < 20; count++) {
            char *end;
            n[count] = strtoull(at, &end, count == 2 ? 8 : 10);
            if (end == at)
                break;
            at = end;
        }
        if ((int)n[1] != id)
            continue;
        printf("%s: %zu bytes, %u fields, key %llu, mode %llo:", file, strlen(line), count, n[0],
               n[2]);
        for (unsigned i = from; i < to; i++)
            printf(" %llu", n[i]);
        printf("\n");
    }
    if (f)
        fclose(f);
}

static void listed(void)
{
    int q = msgget(7, IPC_CREAT | 0640), s = semget(8, 3, IPC_CREAT | 0600),
        m = shmget(9, 5000, IPC_CREAT | 0606);
    struct {
        long type;
        char text[5];
    } message = {1, "five"};
    msgsnd(q, &message, 5, 0);
    void *at = shmat(m, NULL, 0);
    show_listed("msg", q, 3, 5);
    show_listed("sem", s, 3, 8);
    show_listed("shm", m, 3, 4);
    show_listed("shm", m, 6, 11);
    shmdt(at);
    msgctl(q, IPC_RMID, NULL);
    semctl(s, 0, IPC_RMID);
    shmctl(m, IPC_RMID, NULL);
}

static void body(void)
{
    sem_making();
    sem_values();
    sem_operations();
    sem_waiting();
    sem_undoing();
    rights();
    messages();
    message_waits();
    segments();
    exclusion();
    listed();
}

int main(void)
{
    unshare(CLONE_NEWIPC); // natively a place of its own; inside a guest of its own it is one
    prctl(PR_SET_DUMPABLE, 0);
    body();
    return 0;
}
