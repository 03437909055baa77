// Random instruction sequences from the rows of a64.tbl, shaped so that they mostly do something:
// base registers point into the data window, sources often are what was written last, flags are
// consumed where they are made, branches go forward inside the case or back to a BRK before it.
#ifndef TESTS_ISA_GENERATE_H
#define TESTS_ISA_GENERATE_H

#include "tests/isa/values.h"
#include "tests/isa/words.h"

struct generator {
    uint64_t random;
    enum a64_row *rows; // eligible
    bool *eligible;     // by row
    size_t row_count;
    size_t section_first[32], section_count[32]; // runs of `rows`, by table file
    size_t sections;
    struct words words;
    bool modes; // FPCR is never left as it is
};

// Which rows a generator takes.
struct generator_choice {
    const char *only; // names of rows and sections, with commas between them, or NULL
    // Those that a Neoverse N1 does not have, and plain data processing to go with them, for an
    // oracle that has more (qemu's `max`); else those it has.
    bool later;
    bool modes; // those that depend on FPCR, in all its modes
};

// Rows whose effect no second machine can repeat (system calls, clocks, identity), with the reason.
struct exclusion {
    const char *row, *reason;
};
extern const struct exclusion isa_exclusions[];

// False when nothing matches.
bool generator_init(struct generator *g, uint64_t seed, const struct generator_choice *choice);
void generator_free(struct generator *g);

// Each fills a case whose slot is set.
void generate_block(struct generator *g, struct test_case *t);
// One instruction of the row.
bool generate_row(struct generator *g, struct test_case *t, enum a64_row row);
// One of each gadget, as far as they go together (`pins`: writing registers that are pins).
void generate_gadgets(struct generator *g, struct test_case *t, const unsigned *gadgets, unsigned n,
                      bool pins);
// A sequence that is that variant, if the translator agrees; mostly with `more` behind it.
bool generate_variant(struct generator *g, struct test_case *t, unsigned variant, bool more);
// A word that is no instruction.
void generate_reserved(struct generator *g, struct test_case *t);

#endif
