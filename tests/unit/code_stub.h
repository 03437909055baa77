// A code space without a translator, for tests of the layers that only create, share and drop code.
// Remembers which frames "have code" through code_stub_translate().
#ifndef TESTS_UNIT_CODE_STUB_H
#define TESTS_UNIT_CODE_STUB_H

#include "emu/cpu.h"
#include "platform/frame.h"

// What a translator does on the first execution of a page.
void code_stub_translate(struct cpu *cpu, struct frame *frame);
// How often the CPU's lookup structures were flushed.
unsigned code_stub_flushes(const struct cpu *cpu);

#endif
