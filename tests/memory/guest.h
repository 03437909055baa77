// What the scenarios of a host without memory share. A scenario exercises kernel objects; each call
// goes through one of the macros below, which judge how it was refused, and make it again: when one
// request alone was refused, the second must succeed.
#ifndef TESTS_MEMORY_GUEST_H
#define TESTS_MEMORY_GUEST_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

struct scenario {
    const char *name;
    void (*run)(void);
};
extern const struct scenario file_scenarios[], object_scenarios[], task_scenarios[];

// How a scenario's process ends when it cannot go on.
enum { ENDS_REFUSED = 3, ENDS_WRONG = 2 };

// A result below 0 of `what`: the first or the second time. Ends the process when that was wrong,
// or when nothing more can be had.
void judge(const char *what, int error, int again, int other);
// Ends the process as wrong.
_Noreturn void wrong(const char *what, long value);
// Waits for a child that runs a part of the scenario.
void wait_part(pid_t child);
// For a program that is being replaced: when it is too late to refuse, Linux ends it by SIGSEGV;
// and the new one's library ends it with 127 when it cannot begin.
void wait_program(pid_t child);
// True while more than one request may be refused.
int may_stay_refused(void);

#define DO_OR(other, call)                                                                         \
    ({                                                                                             \
        long got_ = (long)(call);                                                                  \
        for (int again_ = 0; got_ < 0 && again_ < 2; again_++) {                                   \
            judge(#call, errno, again_, other);                                                    \
            got_ = (long)(call);                                                                   \
        }                                                                                          \
        got_;                                                                                      \
    })
// ENOMEM is the only error there may be; or `other`.
#define DO(call) DO_OR(ENOMEM, call)
// Never refused.
#define MUST(call)                                                                                 \
    ({                                                                                             \
        long must_ = (long)(call);                                                                 \
        if (must_ < 0)                                                                             \
            wrong(#call, errno);                                                                   \
        must_;                                                                                     \
    })
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            wrong(#condition, 0);                                                                  \
    } while (0)

#endif
