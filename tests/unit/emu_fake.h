// A guest address space small enough for unit tests of emu/: the functions emu/mem.h promises, over
// an array of pages. One address space a process; not for concurrent changes of mappings.
#ifndef TESTS_UNIT_EMU_FAKE_H
#define TESTS_UNIT_EMU_FAKE_H

#include "emu/cpu.h"
#include "emu/mem.h"
#include <stddef.h>
#include <stdint.h>

struct fake; // the address space

struct fake *fake_create(void);
void fake_destroy(struct fake *f);
// A CPU attached to it, with its registers zero.
struct cpu *fake_cpu(struct fake *f);
void fake_cpu_destroy(struct cpu *cpu);

// Maps a zeroed page; `rights` of enum mem_access. Pages that already exist get the new rights.
#define FAKE_NO_RIGHTS 8 // mapped, but nothing may be done to it
void fake_map(struct fake *f, uint64_t addr, int rights);
// A second mapping of the page at `of`.
void fake_alias(struct fake *f, uint64_t addr, uint64_t of, int rights);
void fake_unmap(struct fake *f, uint64_t addr);
// Host address of a mapped guest byte.
void *fake_host(struct fake *f, uint64_t addr);
// Writes instruction words.
void fake_code(struct fake *f, uint64_t addr, const uint32_t *words, size_t n);
// What IC IVAU does, from outside: the translations of the page's code are dropped.
void fake_code_changed(struct fake *f, uint64_t addr);
// How often mem_fill() was called.
unsigned fake_fills(const struct fake *f);

// Runs until the next trap.
struct trap fake_run(struct cpu *cpu, enum cpu_mode mode);

#endif
