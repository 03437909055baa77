// Between the files that write cores. Layer 4.
#ifndef KERNEL_CORE_INTERNAL_H
#define KERNEL_CORE_INTERNAL_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct siginfo;
struct task;

// One mapping, as it is to be written.
struct core_segment {
    uint64_t start, end;
    uint64_t size; // bytes of it in the file
    uint64_t offset_pages;
    unsigned prot;
    bool sparse; // only pages that are there: the others are zero
    char *name;  // of its file; owned; NULL: none
};

// Bytes under construction.
struct core_buffer {
    uint8_t *bytes;
    size_t len, room;
    bool failed; // out of memory
};
void core_append(struct core_buffer *b, const void *bytes, size_t n);

// The notes of a process all of whose other threads wait. No lock is held.
void core_notes(struct task *task, const struct siginfo *info, const struct core_segment *segments,
                size_t count, struct core_buffer *out);

#endif
