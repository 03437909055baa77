// Threads: shared state, locks of every kind, exit while others wait, exec from a thread.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const void *timeout, void *word2,
                  uint32_t val3)
{
    return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

// --- Locks ---------------------------------------------------------------------------------------

enum { THREADS = 8, ROUNDS = 20000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static long counter, turns;

static void *count_up(void *arg)
{
    long id = (long)(intptr_t)arg;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&mutex);
        while (turns % THREADS != id)
            pthread_cond_wait(&cond, &mutex);
        turns++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 200; i++) {
        sem_wait(&sem);
        pthread_rwlock_rdlock(&rwlock);
        pthread_rwlock_unlock(&rwlock);
        pthread_rwlock_wrlock(&rwlock);
        counter++;
        pthread_rwlock_unlock(&rwlock);
        sem_post(&sem);
    }
    return arg;
}

static void locks(void)
{
    pthread_t t[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    sem_init(&sem, 0, 2);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, count_up, (void *)(intptr_t)i);
    long sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(t[i], &result);
        sum += (long)(intptr_t)result;
    }
    SHOW("joined", "%ld", sum);
    SHOW("counted", "%ld turns %ld", counter, turns);
}

static void *nothing(void *arg)
{
    return arg;
}

static void many(void)
{
    int made = 0;
    for (int i = 0; i < 2000; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, nothing, NULL))
            break;
        pthread_join(t, NULL);
        made++;
    }
    SHOW("threads one after another", "%d", made);
}

// --- Futex words ---------------------------------------------------------------------------------

static _Atomic uint32_t word, word2, started, woken;
static _Atomic pid_t waiters[8];

static void *wait_on_word(void *arg)
{
    waiters[started++] = gettid();
    if (futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL,
              (uint32_t)(uintptr_t)arg) == 0)
        woken++;
    return NULL;
}

static void start_waiters(pthread_t *t, int n, uint32_t bits)
{
    started = woken = 0;
    for (int i = 0; i < n; i++)
        waiters[i] = 0;
    for (int i = 0; i < n; i++)
        pthread_create(&t[i], NULL, wait_on_word, (void *)(uintptr_t)bits);
    for (int i = 0; i < n; i++) {
        while (!waiters[i])
            sched_yield();
        task_until_asleep(waiters[i]);
    }
}

static void join_all(pthread_t *t, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

static void words(void)
{
    pthread_t t[6];
    struct timespec ten_ms = {0, 10000000}, bad = {0, 2000000000}, past = {1, 0};
    show_call("WAIT: other value", futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
    show_call("WAIT: times out", futex(&word, FUTEX_WAIT, 0, &ten_ms, NULL, 0));
    show_call("WAIT: bad time", futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
    show_call("WAIT_BITSET: past", futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, ~0u));
    show_call("WAIT_BITSET realtime: past",
              futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, ~0u));
    show_call("WAIT_BITSET: no bits", futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
    show_call("WAIT realtime", futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    show_call("unaligned", futex((void *)((uintptr_t)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0));
    show_call("bad address", futex((void *)8, FUTEX_WAIT, 0, NULL, NULL, 0));
    show_call("unknown operation", futex(&word, 77, 0, NULL, NULL, 0));
    show_call("WAKE nobody", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));

    start_waiters(t, 6, ~0u);
    show_call("WAKE 2 of 6", futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0));
    show_call("WAKE shared", futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0));
    show_call("REQUEUE wake 1 move 2",
              futex(&word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)2, &word2, 0));
    show_call("CMP_REQUEUE wrong value",
              futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)2, &word2, 9));
    show_call("CMP_REQUEUE",
              futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, (void *)9, &word2, 0));
    show_call("WAKE moved", futex(&word2, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0));
    join_all(t, 6);
    SHOW("all woken", "%u", woken);

    start_waiters(t, 3, 1);
    show_call("WAKE_BITSET other bit",
              futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 2));
    show_call("WAKE_BITSET",
              futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 1));
    join_all(t, 3);

    start_waiters(t, 2, ~0u);
    word2 = 5;
    show_call("WAKE_OP add, compare false",
              futex(&word, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)9, &word2,
                    FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 4)));
    SHOW("... word", "%u", word2);
    show_call("WAKE_OP or, same word, compare true",
              futex(&word, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)9, &word2,
                    FUTEX_OP(FUTEX_OP_OR, 3, FUTEX_OP_CMP_GT, 7)));
    SHOW("... word", "%u", word2);
    join_all(t, 2);
    show_call("WAKE_OP unknown", futex(&word, FUTEX_WAKE_OP, 1, NULL, &word2, 7u << 28));
}

