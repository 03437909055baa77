// System calls with each of their allocations refused in turn, in an ish made for that
// (refuse_memory.c): a call must fail with ENOMEM and leave nothing behind, or do without; and once
// nothing is refused it must work.
#ifndef TESTS_GUEST_NO_MEMORY_H
#define TESTS_GUEST_NO_MEMORY_H

#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Asks for the nth allocation of the caller's next call to be refused; whether one was last time.
enum { REFUSE_MEMORY = 5000 };

struct tries {
    unsigned n;    // which allocation is refused
    int also;      // an error that is right besides ENOMEM
    int wrong;     // another one
    int last;      // what came when nothing was refused
    int lowest_fd; // free
    bool done;
};

static inline int lowest_fd(void)
{
    int fd = fcntl(0, F_DUPFD, 0);
    close(fd);
    return fd;
}

static inline bool tries_next(struct tries *t)
{
    enum { ENOUGH = 1000 };
    if (t->done || t->n == ENOUGH)
        return false;
    t->n++;
    return true;
}

static inline void tries_judge(struct tries *t, long result)
{
    int err = result < 0 ? errno : 0;
    if (!syscall(REFUSE_MEMORY, 0)) {
        t->done = true;
        t->last = err;
    } else if (err && err != ENOMEM && err != t->also) {
        t->wrong = err;
    }
}

static inline void tries_end(struct tap *tap, struct tries *t, const char *name)
{
    bool kept = lowest_fd() != t->lowest_fd;
    if (!CHECK(tap, t->done && !t->last && !t->wrong && !kept, name))
        printf("# %u tries, at last %s, wrongly %s%s\n", t->n, strerror(t->last),
               strerror(t->wrong), kept ? ", a descriptor is left" : "");
}

// `call` must make its system call first of all; `before` prepares each try and `undo` is for when
// it worked, with its result in `got`. `error` is right besides ENOMEM.
#define REFUSED(name, call, undo)               REFUSED_WITH(ENOMEM, name, , call, undo)
#define REFUSED_OR(error, name, call, undo)     REFUSED_WITH(error, name, , call, undo)
#define REFUSED_AFTER(name, before, call, undo) REFUSED_WITH(ENOMEM, name, before, call, undo)
#define REFUSED_WITH(error, name, before, call, undo)                                              \
    do {                                                                                           \
        struct tries t_ = {.also = (error), .lowest_fd = lowest_fd()};                             \
        while (tries_next(&t_)) {                                                                  \
            before;                                                                                \
            syscall(REFUSE_MEMORY, t_.n);                                                          \
            long got = (long)(call);                                                               \
            tries_judge(&t_, got);                                                                 \
            if (got >= 0) {                                                                        \
                undo;                                                                              \
            }                                                                                      \
        }                                                                                          \
        tries_end(&tap, &t_, name);                                                                \
    } while (0)

// What ends as a process: which try it was decides.
enum { TRY_DONE = 0, TRY_AGAIN = 40, TRY_WRONG = 41, TRY_FAILED = 42 };
static inline int try_end(long result, int also)
{
    int err = result < 0 ? errno : 0;
    if (!syscall(REFUSE_MEMORY, 0))
        return err ? TRY_FAILED : TRY_DONE;
    return !err || err == ENOMEM || err == also ? TRY_AGAIN : TRY_WRONG;
}

// An execve that can no longer go back ends its process.
static inline bool execve_gave_up(int status)
{
    return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV;
}

// The same in a child of its own for each try, which `before` prepares.
#define REFUSED_IN_CHILD(name, before, call) REFUSED_IN_CHILD_OR(ENOMEM, name, before, call)
#define REFUSED_IN_CHILD_OR(error, name, before, call)                                             \
    do {                                                                                           \
        int status_ = TRY_AGAIN << 8;                                                              \
        unsigned n_ = 0;                                                                           \
        while (n_ < 1000 && (WIFSIGNALED(status_) ? execve_gave_up(status_)                        \
                                                  : WEXITSTATUS(status_) == TRY_AGAIN)) {          \
            n_++;                                                                                  \
            fflush(stdout);                                                                        \
            pid_t child_ = fork();                                                                 \
            if (child_ == 0) {                                                                     \
                before;                                                                            \
                syscall(REFUSE_MEMORY, n_);                                                        \
                _exit(try_end((long)(call), error));                                               \
            }                                                                                      \
            waitpid(child_, &status_, 0);                                                          \
        }                                                                                          \
        if (!CHECK(&tap, status_ == TRY_DONE, name))                                               \
            printf("# %u tries, status %#x\n", n_, (unsigned)status_);                             \
    } while (0)

#endif
