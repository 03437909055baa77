// Counts what the runs of the differential executed: rows, gadgets, and the variants of
// emu/variants.tbl, as the translator chose them.
#ifndef TESTS_ISA_COVERAGE_H
#define TESTS_ISA_COVERAGE_H

#include "emu/a64.h"
#include "emu/dispatch.h"
#include "emu/variants.h"
#include "tests/isa/case.h"

enum { REG_FIELDS = 8 };

// Row, gadget or variant, by number.
struct coverage_count {
    uint32_t done;   // executions that completed, each with operands of its own
    uint32_t faults; // that ended at it in SIGSEGV or SIGBUS
};

struct coverage_row {
    struct coverage_count n;
    uint32_t alone;   // done, in a case of their own
    uint8_t seen31;   // register fields that held 31, by their order
    uint64_t aliased; // pairs of register fields that were equal, first * REG_FIELDS + second
    uint64_t modes;   // of FPCR, a bit for each
    uint8_t faults;   // kinds: 1 unmapped, 2 no right, 4 alignment, 8 the second page
};

struct coverage {
    struct coverage_row row[A64_ROW_COUNT];
    struct coverage_count plain[GADGET_COUNT], reload[GADGET_COUNT];
    struct coverage_count *variant;          // by index of dispatch_variants()
    uint32_t (*variant_faults)[VARIANT_MAX]; // that ended at each of its instructions in one
    struct gadget_name *names;               // from address to number
    size_t name_count;
    unsigned mode; // of the case being noted
    uint64_t instructions;
};

void coverage_init(struct coverage *v);
void coverage_free(struct coverage *v);
// What the runs of one case, which all agreed with the oracle, executed.
void coverage_note(struct coverage *v, const struct isa_case *c, size_t slot, uint32_t fpcr,
                   const struct isa_result *results);
// The same for a run in steps, which uses the stand-alone gadgets.
void coverage_note_steps(struct coverage *v, const struct isa_case *c, size_t slot,
                         const struct isa_result *r);
// The register fields of a row: rd, rn ...; returns how many.
unsigned coverage_register_fields(enum a64_row row, struct a64_field out[REG_FIELDS]);
// Whether the translator gives the first instruction of a case (behind the words for backward
// branches) that variant.
bool coverage_has_variant(const struct coverage *v, const struct isa_case *c, size_t slot,
                          unsigned variant);

#endif
