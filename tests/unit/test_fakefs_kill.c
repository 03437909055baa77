// kill -9 at any moment loses nothing a call has returned for: test_fakefs_kill [ROUNDS].
//
// A child changes a root from two threads and reports every finished call through a pipe; it is
// killed at a random moment, the root is opened again and compared with the reports. The one call
// each thread was in may have happened or not.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/fsck.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 2, NAMES = 64, ROUNDS_DEFAULT = 8, RUN_MS_MAX = 60 };

// What one name of one thread is expected to be.
struct state {
    bool exists;
    uint32_t uid, mode;
};

enum action { CREATE, CHOWN, CHMOD, UNLINK, RENAME, XATTR, ACTIONS };

// One finished (done) or begun call.
struct report {
    uint8_t thread, action, name, other;
    bool done;
    uint32_t uid, mode;
};

struct worker {
    struct env *e;
    int pipe, thread;
    unsigned seed;
    struct state state[NAMES];
};

static void path_of(char out[32], int thread, int name)
{
    snprintf(out, 32, "/w%d/f%d", thread, name);
}

static int act(const struct vfs_caller *c, const struct report *r)
{
    char name[32], other[32];
    path_of(name, r->thread, r->name);
    path_of(other, r->thread, r->other);
    struct path p;
    switch ((enum action)r->action) {
    case CREATE:
        return env_try_open(c, name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL, r->mode);
    case CHOWN:
        return env_setattr(c, name, &(struct vfs_setattr){.mask = ATTR_UID, .uid = r->uid});
    case CHMOD:
        return env_chmod(c, name, r->mode);
    case UNLINK:
        return vfs_unlink(c, NULL, name);
    case RENAME:
        return env_rename(c, name, other, 0);
    case XATTR: {
        int err = path_walk(c, NULL, name, 0, &p);
        if (!err) {
            err = vfs_setxattr(c, &p, "user.x", &r->uid, sizeof r->uid, 0);
            path_put(&p);
        }
        return err;
    }
    default:
        return -LINUX_EINVAL;
    }
}

// What a call does to the expectation. A chown clears set-id bits.
static void expect(struct state state[NAMES], const struct report *r)
{
    struct state *s = &state[r->name];
    switch ((enum action)r->action) {
    case CREATE:
        *s = (struct state){true, 0, r->mode};
        break;
    case CHOWN:
        s->uid = r->uid;
        s->mode &= ~06000u;
        break;
    case CHMOD:
        s->mode = r->mode;
        break;
    case UNLINK:
        s->exists = false;
        break;
    case RENAME:
        if (r->name != r->other) {
            state[r->other] = *s;
            s->exists = false;
        }
        break;
    default:
        break;
    }
}

static unsigned pick(struct worker *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static void send(const struct worker *w, const struct report *r)
{
    if (write(w->pipe, r, sizeof *r) != sizeof *r)
        _exit(3);
}

static void work(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        struct report r = {.thread = (uint8_t)w->thread,
                           .action = (uint8_t)pick(w, ACTIONS),
                           .name = (uint8_t)pick(w, NAMES),
                           .other = (uint8_t)pick(w, NAMES),
                           .uid = 1000 + pick(w, 50),
                           .mode = pick(w, 2) ? 04755 : 0400 | pick(w, 0777)};
        if (w->state[r.name].exists == (r.action == CREATE))
            continue;
        if (r.action == CREATE && pick(w, 3) == 0)
            r.mode = 0644;
        send(w, &r);
        int err = act(&w->e->root, &r);
        if (err) {
            printf("# action %d on %d (%d): error %d\n", r.action, r.name, r.other, err);
            fflush(stdout);
            _exit(4);
        }
        expect(w->state, &r);
        r.done = true;
        send(w, &r);
    }
}

static void start(struct env *e, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct super *s;
    env_start(e);
    int err = fakefs_create(e->vfs, root, NULL, why, &s);
    if (err) {
        fprintf(stderr, "# %s\n", why);
        exit(2);
    }
    env_mount_root(e, s, "fakefs");
    e->root.umask = 0;
}

static void child(const char *root, int pipe, unsigned seed, const struct state known[][NAMES])
{
    struct env e;
    start(&e, root);
    struct worker w[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] =
            (struct worker){.e = &e, .pipe = pipe, .thread = i, .seed = seed * 7919 + (unsigned)i};
        memcpy(w[i].state, known[i], sizeof w[i].state);
    }
    pthread_t thread;
    if (thread_start_joinable(work, &w[1], "worker", &thread))
        _exit(5);
    work(&w[0]);
}

static bool matches(const struct vfs_caller *c, int thread, int name, const struct state *s)
{
    char path[32];
    struct vfs_stat st;
    path_of(path, thread, name);
    int err = env_stat(c, path, &st);
    if (!s->exists)
        return err == -LINUX_ENOENT;
    return !err && st.uid == s->uid && (st.mode & 07777) == s->mode;
}

struct round {
    struct state known[THREADS][NAMES];
    struct report begun[THREADS];
    bool pending[THREADS];
    unsigned calls;
};

