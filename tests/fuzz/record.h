// What the fuzzer was doing, in a file of the guest's root that both sides map: when ish itself
// goes down, tests/fuzz/run.py reads it from outside. run.py knows this layout.
#ifndef TESTS_FUZZ_RECORD_H
#define TESTS_FUZZ_RECORD_H

#include <stdint.h>

enum {
    FUZZ_SLOTS = 64, // one for each thread of a round, and of its children
    FUZZ_HISTORY = 4,
    FUZZ_NUMBERS = 512,
};

struct fuzz_call {
    uint32_t number, inside; // inside: it has not returned
    uint64_t args[6];
    int64_t result;
};

struct fuzz_slot {
    uint32_t pid, tid;
    uint64_t calls;
    struct fuzz_call history[FUZZ_HISTORY]; // call n is history[n % FUZZ_HISTORY]
};

struct fuzz_record {
    uint64_t seed, round;
    uint32_t slots, unused;
    uint32_t called[FUZZ_NUMBERS], succeeded[FUZZ_NUMBERS];
    struct fuzz_slot slot[FUZZ_SLOTS];
};

#endif
