#include "kernel/pid.h"
#include "platform/abi/linux_errno.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

// Slots come in chunks, so that a small guest has a small table.
enum { CHUNK_SIZE = 512, CHUNK_COUNT = PID_MAX / CHUNK_SIZE };

// After a wrap, numbers below this one are left to what was started at boot.
enum { FIRST_AFTER_WRAP = 300 };

struct pid_table {
    struct pid_slot *chunk[CHUNK_COUNT];
    int32_t last;
};

int pid_table_create(struct pid_table **out)
{
    struct pid_table *table = calloc(1, sizeof *table);
    *out = table;
    return table ? 0 : -LINUX_ENOMEM;
}

void pid_table_destroy(struct pid_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        free(table->chunk[i]);
    free(table);
}

struct pid_slot *pid_slot(struct pid_table *table, int32_t pid)
{
    if (pid <= 0 || pid >= PID_MAX)
        return NULL;
    struct pid_slot *chunk = table->chunk[pid / CHUNK_SIZE];
    return chunk ? &chunk[pid % CHUNK_SIZE] : NULL;
}

static bool slot_free(const struct pid_slot *slot)
{
    return !slot || (!slot->task && !slot->process && !slot->pgrp && !slot->session);
}

bool pid_in_use(struct pid_table *table, int32_t pid)
{
    return !slot_free(pid_slot(table, pid));
}

int32_t pid_allocate_exact(struct pid_table *table, int32_t pid)
{
    if (pid <= 0 || pid >= PID_MAX)
        return -LINUX_EINVAL;
    if (!slot_free(pid_slot(table, pid)))
        return -LINUX_EEXIST;
    struct pid_slot **chunk = &table->chunk[pid / CHUNK_SIZE];
    if (!*chunk)
        *chunk = calloc(CHUNK_SIZE, sizeof **chunk);
    return *chunk ? pid : -LINUX_ENOMEM;
}

int32_t pid_allocate(struct pid_table *table)
{
    int32_t pid = table->last;
    for (int32_t tried = 0; tried < PID_MAX; tried++) {
        if (++pid >= PID_MAX)
            pid = FIRST_AFTER_WRAP;
        int32_t got = pid_allocate_exact(table, pid);
        if (got == -LINUX_EEXIST)
            continue;
        if (got > 0)
            table->last = got;
        return got;
    }
    return -LINUX_EAGAIN;
}

int32_t pid_next_task(struct pid_table *table, int32_t from)
{
    for (int32_t pid = from < 1 ? 1 : from; pid < PID_MAX; pid++) {
        struct pid_slot *slot = pid_slot(table, pid);
        if (!slot)
            pid |= CHUNK_SIZE - 1; // on to the next chunk
        else if (slot->task)
            return pid;
    }
    return 0;
}

int32_t pid_last(const struct pid_table *table)
{
    return table->last;
}
