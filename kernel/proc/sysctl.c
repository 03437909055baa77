// /proc/sys: settings, most of them facts. What can be written is checked for its effect; the rest
// is read-only.
#include "kernel/lease.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/pipe.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "kernel/version.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/random.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Facts ---------------------------------------------------------------------------------------

// Numbers that never change, found by the file's name.
static const struct {
    const char *name, *text;
} facts[] = {
    {"cap_last_cap", "40"},
    {"core_pattern", "core"},
    {"core_uses_pid", "0"},
    {"dmesg_restrict", "0"},
    {"kptr_restrict", "0"},
    {"modules_disabled", "1"},
    {"msgmax", "8192"},
    {"msgmnb", "16384"},
    {"msgmni", "32000"},
    {"ngroups_max", "65536"},
    {"osrelease", KERNEL_RELEASE},
    {"ostype", KERNEL_SYSNAME},
    {"overflowgid", "65534"},
    {"overflowuid", "65534"},
    {"perf_event_paranoid", "3"},
    {"printk", "4\t4\t1\t7"},
    {"randomize_va_space", "0"},
    {"sched_autogroup_enabled", "0"},
    {"sem", "32000\t1024000000\t500\t32000"},
    {"shmall", "18446744073692774399"},
    {"shmmax", "18446744073692774399"},
    {"shmmni", "4096"},
    {"tainted", "0"},
    {"threads-max", "32768"},
    {"version", KERNEL_VERSION},
    {"ptrace_scope", "0"},
    {"entropy_avail", "256"},
    {"poolsize", "256"},
    {"urandom_min_reseed_secs", "60"},
    {"write_wakeup_threshold", "256"},
    {"dirty_background_ratio", "10"},
    {"dirty_ratio", "20"},
    {"drop_caches", "0"},
    {"max_map_count", "65530"},
    {"min_free_kbytes", "0"},
    {"mmap_min_addr", "65536"},
    {"nr_hugepages", "0"},
    {"overcommit_kbytes", "0"},
    {"overcommit_memory", "1"},
    {"overcommit_ratio", "50"},
    {"panic_on_oom", "0"},
    {"swappiness", "0"},
    {"vfs_cache_pressure", "100"},
    {"aio-max-nr", "65536"},
    {"aio-nr", "0"},
    {"file-max", "9223372036854775807"},
    {"dir-notify-enable", "1"},
    {"leases-enable", "1"},
    {"nr_open", "1048576"},
    {"pipe-max-size", "1048576"},
    {"pipe-user-pages-hard", "0"},
    {"pipe-user-pages-soft", "0"},
    {"protected_fifos", "0"},
    {"protected_hardlinks", "0"},
    {"protected_regular", "0"},
    {"protected_symlinks", "0"},
    {"suid_dumpable", "0"},
    {"max_queued_events", "16384"},
    {"max_user_instances", "128"},
    {"max_user_watches", "65536"},
    {"somaxconn", "4096"},
    {"rmem_default", "212992"},
    {"rmem_max", "212992"},
    {"wmem_default", "212992"},
    {"wmem_max", "212992"},
    {"ip_forward", "0"},
    {"ip_local_port_range", "32768\t60999"},
    {"ip_unprivileged_port_start", "0"},
    {"ping_group_range", "0\t2147483647"},
    {"tcp_fin_timeout", "60"},
    {"tcp_keepalive_intvl", "75"},
    {"tcp_keepalive_probes", "9"},
    {"tcp_keepalive_time", "7200"},
    {"tcp_rmem", "4096\t131072\t6291456"},
    {"tcp_wmem", "4096\t16384\t4194304"},
    {"tcp_syncookies", "1"},
    {"max_dgram_qlen", "512"},
};

static int show_fact(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        if (strcmp(facts[i].name, node->entry->name) == 0) {
            proc_printf(t, "%s\n", facts[i].text);
            return 0;
        }
    }
    return -LINUX_ENOENT;
}

// --- What is computed ----------------------------------------------------------------------------

