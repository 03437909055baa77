// System V IPC by index and by number: what the _INFO and _STAT commands tell of tables that are
// empty, long and full, to whom, and the limits and refusals of each kind.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define BAD         ((void *)8)
#define KERNEL_HALF ((void *)0xffff800000000000ul)
#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#define MSG_STAT_ANY 13
#define SHM_STAT_ANY 15
#endif

enum { PAGE = 4096 };

static union {
    struct shmid_ds shm;
    struct msqid_ds msg;
    struct semid_ds sem;
    struct shminfo shm_limits;
    struct shm_info shm_use;
    struct msginfo msg_info;
    struct seminfo sem_info;
    char bytes[256];
} u;

static long sem(int id, int n, int cmd, void *arg)
{
    return syscall(SYS_semctl, id, n, cmd, arg);
}
static long msg(int id, int unused, int cmd, void *arg)
{
    (void)unused;
    return msgctl(id, cmd, arg);
}
static long shm(int id, int unused, int cmd, void *arg)
{
    (void)unused;
    return shmctl(id, cmd, arg);
}
static int new_sem(int flags)
{
    return semget(IPC_PRIVATE, 2, flags);
}
static int new_msg(int flags)
{
    return msgget(IPC_PRIVATE, flags);
}
static int new_shm(int flags)
{
    return shmget(IPC_PRIVATE, 100, flags);
}

static void be_user(void)
{
    if (setgid(1234) || setuid(1234))
        abort();
}

// --- What the three have in common ---------------------------------------------------------------

static const struct kind {
    const char *name;
    long (*control)(int id, int n, int cmd, void *arg);
    int (*make)(int flags);
    int info, stat, stat_any;
} kinds[] = {
    {"semaphores", sem, new_sem, SEM_INFO, SEM_STAT, SEM_STAT_ANY},
    {"messages", msg, new_msg, MSG_INFO, MSG_STAT, MSG_STAT_ANY},
    {"memory", shm, new_shm, SHM_INFO, SHM_STAT, SHM_STAT_ANY},
};

static void table(const struct kind *k)
{
    int id[40];
    SHOW("table of", "%s", k->name);
    show_call("limits of none", k->control(0, 0, IPC_INFO, &u));
    show_call("... at 8", k->control(0, 0, IPC_INFO, BAD));
    show_call("use of none", k->control(0, 0, k->info, &u));
    show_call("... at 8", k->control(0, 0, k->info, BAD));
    show_call("... of -1", k->control(-1, 0, k->info, &u));
    show_call("index 0 of none", k->control(0, 0, k->stat, &u));
    show_call("command -1", k->control(0, 0, -1, &u));
    for (int i = 0; i < 40; i++)
        id[i] = k->make(i == 33 ? 0 : 0644);
    show_call("limits of many", k->control(0, 0, IPC_INFO, &u));
    show_call("use of many", k->control(0, 0, k->info, &u));
    SHOW("by index", "%d", k->control(17, 0, k->stat, &u) == id[17]);
    SHOW("by its number as an index", "%d", k->control(id[17], 0, k->stat, &u) == id[17]);
    show_call("by its number", k->control(id[17], 0, IPC_STAT, &u));
    show_call("by another's number", k->control(id[17] ^ 1 << 20, 0, IPC_STAT, &u));
    show_call("index beyond", k->control(900, 0, k->stat, &u));
    show_call("index far beyond", k->control(0x7fff, 0, k->stat, &u));
    show_call("at 8", k->control(id[17], 0, IPC_STAT, BAD));
    show_call("by index at 8", k->control(17, 0, k->stat, BAD));
    IN_CHILD("a user", {
        be_user();
        SHOW("index of one's", "%d", k->control(17, 0, k->stat, &u) == id[17]);
        show_call("index of a closed one", k->control(33, 0, k->stat, &u));
        SHOW("... any", "%d", k->control(33, 0, k->stat_any, &u) == id[33]);
        show_call("its number", k->control(id[33], 0, IPC_STAT, &u));
        show_call("set", k->control(id[33], 0, IPC_SET, &u));
        show_call("remove", k->control(id[33], 0, IPC_RMID, NULL));
        show_call("remove none", k->control(900, 0, IPC_RMID, NULL));
    });
    show_call("set from 8", k->control(id[5], 0, IPC_SET, BAD));
    k->control(id[5], 0, IPC_STAT, &u);
    struct ipc_perm *perm = (struct ipc_perm *)&u;
    perm->uid = (uid_t)-1;
    show_call("owner -1", k->control(id[5], 0, IPC_SET, &u));
    perm->uid = 1234;
    perm->gid = (gid_t)-1;
    show_call("group -1", k->control(id[5], 0, IPC_SET, &u));
    perm->gid = 77;
    perm->mode = 07777 & ~0111;
    show_call("set", k->control(id[5], 0, IPC_SET, &u));
    k->control(id[5], 0, IPC_STAT, &u);
    SHOW("... is", "%o %u %u %u", perm->mode, perm->uid, perm->gid, perm->cuid);
    IN_CHILD("its owner", be_user(); show_call("remove", k->control(id[5], 0, IPC_RMID, NULL)));
    show_call("removed", k->control(id[5], 0, IPC_RMID, NULL));
    show_call("set removed", k->control(id[5], 0, IPC_SET, &u));
    int again = k->make(0600);
    SHOW("its place is taken again, under another number", "%d %d", again != id[5],
         (again & 0x7fff) == (id[39] & 0x7fff) + 1 || (again & 0x7fff) == (id[5] & 0x7fff));
    for (int i = 0; i < 40; i++)
        k->control(id[i], 0, IPC_RMID, NULL);
    k->control(again, 0, IPC_RMID, NULL);
    show_call("use of none again", k->control(0, 0, k->info, &u));
}