static void read_reports(struct round *r, int fd)
{
    struct report rep;
    while (read(fd, &rep, sizeof rep) == sizeof rep) {
        r->begun[rep.thread] = rep;
        r->pending[rep.thread] = !rep.done;
        if (rep.done) {
            expect(r->known[rep.thread], &rep);
            r->calls++;
        }
    }
}

// Compares, and takes over what a call under way did.
static unsigned compare(struct round *r, struct env *e)
{
    unsigned wrong = 0;
    for (int t = 0; t < THREADS; t++) {
        struct state after[NAMES];
        memcpy(after, r->known[t], sizeof after);
        if (r->pending[t])
            expect(after, &r->begun[t]);
        for (int n = 0; n < NAMES; n++) {
            bool touched = r->pending[t] && (n == r->begun[t].name || n == r->begun[t].other);
            if (matches(&e->root, t, n, &r->known[t][n]))
                continue;
            if (touched && matches(&e->root, t, n, &after[n])) {
                r->known[t][n] = after[n];
                continue;
            }
            char path[32];
            struct vfs_stat st = {0};
            path_of(path, t, n);
            int err = env_stat(&e->root, path, &st);
            // A call under way may have come half way: a new file without its final mode.
            if (touched && !err) {
                r->known[t][n] = (struct state){true, st.uid, st.mode & 07777};
                continue;
            }
            printf("# %s: error %d, owner %u mode %o; expected exists %d owner %u mode %o\n", path,
                   err, st.uid, st.mode, r->known[t][n].exists, r->known[t][n].uid,
                   r->known[t][n].mode);
            wrong++;
        }
    }
    return wrong;
}

struct findings {
    const struct round *round;
    unsigned unexpected;
};

// The one thing a crash may leave for fsck: the note, for copies, of where a file is that was being
// renamed.
static void judge_finding(void *ctx, bool fixed, const char *line)
{
    (void)fixed;
    struct findings *f = ctx;
    for (int t = 0; t < THREADS; t++) {
        const struct report *r = &f->round->begun[t];
        char path[32], other[32];
        path_of(path, t, r->name);
        path_of(other, t, r->other);
        size_t n = strcspn(line, ":");
        if (f->round->pending[t] && strstr(line, "copy") &&
            (!strncmp(line, path + 1, n) || !strncmp(line, other + 1, n)))
            return;
    }
    printf("# fsck: %s\n", line);
    f->unexpected++;
}

static unsigned check_store(const struct round *r, const char *root)
{
    struct findings found = {.round = r};
    struct fsck f = {.repair = true, .report = judge_finding, .ctx = &found};
    return fsck_run(&f, root) ? 1 : found.unexpected;
}

static unsigned one_round(struct round *r, const char *root, unsigned seed)
{
    int fds[2];
    struct env e;
    ISH_ASSERT(!pipe(fds));
    fflush(stdout);
    pid_t pid = fork();
    ISH_ASSERT(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child(root, fds[1], seed, r->known);
    }
    close(fds[1]);
    struct report first;
    ISH_ASSERT(read(fds[0], &first, sizeof first) == sizeof first); // it is at work
    r->begun[first.thread] = first;
    r->pending[first.thread] = true;
    struct timespec wait = {0, (long)(rand_r(&seed) % (RUN_MS_MAX * 1000)) * 1000};
    nanosleep(&wait, NULL);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    unsigned wrong = WIFSIGNALED(status) ? 0 : 1;
    if (wrong)
        printf("# the child ended by itself, status %x\n", (unsigned)status);
    read_reports(r, fds[0]);
    close(fds[0]);
    start(&e, root);
    wrong += compare(r, &e);
    env_stop(&e);
    wrong += check_store(r, root);
    memset(r->pending, 0, sizeof r->pending);
    return wrong;
}

int main(int argc, char **argv)
{
    struct tap t = {0, 0};
    struct temp_dir dir;
    char why[FAKEFS_WHY_MAX];
    static struct round r;
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    unsigned wrong = 0,
             seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)clock_realtime_ns();
    printf("# seed %u\n", seed);
    temp_dir_make(&dir);
    const char *root = strdup(temp_path(&dir, "root"));
    ISH_ASSERT(root && !fakefs_format(root, why));
    struct env e;
    start(&e, root);
    ISH_ASSERT(!env_mkdir(&e.root, "/w0", 0755) && !env_mkdir(&e.root, "/w1", 0755));
    env_stop(&e);
    for (int i = 0; i < rounds && wrong == 0; i++)
        wrong = one_round(&r, root, seed + (unsigned)i);
    printf("# %u calls in %d rounds\n", r.calls, rounds);
    CHECK(&t, wrong == 0, "nothing that was acknowledged is lost, and the store is consistent");
    CHECK(&t, r.calls > (unsigned)rounds, "the children did something");
    if (wrong == 0)
        temp_dir_remove(&dir);
    else
        printf("# kept: %s\n", root);
    free((void *)(uintptr_t)root);
    return tap_finish(&t);
}