static void print_uuid(struct proc_text *t, const uint8_t b[16])
{
    for (unsigned i = 0; i < 16; i++)
        proc_printf(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    proc_append(t, "\n", 1);
}

// The bits that say "random, version 4".
static void mark_uuid(uint8_t b[16])
{
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

static int show_uuid(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    uint8_t b[16];
    random_bytes(b, sizeof b);
    mark_uuid(b);
    print_uuid(t, b);
    return 0;
}

// The same for as long as this Linux runs: derived from when it began and where it lives.
static int show_boot_id(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t words[2] = {node->kernel->boot_ns, (uint64_t)(uintptr_t)node->kernel};
    for (unsigned round = 0; round < 8; round++) {
        words[0] = (words[0] ^ words[1]) * 0x9e3779b97f4a7c15ull;
        words[1] = (words[1] ^ (words[0] >> 29)) * 0xbf58476d1ce4e5b9ull;
    }
    uint8_t b[16];
    memcpy(b, words, sizeof b);
    mark_uuid(b);
    print_uuid(t, b);
    return 0;
}

// A name of the reader's UTS namespace.
static int show_uts(struct proc_text *t, const struct proc_node *node, struct task *reader,
                    size_t field)
{
    char name[sizeof((struct uts_ns *)0)->nodename];
    struct namespaces *ns =
        reader ? task_ns_get(reader) : namespaces_get(node->kernel->ns->initial);
    if (!ns)
        return -LINUX_ESRCH;
    lock_acquire(&node->kernel->tasklist);
    memcpy(name, (const char *)ns->uts + field, sizeof name);
    lock_release(&node->kernel->tasklist);
    namespaces_put(ns);
    proc_printf(t, "%s\n", name);
    return 0;
}

static int show_hostname(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    return show_uts(t, node, reader, offsetof(struct uts_ns, nodename));
}

static int show_domainname(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    return show_uts(t, node, reader, offsetof(struct uts_ns, domainname));
}

static int store_uts(const struct proc_node *node, struct task *writer, char *text, size_t field)
{
    const size_t room = sizeof((struct uts_ns *)0)->nodename;
    if (!writer || !cred_capable_in(writer->cred, writer->ns->uts->base.owner, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    text[strcspn(text, "\n")] = '\0';
    if (strlen(text) >= room)
        return -LINUX_EINVAL;
    char *name = (char *)writer->ns->uts + field;
    lock_acquire(&node->kernel->tasklist);
    memset(name, 0, room);
    memcpy(name, text, strlen(text));
    lock_release(&node->kernel->tasklist);
    return 0;
}

static int store_hostname(const struct proc_node *node, struct task *writer, char *text, size_t n)
{
    (void)n;
    return store_uts(node, writer, text, offsetof(struct uts_ns, nodename));
}

static int store_domainname(const struct proc_node *node, struct task *writer, char *text, size_t n)
{
    (void)n;
    return store_uts(node, writer, text, offsetof(struct uts_ns, domainname));
}

static int show_break_time(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    proc_printf(t, "%u\n",
                atomic_load_explicit(lease_break_time(node->kernel), memory_order_relaxed));
    return 0;
}

static int store_break_time(const struct proc_node *node, struct task *writer, char *text, size_t n)
{
    char *end;
    (void)writer, (void)n;
    unsigned long seconds = strtoul(text, &end, 10);
    if (end == text || (*end && *end != '\n') || seconds > INT32_MAX)
        return -LINUX_EINVAL;
    atomic_store_explicit(lease_break_time(node->kernel), (uint32_t)seconds, memory_order_relaxed);
    return 0;
}

static int show_pid_max(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "%d\n", (int)PID_MAX);
    return 0;
}

static int show_file_nr(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "0\t0\t9223372036854775807\n");
    return 0;
}

// --- The tree ------------------------------------------------------------------------------------

#define FACT(name) PROC_FILE(name, 0444, show_fact)
#define END        {.name = NULL}

static const struct proc_entry random_dir[] = {
    PROC_FILE("boot_id", 0444, show_boot_id),
    PROC_FILE("uuid", 0444, show_uuid),
    FACT("entropy_avail"),
    FACT("poolsize"),
    FACT("urandom_min_reseed_secs"),
    FACT("write_wakeup_threshold"),
    END,
};

static const struct proc_entry yama_dir[] = {FACT("ptrace_scope"), END};

static const struct proc_entry kernel_dir[] = {
    FACT("cap_last_cap"),
    FACT("core_pattern"),
    FACT("core_uses_pid"),
    FACT("dmesg_restrict"),
    {.name = "domainname",
     .mode = LINUX_S_IFREG | 0644,
     .show = show_domainname,
     .store = store_domainname},
    {.name = "hostname",
     .mode = LINUX_S_IFREG | 0644,
     .show = show_hostname,
     .store = store_hostname},
    FACT("kptr_restrict"),
    FACT("modules_disabled"),
    FACT("msgmax"),
    FACT("msgmnb"),
    FACT("msgmni"),
    FACT("ngroups_max"),
    FACT("osrelease"),
    FACT("ostype"),
    FACT("overflowgid"),
    FACT("overflowuid"),
    FACT("perf_event_paranoid"),
    PROC_FILE("pid_max", 0444, show_pid_max),
    FACT("printk"),
    PROC_DIR("random", 0555, random_dir),
    FACT("randomize_va_space"),
    FACT("sched_autogroup_enabled"),
    FACT("sem"),
    FACT("shmall"),
    FACT("shmmax"),
    FACT("shmmni"),
    FACT("tainted"),
    FACT("threads-max"),
    FACT("version"),
    PROC_DIR("yama", 0555, yama_dir),
    END,
};

static const struct proc_entry vm_dir[] = {
    FACT("dirty_background_ratio"),
    FACT("dirty_ratio"),
    FACT("drop_caches"),
    FACT("max_map_count"),
    FACT("min_free_kbytes"),
    FACT("mmap_min_addr"),
    FACT("nr_hugepages"),
    FACT("overcommit_kbytes"),
    FACT("overcommit_memory"),
    FACT("overcommit_ratio"),
    FACT("panic_on_oom"),
    FACT("swappiness"),
    FACT("vfs_cache_pressure"),
    END,
};

static const struct proc_entry inotify_dir[] = {
    FACT("max_queued_events"),
    FACT("max_user_instances"),
    FACT("max_user_watches"),
    END,
};
static const struct proc_entry epoll_dir[] = {FACT("max_user_watches"), END};

static const struct proc_entry fs_dir[] = {
    FACT("aio-max-nr"),
    FACT("aio-nr"),
    PROC_DIR("epoll", 0555, epoll_dir),
    FACT("file-max"),
    PROC_FILE("file-nr", 0444, show_file_nr),
    PROC_DIR("inotify", 0555, inotify_dir),
    FACT("dir-notify-enable"),
    {.name = "lease-break-time",
     .mode = LINUX_S_IFREG | 0644,
     .show = show_break_time,
     .store = store_break_time},
    FACT("leases-enable"),
    FACT("nr_open"),
    FACT("pipe-max-size"),
    FACT("pipe-user-pages-hard"),
    FACT("pipe-user-pages-soft"),
    FACT("protected_fifos"),
    FACT("protected_hardlinks"),
    FACT("protected_regular"),
    FACT("protected_symlinks"),
    FACT("suid_dumpable"),
    END,
};

static const struct proc_entry core_dir[] = {
    FACT("rmem_default"), FACT("rmem_max"), FACT("somaxconn"),
    FACT("wmem_default"), FACT("wmem_max"), END,
};
static const struct proc_entry ipv4_dir[] = {
    FACT("ip_forward"),
    FACT("ip_local_port_range"),
    FACT("ip_unprivileged_port_start"),
    FACT("ping_group_range"),
    FACT("tcp_fin_timeout"),
    FACT("tcp_keepalive_intvl"),
    FACT("tcp_keepalive_probes"),
    FACT("tcp_keepalive_time"),
    FACT("tcp_rmem"),
    FACT("tcp_syncookies"),
    FACT("tcp_wmem"),
    END,
};
static const struct proc_entry unix_dir[] = {FACT("max_dgram_qlen"), END};
static const struct proc_entry net_dir[] = {
    PROC_DIR("core", 0555, core_dir),
    PROC_DIR("ipv4", 0555, ipv4_dir),
    PROC_DIR("unix", 0555, unix_dir),
    END,
};

const struct proc_entry proc_sys_children[] = {
    PROC_DIR("fs", 0555, fs_dir),
    PROC_DIR("kernel", 0555, kernel_dir),
    PROC_DIR("net", 0555, net_dir),
    PROC_DIR("vm", 0555, vm_dir),
    END,
};