// --- Each for itself -----------------------------------------------------------------------------

static void semaphores(void)
{
    int id = semget(IPC_PRIVATE, 3, 0600), closed = semget(IPC_PRIVATE, 3, 0);
    unsigned short all[3] = {1, 2, 3};
    show_call("set all", sem(id, 0, SETALL, all));
    for (int cmd = GETPID; cmd <= GETZCNT; cmd++) {
        show_call("number -1", sem(id, -1, cmd, NULL) >= 0 ? -1 : -1);
        show_call("number 3", sem(id, 3, cmd, NULL) >= 0 ? 0 : -1);
        show_call("no set", sem(id + 9, 0, cmd, NULL) >= 0 ? 0 : -1);
    }
    show_call("value of no set", sem(id + 9, 0, SETVAL, (void *)1));
    show_call("values of no set", sem(id + 9, 0, SETALL, all));
    show_call("values to 8", sem(id, 0, GETALL, BAD));
    IN_CHILD("a user", {
        be_user();
        show_call("values", sem(closed, 0, GETALL, all));
        show_call("set values", sem(closed, 0, SETALL, all));
        show_call("a value beyond", sem(closed, 9, SETVAL, (void *)1));
        show_call("a value", sem(closed, 1, SETVAL, (void *)1));
        show_call("ask beyond", sem(closed, 9, GETVAL, NULL));
    });
    sem(0, 0, SEM_INFO, &u);
    SHOW("sets and semaphores", "%d %d", u.sem_info.semusz, u.sem_info.semaem);
    sem(0, 0, IPC_INFO, &u);
    SHOW("limits", "%d %d %d %d %d %d", u.sem_info.semmni, u.sem_info.semmns, u.sem_info.semmsl,
         u.sem_info.semopm, u.sem_info.semvmx, u.sem_info.semume);
    sem(id, 0, IPC_RMID, NULL);
    sem(closed, 0, IPC_RMID, NULL);
}

struct letter {
    long type;
    char text[8192];
};

