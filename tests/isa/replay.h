// Reproducers: one case, the registers it begins with, and what must come of it. A text file of
//
//   word HEX                   the instructions
//   in REGISTER HEX [HEX]      what is not zero at the start (v: high and low half)
//   out REGISTER HEX [HEX]     what then differs from the start; pc counts from the first word
//   signal NUMBER CODE ADDRESS
//   memory HEX                 hash of the window, if it is compared
#ifndef TESTS_ISA_REPLAY_H
#define TESTS_ISA_REPLAY_H

#include "tests/isa/machine.h"
#include "tests/isa/oracle.h"

struct replay {
    struct isa_case c;
    struct isa_state first;
    struct isa_result expect;
};

void replay_make(struct replay *r, const struct isa_case *c, const struct isa_state *first,
                 const struct isa_result *expect);
// Prints a mismatch.
void replay_show(const struct isa_case *c, size_t slot, const struct isa_state *first,
                 const struct isa_result *ours, const struct isa_result *theirs);
// Takes away words and registers as long as ours and the oracle's differ, and writes what is left.
void replay_save(struct replay *r, struct machine *m, struct oracle *o, const char *path);
// Runs saved cases (files, or folders of *.case) without an oracle; TAP; returns the exit status.
// `paths` ends with NULL.
int replay_files(char **paths);

#endif
