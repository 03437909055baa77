// rseq(2) and membarrier(2) (linux/rseq.h, linux/membarrier.h). Layer 0.
#ifndef PLATFORM_ABI_RSEQ_H
#define PLATFORM_ABI_RSEQ_H

#include <stdint.h>

enum {
    LINUX_RSEQ_FLAG_UNREGISTER = 1,
    LINUX_RSEQ_CPU_ID_UNINITIALIZED = -1,
    LINUX_RSEQ_ALIGN = 32,
};

struct linux_rseq {
    uint32_t cpu_id_start, cpu_id;
    uint64_t rseq_cs; // address of a struct linux_rseq_cs, or 0
    uint32_t flags;
    uint32_t padding[3];
};
_Static_assert(sizeof(struct linux_rseq) == 32, "struct rseq");

struct linux_rseq_cs {
    uint32_t version, flags;
    uint64_t start_ip, post_commit_offset, abort_ip;
};
_Static_assert(sizeof(struct linux_rseq_cs) == 32, "struct rseq_cs");

enum {
    LINUX_MEMBARRIER_CMD_QUERY = 0,
    LINUX_MEMBARRIER_CMD_GLOBAL = 1 << 0,
    LINUX_MEMBARRIER_CMD_GLOBAL_EXPEDITED = 1 << 1,
    LINUX_MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 1 << 2,
    LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED = 1 << 3,
    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 1 << 4,
    LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 5,
    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 6,
    LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ = 1 << 7,
    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 1 << 8,
    LINUX_MEMBARRIER_CMD_ALL = (1 << 9) - 1,

    LINUX_MEMBARRIER_CMD_FLAG_CPU = 1,
};

#endif
