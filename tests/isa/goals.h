// What the differential still has to execute, and the report that says what it never did.
#ifndef TESTS_ISA_GOALS_H
#define TESTS_ISA_GOALS_H

#include "tests/isa/generate.h"

struct goal_cursor {
    unsigned at, count;
    uint16_t *open;  // those still wanted and not given up
    uint16_t *tries; // cases made for each
};

struct goals {
    uint32_t want;        // executions of each row, gadget and variant
    bool *only;           // by variant: those wanted, and nothing else; NULL: everything is
    uint64_t *impossible; // by row: what no word of it has, as possible_bit() counts
    struct goal_cursor row, plain, reload, variant, mode;
};

// `variants`: numbers, with commas between them, of the variants that alone are wanted; or NULL.
void goals_init(struct goals *go, uint32_t want, const char *variants);
void goals_free(struct goals *go);
// Makes a case for something not executed often enough; false (and any case) when nothing is left.
// `*steps`: it counts only in steps.
bool goals_next(struct goals *go, struct generator *g, const struct coverage *v,
                struct test_case *t, bool *steps);
// Prints TAP lines, from `number` on, and what was missed; returns how many failed.
int goals_report(const struct goals *go, const struct generator *g, const struct coverage *v,
                 int number);

#endif