// Two processes meet on a word in shared memory, at two addresses.
static void shared_words(void)
{
    FILE *f = tmpfile();
    if (ftruncate(fileno(f), 4096))
        abort();
    _Atomic uint32_t *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    _Atomic uint32_t *anon =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        _Atomic uint32_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
        while (!a[1])
            sched_yield();
        while (futex(b, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
            sched_yield();
        while (futex(anon, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
            sched_yield();
        _exit(0);
    }
    a[1] = 1;
    show_call("shared file word", futex(a, FUTEX_WAIT, 0, NULL, NULL, 0));
    show_call("shared anonymous word", futex(anon, FUTEX_WAIT, 0, NULL, NULL, 0));
    waitpid(child, NULL, 0);
    fclose(f);
}

// --- Priority inheritance and robust -------------------------------------------------------------

static pthread_mutex_t pi, robust;
static atomic_int phase, locker;

static void *lock_pi(void *arg)
{
    (void)arg;
    locker = gettid();
    phase = 1;
    pthread_mutex_lock(&pi);
    phase = 2;
    pthread_mutex_unlock(&pi);
    return NULL;
}

static void *die_with_lock(void *arg)
{
    pthread_mutex_lock(arg);
    return NULL;
}

static void special_mutexes(void)
{
    pthread_mutexattr_t attr;
    pthread_t t;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&pi, &attr);
    pthread_mutex_lock(&pi);
    pthread_create(&t, NULL, lock_pi, NULL);
    while (phase != 1)
        sched_yield();
    task_until_asleep(locker);
    SHOW("PI mutex is held", "%d", phase == 1);
    pthread_mutex_unlock(&pi);
    pthread_join(t, NULL);
    SHOW("PI mutex handed over", "%d", (int)phase);
    _Atomic uint32_t w = 0;
    show_call("UNLOCK_PI of another's", futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    show_call("LOCK_PI", futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    SHOW("... word is the thread", "%d", w == (uint32_t)gettid());
    show_call("LOCK_PI again", futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    show_call("TRYLOCK_PI own", futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    show_call("UNLOCK_PI", futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    SHOW("... word", "%u", w);
    w = 0x3ffffff0;
    show_call("LOCK_PI of nobody's", futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));

    for (int with_pi = 0; with_pi < 2; with_pi++) {
        pthread_mutexattr_init(&attr);
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setprotocol(&attr, with_pi ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
        pthread_mutex_init(&robust, &attr);
        pthread_create(&t, NULL, die_with_lock, &robust);
        pthread_join(t, NULL);
        SHOW("robust: owner died", "%s", strerrorname_np(pthread_mutex_lock(&robust)));
        SHOW("... consistent", "%d", pthread_mutex_consistent(&robust));
        SHOW("... unlock", "%d", pthread_mutex_unlock(&robust));
    }
    // The owner is a process that ends while another waits.
    pthread_mutex_t *m =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(m, &attr);
    int ready[2];
    if (pipe(ready))
        abort();
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(m);
        tell(ready[1]);
        task_until_asleep(getppid());
        _exit(0);
    }
    hear(ready[0]);
    SHOW("robust: owner process died", "%s", strerrorname_np(pthread_mutex_lock(m)));
    waitpid(child, NULL, 0);
}

// --- Ends ----------------------------------------------------------------------------------------

static int blocked_pipe[2];
static void *spin(void *arg)
{
    for (;;)
        __asm__ volatile("");
    return arg;
}
static void *sleep_long(void *arg)
{
    sleep(1000);
    return arg;
}
static void *read_pipe(void *arg)
{
    char c;
    if (read(blocked_pipe[0], &c, 1) < 0)
        return NULL;
    return arg;
}
static void *wait_word(void *arg)
{
    static _Atomic uint32_t w;
    for (;;)
        futex(&w, FUTEX_WAIT, 0, NULL, NULL, 0);
    return arg;
}
static void *poll_pipe(void *arg)
{
    struct pollfd p = {.fd = blocked_pipe[0], .events = POLLIN};
    poll(&p, 1, -1);
    return arg;
}
static void *wait_vfork(void *arg)
{
    if (vfork() == 0) {
        execl("/proc/self/exe", "threads", "sleep", NULL);
        sleep_ms(200);
        _exit(0);
    }
    sleep(1000);
    return arg;
}

static void start_everything(void)
{
    static void *(*const kinds[])(void *) = {spin,      spin,      sleep_long, read_pipe,
                                             wait_word, poll_pipe, wait_vfork};
    if (pipe(blocked_pipe))
        abort();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pthread_t t;
        pthread_create(&t, NULL, kinds[i], NULL);
    }
    sleep_ms(30);
}

static void *exit_from_thread(void *arg)
{
    exit(6);
    return arg;
}
static void *exec_from_thread(void *arg)
{
    execl("/proc/self/exe", "threads", "exec", arg, NULL);
    return NULL;
}
static void *leader_left(void *arg)
{
    (void)arg;
    sleep_ms(50);
    _exit(8);
}

static void ends(void)
{
    double start = now();
    pthread_t t;
    char pid[16];
    IN_CHILD("exit_group with threads of all kinds", start_everything(); _exit(3));
    IN_CHILD("SIGKILL with threads", start_everything(); kill(getpid(), SIGKILL); pause());
    IN_CHILD("SIGSEGV with threads", start_everything(); *(volatile int *)8 = 1);
    IN_CHILD("exit from another thread", start_everything();
             pthread_create(&t, NULL, exit_from_thread, NULL); pause());
    IN_CHILD("leader leaves first", pthread_create(&t, NULL, leader_left, NULL);
             pthread_exit(NULL));
    IN_CHILD("exec from a thread", start_everything(); snprintf(pid, sizeof pid, "%d", getpid());
             pthread_create(&t, NULL, exec_from_thread, pid); for (;;) pause());
    IN_CHILD("exec from the leader", start_everything(); snprintf(pid, sizeof pid, "%d", getpid());
             exec_from_thread(pid));
    SHOW("promptly", "%d", now() - start < 60);
    int failed = 0;
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 4; k++)
                pthread_create(&t, NULL, k & 1 ? spin : sleep_long, NULL);
            _exit(i);
        }
        int status;
        failed += waitpid(child, &status, 0) != child || status != i << 8;
    }
    SHOW("storm of exits, failures", "%d", failed);
}

// --- Signals and threads -------------------------------------------------------------------------

static atomic_int handled_by, waiting;
static void on_signal(int sig)
{
    (void)sig;
    handled_by = gettid();
}
static void *take_signals(void *arg)
{
    waiting = gettid();
    while (!handled_by)
        sched_yield();
    return arg;
}

static void thread_signals(void)
{
    pthread_t t;
    sigset_t set;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_create(&t, NULL, take_signals, NULL);
    while (!waiting)
        sched_yield();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    pthread_join(t, NULL);
    SHOW("the thread that does not block it", "%d", handled_by == waiting);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    handled_by = waiting = 0;
    pthread_create(&t, NULL, take_signals, NULL);
    while (!waiting)
        sched_yield();
    pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    SHOW("pthread_kill", "%d", handled_by == waiting);
}

static void all(void)
{
    locks();
    many();
    words();
    shared_words();
    special_mutexes();
    thread_signals();
    ends();
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "exec"))
        return getpid() == strtol(argv[2], NULL, 10) && gettid() == getpid() ? 21 : 22;
    if (argc > 1 && !strcmp(argv[1], "sleep")) {
        sleep_ms(200);
        return 0;
    }
    return run_as_child(all);
}
