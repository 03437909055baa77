// The library: a kernel as a whole. Layer 5. See include/ish/ish.h and api_internal.h.
#include "fs/fakefs/fakefs.h"
#include "fs/hostfs.h"
#include "kernel/api_internal.h"
#include "kernel/boot.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/task.h"
#include "kernel/tty/tty.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Words ---------------------------------------------------------------------------------------

const char *ish_version(void)
{
    return ISH_VERSION;
}

const char *ish_error_text(int error)
{
    return errno_text(-error);
}

const char *ish_error_name(int error)
{
    return errno_name(-error);
}

static const struct {
    enum log_channel channel;
    const char *about;
} channels[] = {
    {LOG_ERROR, "something of ish's own went wrong"},
    {LOG_WARN, "the guest met something that is not supported"},
    {LOG_STRACE, "one line for each system call"},
    {LOG_EXEC, "programs as they are loaded"},
    {LOG_MEM, "mappings, faults and shootdowns"},
    {LOG_SIGNAL, "registers, code and mappings of a program that a signal ends"},
    {LOG_FS, "mounts and the metadata store"},
    {LOG_INSN, "instructions as they are translated"},
};

const char *ish_log_channel(unsigned index, const char **about)
{
    if (index >= ARRAY_LEN(channels))
        return NULL;
    if (about)
        *about = channels[index].about;
    return log_channel_name(channels[index].channel);
}

// --- Configuration -------------------------------------------------------------------------------

bool api_copy_sized(void *to, size_t size, const void *from, size_t from_size)
{
    if (from_size < sizeof(size_t))
        return false;
    memset(to, 0, size);
    memcpy(to, from, from_size < size ? from_size : size);
    return true;
}

static PRINTF_LIKE(2, 3) void explain(const ish_kernel_config *config, const char *fmt, ...)
{
    va_list args;
    if (!config->why || !config->why_size)
        return;
    va_start(args, fmt);
    vsnprintf(config->why, config->why_size, fmt, args);
    va_end(args);
}

// The next name of a comma-separated list, and what is behind it; NULL at the end.
static const char *next_name(const char **list, size_t *len)
{
    const char *name = *list;
    if (!*name)
        return NULL;
    *len = strcspn(name, ",");
    *list = name + *len + (name[*len] == ',');
    return name;
}

static int parse_channels(const ish_kernel_config *config, uint32_t *mask)
{
    const char *list = config->log_channels, *name;
    size_t len;
    *mask = list ? 0 : LOG_DEFAULT;
    while (list && (name = next_name(&list, &len))) {
        uint32_t bit = 0;
        for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
            const char *known = log_channel_name(channels[i].channel);
            if (strlen(known) == len && !memcmp(known, name, len))
                bit = channels[i].channel;
        }
        if (!bit) {
            explain(config, "there is no log channel '%.*s'", (int)len, name);
            return -LINUX_EINVAL;
        }
        *mask |= bit;
    }
    return 0;
}

static void write_log(void *context, enum log_channel channel, const char *line)
{
    const struct ish_kernel *k = context;
    if (k->log)
        k->log(k->log_context, log_channel_name(channel), line);
}

// --- A kernel ------------------------------------------------------------------------------------

static int mount_root(struct ish_kernel *k, const ish_kernel_config *config)
{
    struct vfs *vfs = k->kernel->vfs;
    struct super *super;
    bool fake = config->root_kind == ISH_ROOT_FAKEFS;
    char why[FAKEFS_WHY_MAX] = "";
    int err = fake ? fakefs_create(vfs, config->root_path, &k->kernel->log, why, &super)
                   : hostfs_create(vfs, config->root_path, &super);
    if (err) {
        explain(config, "cannot use the root '%s': %s", config->root_path,
                *why ? why : errno_text(-err));
        return err;
    }
    return vfs_mount(vfs, NULL, super, fake ? "fakefs" : "hostfs", fake ? "fakefs" : "hostfs", 0);
}

static int make_machine(struct ish_kernel *k, const ish_kernel_config *config)
{
    struct kernel_config machine = {
        .log = {.write = write_log, .ctx = k},
        .memory_limit = config->memory_limit,
        .cpu_count = config->cpu_count,
        .nodename = config->hostname,
    };
    int err = parse_channels(config, &machine.log.mask);
    if (!err)
        err = kernel_create(&machine, &k->kernel);
    const char *bad = NULL;
    if (!err && config->strace_calls)
        bad = syscall_trace_only(k->kernel, config->strace_calls);
    if (bad)
        explain(config, "there is no system call '%.*s'", (int)strcspn(bad, ","), bad);
    return bad ? -LINUX_EINVAL : err;
}

static int boot(struct ish_kernel *k, const ish_kernel_config *config)
{
    int err = boot_files(k->kernel);
    if (!err)
        err = tty_boot(k->kernel);
    if (!err)
        err = mount_root(k, config);
    if (!err)
        err = boot_mounts(k->kernel);
    if (!err && config->resolver && config->root_kind == ISH_ROOT_FAKEFS)
        boot_resolver(k->kernel, config->resolver);
    return err;
}

static bool config_is_good(const ish_kernel_config *config)
{
    bool known = config->root_kind == ISH_ROOT_FAKEFS || config->root_kind == ISH_ROOT_HOST;
    if (!known || !config->root_path)
        explain(config, "no root was given");
    else if (config->hostname && (!*config->hostname || strlen(config->hostname) > 64))
        explain(config, "a host name has 1 to 64 bytes");
    else
        return true;
    return false;
}

