// One machine: made, and taken apart when everything in it has ended.
#include "kernel/kernel.h"
#include "kernel/async.h"
#include "kernel/boot.h"
#include "kernel/clock_read.h"
#include "kernel/file_maps.h"
#include "kernel/futex.h"
#include "kernel/lease.h"
#include "kernel/net/unix.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/task_internal.h"
#include "kernel/task_pool.h"
#include "kernel/timer.h"
#include "kernel/tty/tty.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include "platform/host_fault.h"
#include "platform/poller.h"
#include "platform/random.h"
#include "platform/thread.h"
#include <stdio.h>
#include <stdlib.h>

enum { CPU_MAX = 64 }; // what an affinity mask of one word holds

// The generic timer ticks in nanoseconds, the frequency Armv8.6 fixes.
static const uint64_t COUNTER_HZ = 1000000000;

static uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v;
}

static void make_clocks(struct kernel *k)
{
    k->boot_ns = clock_monotonic_ns();
    k->cpu_host = (struct cpu_host){
        .counter = clock_monotonic_ns,
        .counter_hz = COUNTER_HZ,
        .clock_ns = clock_for_vdso,
        .random = random_u64,
    };
}

static int make_parts(struct kernel *k, const struct kernel_config *config)
{
    int err = host_fault_acquire();
    k->has_fault_hook = !err;
    if (!err)
        err = frame_pool_create(config->memory_limit, &k->frames);
    if (!err)
        err = run_tokens_create(k->cpu_count, &k->run_tokens);
    if (!err)
        err = vfs_create(k->frames, &k->vfs);
    if (!err)
        err = file_maps_create(k);
    if (!err)
        err = pid_table_create(&k->pids);
    if (!err)
        err = futex_table_create(&k->futexes);
    if (!err)
        err = timer_wheel_create(&k->timers);
    if (!err)
        err = poller_create(&k->poller);
    if (!err)
        err = async_create(k);
    if (!err)
        err = leases_create(k);
    if (!err)
        err = task_pool_create(&k->task_pool);
    if (!err)
        err = ns_create(k, config->nodename ? config->nodename : "ish");
    if (!err && !(k->root_cred = cred_create_root()))
        err = -LINUX_ENOMEM;
    return err;
}

int kernel_create(const struct kernel_config *config, struct kernel **out)
{
    struct kernel *k = calloc(1, sizeof *k);
    if (!k)
        return -LINUX_ENOMEM;
    k->log = config->log;
    k->cpu_count = config->cpu_count ? config->cpu_count : thread_cpu_count();
    if (k->cpu_count > CPU_MAX)
        k->cpu_count = CPU_MAX;
    lock_init(&k->tasklist, LOCK_RANK_TASKLIST);
    cond_init(&k->task_gone);
    make_clocks(k);
    int err = make_parts(k, config);
    if (err)
        kernel_destroy(k);
    else
        *out = k;
    return err;
}

static void end_tasks(struct kernel *k)
{
    lock_acquire(&k->tasklist);
    k->shutting_down = true;
    task_kill_all(k, NULL);
    while (k->task_count > 0)
        cond_wait(&k->task_gone, &k->tasklist, COND_FOREVER);
    lock_release(&k->tasklist);
}

void kernel_destroy(struct kernel *k)
{
    if (k->task_pool) {
        end_tasks(k);
        task_pool_destroy(k->task_pool);
    }
    if (k->net)
        unix_collect(k, true);
    if (k->ttys)
        tty_boot_done(k);
    async_destroy(k);
    if (k->anon)
        boot_files_done(k);
    ns_destroy(k);
    if (k->vfs)
        vfs_destroy(k->vfs);
    leases_destroy(k);
    file_maps_destroy(k);
    if (k->poller)
        poller_destroy(k->poller);
    timer_wheel_destroy(k->timers);
    futex_table_destroy(k->futexes);
    pid_ns_forget_all(k);
    pid_table_destroy(k->pids);
    if (k->run_tokens)
        run_tokens_destroy(k->run_tokens);
    if (k->frames)
        frame_pool_destroy(k->frames);
    if (k->has_fault_hook)
        host_fault_release();
    cred_put(k->root_cred);
    cond_destroy(&k->task_gone);
    lock_destroy(&k->tasklist);
    free(k);
}
