// futex(2) numbers and the robust list (linux/futex.h). Layer 0.
#ifndef PLATFORM_ABI_FUTEX_H
#define PLATFORM_ABI_FUTEX_H

#include <stdint.h>

enum {
    LINUX_FUTEX_WAIT = 0,
    LINUX_FUTEX_WAKE = 1,
    LINUX_FUTEX_FD = 2,
    LINUX_FUTEX_REQUEUE = 3,
    LINUX_FUTEX_CMP_REQUEUE = 4,
    LINUX_FUTEX_WAKE_OP = 5,
    LINUX_FUTEX_LOCK_PI = 6,
    LINUX_FUTEX_UNLOCK_PI = 7,
    LINUX_FUTEX_TRYLOCK_PI = 8,
    LINUX_FUTEX_WAIT_BITSET = 9,
    LINUX_FUTEX_WAKE_BITSET = 10,
    LINUX_FUTEX_WAIT_REQUEUE_PI = 11,
    LINUX_FUTEX_CMP_REQUEUE_PI = 12,
    LINUX_FUTEX_LOCK_PI2 = 13,
    LINUX_FUTEX_PRIVATE_FLAG = 128,
    LINUX_FUTEX_CLOCK_REALTIME = 256,
    LINUX_FUTEX_CMD_MASK = ~(128 | 256),
};
#define LINUX_FUTEX_BITSET_MATCH_ANY 0xffffffffu

// Words of PI and robust futexes.
#define LINUX_FUTEX_WAITERS    0x80000000u
#define LINUX_FUTEX_OWNER_DIED 0x40000000u
#define LINUX_FUTEX_TID_MASK   0x3fffffffu

// FUTEX_WAKE_OP: what is done to the second word, and how its old value is compared.
enum {
    LINUX_FUTEX_OP_SET = 0,
    LINUX_FUTEX_OP_ADD = 1,
    LINUX_FUTEX_OP_OR = 2,
    LINUX_FUTEX_OP_ANDN = 3,
    LINUX_FUTEX_OP_XOR = 4,
    LINUX_FUTEX_OP_OPARG_SHIFT = 8,
    LINUX_FUTEX_OP_CMP_EQ = 0,
    LINUX_FUTEX_OP_CMP_NE = 1,
    LINUX_FUTEX_OP_CMP_LT = 2,
    LINUX_FUTEX_OP_CMP_LE = 3,
    LINUX_FUTEX_OP_CMP_GT = 4,
    LINUX_FUTEX_OP_CMP_GE = 5,
};

struct linux_robust_list_head {
    uint64_t next;        // the first entry, bit 0: PI
    int64_t futex_offset; // from an entry to its futex word
    uint64_t list_op_pending;
};
enum { LINUX_ROBUST_LIST_LIMIT = 2048 };

struct linux_futex_waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
_Static_assert(sizeof(struct linux_futex_waitv) == 24, "struct futex_waitv");
enum {
    LINUX_FUTEX_32 = 2,
    LINUX_FUTEX_WAITV_MAX = 128,
};

#endif
