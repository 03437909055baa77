// Compares a run with the oracle's, knowing where the oracle differs from the architecture and
// Linux.
#ifndef TESTS_ISA_JUDGE_H
#define TESTS_ISA_JUDGE_H

#include "tests/isa/case.h"
#include <stdbool.h>

enum verdict {
    VERDICT_SAME,
    VERDICT_OWN, // the architecture leaves it open: only our own promise binds (a trap changes
                 // nothing)
    VERDICT_DIFFERENT,
};

// `cases`: of the batch, by slot; a run may have been led into another's code.
enum verdict judge(const struct isa_case *cases, size_t count, size_t slot,
                   const struct isa_result *ours, const struct isa_result *theirs);

// Every exit clears the monitor, so that exclusives fail in steps.
bool judge_has_exclusives(const struct isa_case *c);

// Index of the word of case `slot` at which a run stopped, or -1: elsewhere.
int judge_index(const struct isa_result *r, size_t slot);

#endif