static void messages(void)
{
    static struct letter m = {.type = 1};
    int q = msgget(IPC_PRIVATE, 0600), n = 0;
    for (size_t i = 0; i < sizeof m.text; i++)
        m.text[i] = (char)(i * 31);
    show_call("the longest", msgsnd(q, &m, 8192, 0));
    show_call("longer", msgsnd(q, &m, 8193, 0));
    show_call("another", msgsnd(q, &m, 8192, 0));
    show_call("full", msgsnd(q, &m, 1, IPC_NOWAIT));
    show_call("room for part of it", msgrcv(q, &m, 100, 0, 0));
    static struct letter got;
    show_call("cut", msgrcv(q, &got, 5000, 0, MSG_NOERROR));
    SHOW("... its start", "%d", !memcmp(got.text, m.text, 5000));
    msg(0, 0, MSG_INFO, &u);
    SHOW("queues, letters, bytes", "%d %d %d", u.msg_info.msgpool, u.msg_info.msgmap,
         u.msg_info.msgtql);
    msg(0, 0, IPC_INFO, &u);
    SHOW("limits", "%d %d", u.msg_info.msgmax, u.msg_info.msgmnb);
    show_call("whole", msgrcv(q, &got, 8192, 0, 0));
    SHOW("... its text", "%d", !memcmp(got.text, m.text, 8192));
    show_call("none", msgrcv(q, &got, 8192, 0, IPC_NOWAIT));
    msgctl(q, IPC_STAT, &u.msg);
    u.msg.msg_qbytes = 10;
    show_call("a small queue", msgctl(q, IPC_SET, &u.msg));
    while (n < 50 && !msgsnd(q, &m, 0, IPC_NOWAIT))
        n++;
    SHOW("letters without text", "%d", n);
    show_call("one too many", msgsnd(q, &m, 0, IPC_NOWAIT));
    while (msgrcv(q, &got, 0, 0, IPC_NOWAIT) == 0)
        ;
    show_call("too long for it", msgsnd(q, &m, 11, IPC_NOWAIT));
    show_call("as long as it", msgsnd(q, &m, 10, IPC_NOWAIT));
    IN_CHILD("a user", {
        be_user();
        int mine = msgget(IPC_PRIVATE, 0600);
        msgctl(mine, IPC_STAT, &u.msg);
        u.msg.msg_qbytes++;
        show_call("more than all may have", msgctl(mine, IPC_SET, &u.msg));
        u.msg.msg_qbytes -= 100;
        show_call("less", msgctl(mine, IPC_SET, &u.msg));
        msgctl(mine, IPC_RMID, NULL);
    });
    show_call("copy that may wait", msgrcv(q, &got, 10, 0, MSG_COPY));
    show_call("copy of another kind", msgrcv(q, &got, 10, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
    show_call("copy to too little room", msgrcv(q, &got, 3, 0, MSG_COPY | IPC_NOWAIT));
    show_call("copy beyond", msgrcv(q, &got, 10, 5, MSG_COPY | IPC_NOWAIT));
    show_call("copy", msgrcv(q, &got, 10, 0, MSG_COPY | IPC_NOWAIT));
    show_call("it is there", msgrcv(q, &got, 10, 0, IPC_NOWAIT));
    show_call("any but its type",
              (msgsnd(q, &m, 1, 0), msgrcv(q, &got, 9, 1, MSG_EXCEPT | IPC_NOWAIT)));
    show_call("lower types", msgrcv(q, &got, 9, INT64_MIN, IPC_NOWAIT));
    show_call("from 8", msgsnd(q, BAD, 1, 0));
    show_call("text from the kernel", msgsnd(q, KERNEL_HALF, 1, 0));
    msgctl(q, IPC_RMID, NULL);
}

static void memory(void)
{
    int id = shmget(IPC_PRIVATE, 40 * PAGE, 0700), fixed, n = 0;
    char *p = shmat(id, NULL, 0), *room, *q;
    show_call("more than there is", shmget(IPC_PRIVATE, 1ul << 50, 0600));
    show_call("one byte more than can be", shmget(IPC_PRIVATE, SIZE_MAX - 100, 0600));
    show_call("an existing one of size 0",
              (fixed = shmget(77, 10, IPC_CREAT | 0600)) < 0 ? -1 : shmget(77, 0, 0) - fixed);
    show_call("... larger", shmget(77, 11, 0));
    shmctl(fixed, IPC_RMID, NULL);
    for (int i = 0; i < 40; i += 2)
        mprotect(p + i * PAGE, PAGE, PROT_READ);
    show_call("detach what is in forty pieces", shmdt(p));
    show_call("... is gone", msync(p, 40 * PAGE, MS_ASYNC));
    show_call("at 100", (long)shmat(id, (void *)100, 0));
    show_call("at 100, rounded, over what is there",
              (long)shmat(id, (void *)100, SHM_RND | SHM_REMAP));
    show_call("over NULL", (long)shmat(id, NULL, SHM_REMAP));
    show_call("unaligned", (long)shmat(id, p + 100, 0));
    SHOW("rounded", "%d", shmat(id, p + 100, SHM_RND) == p);
    show_call("there already", (long)shmat(id, p + PAGE, 0));
    show_call("wraps", (long)shmat(id, (void *)-(intptr_t)PAGE, 0));
    SHOW("over it", "%d", shmat(id, p, SHM_REMAP | SHM_RDONLY) == p);
    show_call("... cannot be written", read(open("/dev/zero", 0), p, 1));
    q = shmat(id, NULL, SHM_EXEC);
    show_call("with code", q == (void *)-1 ? -1 : mprotect(q, PAGE, PROT_READ | PROT_EXEC));
    struct rlimit r = {1 << 20, RLIM_INFINITY}, old;
    getrlimit(RLIMIT_AS, &old);
    setrlimit(RLIMIT_AS, &r);
    show_call("RLIMIT_AS", (long)shmat(id, NULL, 0));
    setrlimit(RLIMIT_AS, &old);
    shmctl(id, IPC_STAT, &u.shm);
    SHOW("attached", "%lu", (unsigned long)u.shm.shm_nattch);
    show_call("remove", shmctl(id, IPC_RMID, NULL));
    show_call("remove again", shmctl(id, IPC_RMID, NULL));
    shmctl(id, IPC_STAT, &u.shm);
    SHOW("until it is detached", "%o %x", u.shm.shm_perm.mode, u.shm.shm_perm.__key);
    room = shmat(id, NULL, 0);
    SHOW("it can still be attached", "%d", room != (void *)-1);
    shmdt(room), shmdt(p), shmdt(q);
    show_call("no more", (long)shmat(id, NULL, 0));
    id = shmget(IPC_PRIVATE, PAGE, 0666);
    shmctl(id, SHM_LOCK, NULL);
    shmctl(id, IPC_STAT, &u.shm);
    SHOW("locked", "%o", u.shm.shm_perm.mode);
    IN_CHILD("a user", {
        be_user();
        show_call("lock another's", shmctl(id, SHM_UNLOCK, NULL));
        int mine = shmget(IPC_PRIVATE, PAGE, 0600);
        show_call("lock one's own", shmctl(mine, SHM_LOCK, NULL));
        show_call("unlock", shmctl(mine, SHM_UNLOCK, NULL));
        r = (struct rlimit){0, 0};
        setrlimit(RLIMIT_MEMLOCK, &r);
        show_call("lock without a limit to use", shmctl(mine, SHM_LOCK, NULL));
        show_call("unlock then", shmctl(mine, SHM_UNLOCK, NULL));
        show_call("lock none", shmctl(900, SHM_LOCK, NULL));
        shmctl(mine, IPC_RMID, NULL);
    });
    shmctl(0, IPC_INFO, (void *)&u);
    SHOW("limits", "%lu %lu", u.shm_limits.shmmin, u.shm_limits.shmmni);
    while (n < 5000 && new_shm(0600) >= 0)
        n++;
    SHOW("as many as can be", "%d %s", n, strerrorname_np(errno));
    shmctl(0, SHM_INFO, (void *)&u);
    SHOW("in use", "%d %lu", u.shm_use.used_ids, u.shm_use.shm_tot);
}

static int can_unshare(void)
{
    return unshare(CLONE_NEWIPC) == 0;
}

static void body(void)
{
    if (unshare(CLONE_NEWIPC))
        abort();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        table(&kinds[i]);
    semaphores();
    messages();
    memory();
}

int main(void)
{
    probe_needs(can_unshare, "IPC namespaces");
    return run_as_child(body);
}
