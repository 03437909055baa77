// A case with what its first states depend on, and the pools its operands come from.
#ifndef TESTS_ISA_VALUES_H
#define TESTS_ISA_VALUES_H

#include "tests/isa/case.h"
#include <stdbool.h>

enum { VALUES = 4096 };

// Operands to choose from: zeros, extremes and powers of two, special numbers of every
// floating-point format, random bits.
struct values {
    uint64_t random;
    uint64_t integer[VALUES], half[VALUES]; // half: of a vector register
};

struct test_case {
    struct isa_case c;
    uint32_t fpcr;
    uint32_t slot;
    // Registers that begin as addresses in the data window (of these: multiples of 16), as small
    // numbers, or as the address of the padding behind the case.
    uint32_t base, aligned, index, code;
    bool calm; // addresses are where nothing faults
};

void values_init(struct values *v, uint64_t seed);
void values_renew(struct values *v);
// The registers of one run, as the case's register sets ask for.
void values_first_state(struct values *v, const struct test_case *t, struct isa_state *st);

#endif
