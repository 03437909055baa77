// Files of /proc about the machine as a whole.
#include "emu/features.h"
#include "kernel/pid.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "kernel/version.h"
#include "platform/abi/time.h"
#include "platform/clock.h"
#include <stdio.h>
#include <string.h>

// --- Processors ----------------------------------------------------------------------------------

// Names of AT_HWCAP bits as Linux prints them, by bit.
static const char *const hwcap_names[] = {
    "fp",      "asimd", "evtstrm", "aes",   "pmull",    "sha1",   "sha2", "crc32",
    "atomics", "fphp",  "asimdhp", "cpuid", "asimdrdm", "jscvt",  "fcma", "lrcpc",
    "dcpop",   "sha3",  "sm3",     "sm4",   "asimddp",  "sha512", "sve",  "asimdfhm",
    "dit",     "uscat", "ilrcpc",  "flagm", "ssbs",     "sb",     "paca", "pacg",
};
// And of AT_HWCAP2.
static const char *const hwcap2_names[] = {
    "dcpodp",  "sve2",   "sveaes", "svepmull", "svebitperm", "svesha3",
    "svesm4",  "flagm2", "frint",  "svei8mm",  "svef32mm",   "svef64mm",
    "svebf16", "i8mm",   "bf16",   "dgh",      "rng",
};
enum { HWCAP_EVTSTRM = 1 << 2, HWCAP_CPUID = 1 << 11 };

int proc_show_cpuinfo(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t hwcap = cpu_feature_hwcap | HWCAP_EVTSTRM | HWCAP_CPUID;
    for (unsigned cpu = 0; cpu < node->kernel->cpu_count; cpu++) {
        // BogoMIPS is twice the counter's frequency in MHz, as on Linux.
        uint64_t hz2 = 2 * node->kernel->cpu_host.counter_hz;
        proc_printf(t, "processor\t: %u\nBogoMIPS\t: %llu.%02llu\nFeatures\t:", cpu,
                    (unsigned long long)(hz2 / 1000000), (unsigned long long)(hz2 / 10000 % 100));
        for (size_t bit = 0; bit < ARRAY_LEN(hwcap_names); bit++)
            if (hwcap >> bit & 1)
                proc_printf(t, " %s", hwcap_names[bit]);
        for (size_t bit = 0; bit < ARRAY_LEN(hwcap2_names); bit++)
            if (cpu_feature_hwcap2 >> bit & 1)
                proc_printf(t, " %s", hwcap2_names[bit]);
        proc_printf(t,
                    "\nCPU implementer\t: 0x%02x\nCPU architecture: 8\nCPU variant\t: 0x%x\n"
                    "CPU part\t: 0x%03x\nCPU revision\t: %u\n\n",
                    CPU_MIDR >> 24, CPU_MIDR >> 20 & 0xf, CPU_MIDR >> 4 & 0xfff, CPU_MIDR & 0xf);
    }
    return 0;
}

// --- Memory --------------------------------------------------------------------------------------

