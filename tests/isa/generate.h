// Random instruction sequences from the rows of a64.tbl, shaped so that they mostly do something:
// base registers point into the data window, sources often are what was written last, flags are
// consumed where they are made, branches go forward inside the case.
#ifndef TESTS_ISA_GENERATE_H
#define TESTS_ISA_GENERATE_H

#include "emu/a64.h"
#include "tests/isa/case.h"

struct generator {
    uint64_t random;
    enum a64_row *rows; // eligible
    size_t row_count;
    size_t section_first[16], section_count[16]; // runs of `rows`, by table file
    size_t sections;
};

// Rows whose effect no second machine can repeat (system calls, clocks, identity), with the reason.
struct exclusion {
    const char *row, *reason;
};
extern const struct exclusion isa_exclusions[];

// `only`: a row or section name to generate alone, or NULL. False when nothing matches.
bool generator_init(struct generator *g, uint64_t seed, const char *only);
void generator_free(struct generator *g);
void generate_case(struct generator *g, struct isa_case *out);

#endif
