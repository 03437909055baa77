// The whole test harness: TAP on stdout, the exit status says whether all passed.
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <stdbool.h>
#include <stdio.h>

struct tap {
    int run, failed;
};

// `what` states the promise the check keeps.
static inline bool tap_check(struct tap *t, bool good, const char *what, const char *file, int line)
{
    t->run++;
    printf("%s %d - %s\n", good ? "ok" : "not ok", t->run, what);
    if (!good) {
        t->failed++;
        printf("# failed at %s:%d\n", file, line);
    }
    fflush(stdout);
    return good;
}
#define CHECK(t, cond, what) tap_check((t), (cond), (what), __FILE__, __LINE__)

// Prints the plan; returns main's exit status.
static inline int tap_finish(const struct tap *t)
{
    printf("1..%d\n", t->run);
    return t->failed ? 1 : 0;
}

#endif