int proc_show_meminfo(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t total = frame_pool_limit(node->kernel->frames) / 1024;
    uint64_t used = frame_pool_used(node->kernel->frames) / 1024;
    uint64_t left = total > used ? total - used : 0;
    const struct {
        const char *name;
        uint64_t kib;
    } rows[] = {
        {"MemTotal:", total},
        {"MemFree:", left},
        {"MemAvailable:", left},
        {"Buffers:", 0},
        {"Cached:", 0},
        {"SwapCached:", 0},
        {"Active:", used},
        {"Inactive:", 0},
        {"Active(anon):", used},
        {"Inactive(anon):", 0},
        {"Active(file):", 0},
        {"Inactive(file):", 0},
        {"Unevictable:", 0},
        {"Mlocked:", 0},
        {"SwapTotal:", 0},
        {"SwapFree:", 0},
        {"Dirty:", 0},
        {"Writeback:", 0},
        {"AnonPages:", used},
        {"Mapped:", 0},
        {"Shmem:", 0},
        {"KReclaimable:", 0},
        {"Slab:", 0},
        {"SReclaimable:", 0},
        {"SUnreclaim:", 0},
        {"KernelStack:", 0},
        {"PageTables:", 0},
        {"CommitLimit:", total},
        {"Committed_AS:", used},
        {"VmallocTotal:", 0},
        {"VmallocUsed:", 0},
        {"VmallocChunk:", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        proc_printf(t, "%-15s %8llu kB\n", rows[i].name, (unsigned long long)rows[i].kib);
    proc_printf(t, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
                   "HugePages_Surp:        0\nHugepagesize:       2048 kB\n");
    return 0;
}

int proc_show_vmstat(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t total = frame_pool_limit(node->kernel->frames) / FRAME_SIZE;
    uint64_t used = frame_pool_used(node->kernel->frames) / FRAME_SIZE;
    proc_printf(
        t, "nr_free_pages %llu\nnr_anon_pages %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
        (unsigned long long)(total > used ? total - used : 0), (unsigned long long)used);
    return 0;
}

int proc_show_swaps(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

// --- Time and load -------------------------------------------------------------------------------

struct load {
    unsigned total, running;
    uint64_t switches;
};

static void count_tasks(struct kernel *kernel, struct load *out)
{
    *out = (struct load){0};
    int32_t pid = 0;
    for (struct task *leader; (leader = task_next_process(kernel, pid)); task_put(leader)) {
        pid = leader->tgid;
        int32_t tid = 0;
        for (struct task *task; (task = task_next_thread(leader->process, tid)); task_put(task)) {
            tid = task->pid;
            out->total++;
            if (atomic_load_explicit(&task->state, memory_order_relaxed) == TASK_RUNNING)
                out->running++;
            out->switches +=
                atomic_load_explicit(&task->voluntary_switches, memory_order_relaxed) +
                atomic_load_explicit(&task->involuntary_switches, memory_order_relaxed);
        }
    }
}

// Time the guest's CPUs were busy and idle since this Linux began, in clock ticks.
static void cpu_ticks(const struct kernel *kernel, uint64_t *busy, uint64_t *idle)
{
    const uint64_t tick = NSEC_PER_SEC / LINUX_USER_HZ;
    uint64_t all = (clock_monotonic_ns() - kernel->boot_ns) * kernel->cpu_count;
    uint64_t used = clock_process_cpu_ns();
    *busy = used / tick;
    *idle = all > used ? (all - used) / tick : 0;
}

int proc_show_system_stat(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    struct kernel *kernel = node->kernel;
    uint64_t busy, idle;
    cpu_ticks(kernel, &busy, &idle);
    struct load load;
    count_tasks(kernel, &load);
    proc_printf(t, "cpu  %llu 0 0 %llu 0 0 0 0 0 0\n", (unsigned long long)busy,
                (unsigned long long)idle);
    for (unsigned cpu = 0; cpu < kernel->cpu_count; cpu++)
        proc_printf(t, "cpu%u %llu 0 0 %llu 0 0 0 0 0 0\n", cpu,
                    (unsigned long long)(busy / kernel->cpu_count),
                    (unsigned long long)(idle / kernel->cpu_count));
    uint64_t boot_time = (clock_realtime_ns() - clock_boottime_ns()) / NSEC_PER_SEC;
    proc_printf(t,
                "intr 0\nctxt %llu\nbtime %llu\nprocesses %llu\nprocs_running %u\n"
                "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
                (unsigned long long)load.switches, (unsigned long long)boot_time,
                (unsigned long long)atomic_load_explicit(&kernel->fork_count, memory_order_relaxed),
                load.running);
    return 0;
}

int proc_show_uptime(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t busy, idle, up = clock_boottime_ns();
    cpu_ticks(node->kernel, &busy, &idle);
    proc_printf(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / NSEC_PER_SEC),
                (unsigned long long)(up % NSEC_PER_SEC / (NSEC_PER_SEC / 100)),
                (unsigned long long)(idle / LINUX_USER_HZ),
                (unsigned long long)(idle % LINUX_USER_HZ));
    return 0;
}

int proc_show_loadavg(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    struct load load;
    count_tasks(node->kernel, &load);
    lock_acquire(&node->kernel->tasklist);
    int32_t last = pid_last(node->kernel->pids);
    lock_release(&node->kernel->tasklist);
    // No average is kept: nothing ticks while nothing runs.
    proc_printf(t, "0.00 0.00 0.00 %u/%u %d\n", load.running, load.total, last);
    return 0;
}

// --- Identity ------------------------------------------------------------------------------------

int proc_show_version(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "%s version %s (ish@ish) (%s) %s\n", KERNEL_SYSNAME, KERNEL_RELEASE, "cc",
                KERNEL_VERSION);
    return 0;
}

int proc_show_filesystems(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    static const char *const nodev[] = {"sysfs",  "tmpfs",  "proc",  "devtmpfs",
                                        "sockfs", "pipefs", "ramfs", "devpts"};
    for (size_t i = 0; i < ARRAY_LEN(nodev); i++)
        proc_printf(t, "nodev\t%s\n", nodev[i]);
    return 0;
}

int proc_show_devices(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
                   "136 pts\n\nBlock devices:\n");
    return 0;
}

int proc_show_partitions(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "major minor  #blocks  name\n\n");
    return 0;
}

int proc_show_cgroups(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
    return 0;
}

int proc_show_nothing(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)t, (void)node, (void)reader;
    return 0;
}

int proc_show_newline(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_append(t, "\n", 1);
    return 0;
}