static struct ish_kernel *allocate(const ish_kernel_config *config)
{
    struct ish_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    atomic_init(&k->refs, 1);
    k->log = config->log;
    k->log_context = config->log_context;
    lock_init(&k->lock, LOCK_RANK_API);
    cond_init(&k->changed);
    list_init(&k->processes);
    list_init(&k->terminals);
    return k;
}

int ish_kernel_create(const ish_kernel_config *given, ish_kernel **out)
{
    ish_kernel_config config;
    if (!api_copy_sized(&config, sizeof config, given, given->size))
        return -LINUX_EINVAL;
    if (config.why && config.why_size)
        *config.why = '\0';
    if (!config_is_good(&config))
        return -LINUX_EINVAL;
    struct ish_kernel *k = allocate(&config);
    if (!k)
        return -LINUX_ENOMEM;
    int err = make_machine(k, &config);
    if (!err)
        err = boot(k, &config);
    if (err) {
        ish_kernel_destroy(k);
        return err;
    }
    *out = k;
    return 0;
}

// Process 1 takes every other process with it.
static void kill_everything(struct kernel *kernel)
{
    struct process *init = process_find(kernel, 1);
    struct task *leader = init ? process_leader_get(init) : NULL;
    if (leader) {
        signal_kernel_process(leader, LINUX_SIGKILL);
        task_join(leader);
        task_put(leader);
    }
    if (init)
        process_put(init);
}

void ish_kernel_destroy(ish_kernel *k)
{
    lock_acquire(&k->lock);
    k->dying = true;
    lock_release(&k->lock);
    if (k->kernel) {
        kill_everything(k->kernel);
        api_end_terminals(k);
    }
    lock_acquire(&k->lock);
    while (k->users)
        cond_wait(&k->changed, &k->lock, COND_FOREVER);
    lock_release(&k->lock);
    if (k->kernel) {
        api_forget_processes(k);
        kernel_destroy(k->kernel);
    }
    lock_acquire(&k->lock);
    k->kernel = NULL;
    cond_broadcast(&k->changed);
    lock_release(&k->lock);
    api_put(k);
}

// --- Use of the machine --------------------------------------------------------------------------

struct ish_kernel *api_get(struct ish_kernel *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void api_put(struct ish_kernel *k)
{
    if (atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    cond_destroy(&k->changed);
    lock_destroy(&k->lock);
    free(k);
}

bool api_enter(struct ish_kernel *k)
{
    lock_acquire(&k->lock);
    bool good = k->kernel && !k->dying;
    if (good)
        k->users++;
    lock_release(&k->lock);
    return good;
}

void api_leave(struct ish_kernel *k)
{
    lock_acquire(&k->lock);
    if (--k->users == 0)
        cond_broadcast(&k->changed);
    lock_release(&k->lock);
}

// --- The guest's tree ----------------------------------------------------------------------------

// What the library itself does in the guest's tree, as root.
static int caller_begin(struct ish_kernel *k, struct vfs_caller *c)
{
    struct cred *cred = cred_create_root();
    if (!cred)
        return -LINUX_ENOMEM;
    *c = (struct vfs_caller){.vfs = k->kernel->vfs, .cred = cred, .umask = 022};
    vfs_root(c->vfs, &c->root);
    c->cwd = c->root;
    return 0;
}

static void caller_end(struct vfs_caller *c)
{
    path_put(&c->root);
    cred_put(c->cred);
}

int ish_kernel_bind(ish_kernel *k, const char *host_dir, const char *guest_dir, int read_only)
{
    struct vfs_caller c;
    struct path at;
    struct super *super;
    int err = caller_begin(k, &c);
    if (err)
        return err;
    err = path_walk(&c, NULL, guest_dir, WALK_FOLLOW | WALK_DIRECTORY, &at);
    if (!err) {
        err = hostfs_create(c.vfs, host_dir, &super);
        if (!err)
            err = vfs_mount(c.vfs, &at, super, "hostfs", "hostfs", read_only ? MOUNT_RDONLY : 0);
        path_put(&at);
    }
    caller_end(&c);
    return err;
}

int ish_kernel_find_directory(ish_kernel *k, const char *guest_dir)
{
    struct vfs_caller c;
    struct path at;
    int err = *guest_dir == '/' ? caller_begin(k, &c) : -LINUX_EINVAL;
    if (err)
        return err;
    err = path_walk(&c, NULL, guest_dir, WALK_FOLLOW | WALK_DIRECTORY, &at);
    if (!err)
        path_put(&at);
    caller_end(&c);
    return err;
}

int ish_kernel_get_statistics(ish_kernel *k, ish_kernel_statistics *out)
{
    size_t size = out->size;
    ish_kernel_statistics stats = {
        .size = size,
        .processes_made = atomic_load_explicit(&k->kernel->fork_count, memory_order_relaxed),
        .memory_used = frame_pool_used(k->kernel->frames),
        .memory_limit = frame_pool_limit(k->kernel->frames),
    };
    if (size < sizeof size)
        return -LINUX_EINVAL;
    memcpy(out, &stats, size < sizeof stats ? size : sizeof stats);
    return 0;
}
