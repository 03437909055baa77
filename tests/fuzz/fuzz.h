// Random system calls: what the parts of tests/fuzz/calls.c share.
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "tests/fuzz/record.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, KICK = 44 };

// --- The table -----------------------------------------------------------------------------------

enum fuzz_kind { // the types of kernel/syscalls.tbl
    FUZZ_INT,
    FUZZ_FD,
    FUZZ_DIRFD,
    FUZZ_PID,
    FUZZ_SIG,
    FUZZ_CLOCK,
    FUZZ_UINT,
    FUZZ_UID,
    FUZZ_GID,
    FUZZ_MODE,
    FUZZ_FUTEX_OP,
    FUZZ_LONG,
    FUZZ_OFF,
    FUZZ_ULONG,
    FUZZ_SIZE,
    FUZZ_PATH,
    FUZZ_STR,
    FUZZ_PTR,
    FUZZ_SET, // one or several of known values
    FUZZ_BUF,
    FUZZ_STRUCT,
};

struct fuzz_set {
    unsigned count;
    const uint64_t *values;
};

struct fuzz_arg {
    const char *name;
    enum fuzz_kind kind;
    int structure; // enum fuzz_struct
    int length;    // the argument that counts its elements, or -1
    const struct fuzz_set *set;
    bool single; // of a set: one value, not several
};

struct fuzz_row {
    const char *name;
    int number, argc;
    bool implemented;
    const struct fuzz_arg *args;
};

// --- A thread ------------------------------------------------------------------------------------

enum { DATA_PAGES = 12, RECENT = 32 };

struct fuzz_thread {
    uint64_t random;
    struct fuzz_slot *slot;
    // Where structs and strings for the next call are made: DATA_PAGES writable pages, one that may
    // only be read, a writable one, one without any right. No call that changes mappings is aimed
    // here; those get `victim`, DATA_PAGES pages.
    uint8_t *data, *victim;
    size_t used;
    // Results of earlier calls: descriptors, identifiers, addresses.
    int64_t recent[RECENT];
    unsigned recent_at, depth;
    int tids[8]; // of the process's threads and children
    uint16_t ports[2];
    bool inet;
};

uint64_t fuzz_random(struct fuzz_thread *t);
// Below n, which is not 0.
uint64_t fuzz_below(struct fuzz_thread *t, uint64_t n);
// True in one of n cases.
bool fuzz_one_in(struct fuzz_thread *t, unsigned n);
uint64_t fuzz_number(struct fuzz_thread *t);
// Fresh bytes in t->data.
void *fuzz_bytes(struct fuzz_thread *t, size_t n);
// An address a call must cope with.
uint64_t fuzz_pointer(struct fuzz_thread *t);
uint64_t fuzz_value(struct fuzz_thread *t, enum fuzz_kind kind);
uint64_t fuzz_argument(struct fuzz_thread *t, const struct fuzz_row *row, unsigned index);
// `count` structs of the kind with contents that make sense, most of the time.
uint64_t fuzz_struct(struct fuzz_thread *t, int structure, unsigned count);

extern const struct fuzz_row *const fuzz_table;
extern const unsigned fuzz_table_size;
extern const int fuzz_sockaddr; // enum fuzz_struct: the one struct whose length counts bytes

#endif
