// ish's CPU as the differential drives it: code and window in a fake address space.
#ifndef TESTS_ISA_MACHINE_H
#define TESTS_ISA_MACHINE_H

#include "emu/cpu.h"
#include "tests/isa/case.h"

struct machine {
    struct fake *space;
    struct cpu *cpu;
    char *window[ISA_WINDOW_PAGES]; // host addresses of its pages
    char *first;                    // what the window holds before each run
};

void machine_create(struct machine *m);
void machine_destroy(struct machine *m);
// The code of a batch.
void machine_load(struct machine *m, const struct isa_case *cases, size_t count);

enum machine_mode {
    MACHINE_RUN,
    MACHINE_STEP, // one instruction at a time; a trap must have changed nothing
};
// Runs one case to its end. False: a trap changed registers or memory.
NODISCARD bool machine_run(struct machine *m, const struct isa_case *c,
                           const struct isa_state *first, enum machine_mode mode,
                           struct isa_result *r);

#endif
