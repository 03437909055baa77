#include "kernel/mount_types.h"
#include "fs/user_ns.h"
#include "kernel/kernel.h"
#include "kernel/proc/proc.h"
#include "kernel/task.h"
#include "kernel/tty/tty.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mount.h"
#include "platform/frame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A parameter was none of the type's: others may know it.
enum { NO_PARAMETER = 1 };

struct mount_type {
    const char *name;
    bool mountable;
    int (*set)(struct task *task, struct mount_options *o, const char *key, const char *value);
    int (*make)(struct task *task, const struct mount_options *o, struct super **out);
    const char *(*reconfigure)(struct super *super, const struct tmpfs_options *options);
};

// --- The log -------------------------------------------------------------------------------------

static void log_line(struct mount_log *log, const char *text)
{
    if (!log)
        return;
    if (log->count == MOUNT_LOG_LINES) {
        memmove(log->line[0], log->line[1], sizeof log->line - sizeof log->line[0]);
        log->count--;
    }
    snprintf(log->line[log->count++], MOUNT_LOG_LINE, "%s", text);
}

static int refuse(struct mount_options *o, const char *before, const char *what, const char *after)
{
    char text[MOUNT_LOG_LINE];
    snprintf(text, sizeof text, "e %.64s: %s%.200s%s\n", o->type_name, before, what, after);
    log_line(o->log, text);
    return -LINUX_EINVAL;
}

static int bad_value(struct mount_options *o, const char *key)
{
    return refuse(o, "Bad value for '", key, "'");
}

// --- Values --------------------------------------------------------------------------------------

// A number with a suffix K, M, G, T, P or E, as Linux's memparse() takes it: no digits are 0, and
// what 64 bits do not hold is lost. Returns what follows it.
static const char *parse_scaled(const char *text, uint64_t *out)
{
    static const char suffixes[] = "kmgtpe";
    bool digits = *text >= '0' && *text <= '9';
    char *stop = NULL;
    uint64_t n = digits ? strtoull(text, &stop, 0) : 0;
    const char *end = digits ? stop : text;
    const char *suffix = *end ? strchr(suffixes, *end | 0x20) : NULL;
    unsigned shift = suffix ? 10 * ((unsigned)(suffix - suffixes) + 1) : 0;
    *out = n << shift;
    return end + (suffix != NULL);
}

static bool parse_u32(const char *text, int base, uint32_t *out)
{
    char *end;
    if (!text || *text == '-' || *text == ' ')
        return false;
    unsigned long long n = strtoull(text, &end, base);
    *out = (uint32_t)n;
    return end != text && !*end && n <= UINT32_MAX;
}

// --- tmpfs ---------------------------------------------------------------------------------------

static bool parse_size(struct task *task, const char *text, uint64_t *out)
{
    const char *end = parse_scaled(text, out);
    if (*end == '%') {
        *out = *out * (frame_pool_limit(task->kernel->frames) / FRAME_SIZE) / 100 * FRAME_SIZE;
        end++;
    }
    return !*end;
}

static bool parse_count(const char *text, uint64_t unit, uint64_t *out)
{
    const char *end = parse_scaled(text, out);
    bool good = !*end && *out <= INT64_MAX;
    *out = *out < INT64_MAX / unit ? *out * unit : INT64_MAX;
    return good;
}

static bool parse_id(struct task *task, const char *text, enum id_kind kind, uint32_t *out)
{
    uint32_t id;
    if (!parse_u32(text, 0, &id))
        return false;
    *out = user_ns_to_machine(task->cred->user_ns, kind, id);
    return *out != ID_NONE;
}

static int set_tmpfs(struct task *task, struct mount_options *o, const char *key, const char *value)
{
    struct tmpfs_options t = o->tmpfs;
    bool good = value && *value;
    unsigned set = 0;
    if (!strcmp(key, "size") || !strcmp(key, "nr_blocks")) {
        good = good && (*key == 's' ? parse_size(task, value, &t.size)
                                    : parse_count(value, FRAME_SIZE, &t.size));
        set = TMPFS_SIZE;
    } else if (!strcmp(key, "nr_inodes")) {
        good = good && parse_count(value, 1, &t.nodes);
        set = TMPFS_NODES;
    } else if (!strcmp(key, "mode")) {
        good = good && parse_u32(value, 8, &t.mode);
        t.mode &= LINUX_S_IALLPERM;
        set = TMPFS_MODE;
    } else if (!strcmp(key, "uid")) {
        good = good && parse_id(task, value, ID_UID, &t.uid);
        set = TMPFS_UID;
    } else if (!strcmp(key, "gid")) {
        good = good && parse_id(task, value, ID_GID, &t.gid);
        set = TMPFS_GID;
    } else if (!strcmp(key, "inode64")) {
        // They have 64 bits.
        return value ? refuse(o, "Unexpected value for '", key, "'") : 0;
    } else {
        return NO_PARAMETER;
    }
    if (!good)
        return bad_value(o, key);
    t.set |= set;
    o->tmpfs = t;
    return 0;
}

static int make_tmpfs(struct task *task, const struct mount_options *o, struct super **out)
{
    return tmpfs_create_with(task->kernel->vfs, &o->tmpfs, out);
}

// --- ramfs: a tmpfs without limits, which says nothing of options it does not know ---------------

static int set_ramfs(struct task *task, struct mount_options *o, const char *key, const char *value)
{
    if (!strcmp(key, "source"))
        return NO_PARAMETER;
    return strcmp(key, "mode") ? 0 : set_tmpfs(task, o, key, value);
}

static int make_ramfs(struct task *task, const struct mount_options *o, struct super **out)
{
    struct tmpfs_options t = {.set = TMPFS_SIZE | TMPFS_MODE, .mode = 0755};
    if (o->tmpfs.set & TMPFS_MODE)
        t.mode = o->tmpfs.mode;
    return tmpfs_create_with(task->kernel->vfs, &t, out);
}

// --- proc, sysfs, devpts -------------------------------------------------------------------------

// Everybody sees every process: what would hide them is refused.
static int set_proc(struct task *task, struct mount_options *o, const char *key, const char *value)
{
    uint32_t id;
    if (!strcmp(key, "hidepid"))
        return value && (!strcmp(value, "0") || !strcmp(value, "off")) ? 0 : bad_value(o, key);
    if (!strcmp(key, "gid")) // who would see them all the same
        return parse_id(task, value, ID_GID, &id) ? 0 : bad_value(o, key);
    return NO_PARAMETER;
}

static int make_proc(struct task *task, const struct mount_options *o, struct super **out)
{
    (void)o;
    return procfs_create(task->kernel, task->pid_ns, out);
}

static int set_nothing(struct task *task, struct mount_options *o, const char *key,
                       const char *value)
{
    (void)task, (void)o, (void)key, (void)value;
    return NO_PARAMETER;
}

static int make_sysfs(struct task *task, const struct mount_options *o, struct super **out)
{
    (void)o;
    return sysfs_create(task->kernel, out);
}

// The terminals are the machine's: every instance shows all of them, as the first was mounted.
static int set_devpts(struct task *task, struct mount_options *o, const char *key,
                      const char *value)
{
    uint32_t number;
    if (!strcmp(key, "newinstance"))
        return value ? bad_value(o, key) : 0;
    if (!strcmp(key, "uid") || !strcmp(key, "gid"))
        return parse_id(task, value, *key == 'u' ? ID_UID : ID_GID, &number) ? 0
                                                                             : bad_value(o, key);
    if (!strcmp(key, "mode") || !strcmp(key, "ptmxmode"))
        return parse_u32(value, 8, &number) ? 0 : bad_value(o, key);
    if (!strcmp(key, "max"))
        return parse_u32(value, 10, &number) ? 0 : bad_value(o, key);
    return NO_PARAMETER;
}

static int make_devpts(struct task *task, const struct mount_options *o, struct super **out)
{
    (void)o;
    *out = tty_devpts(task->kernel);
    return *out ? 0 : -LINUX_ENODEV;
}

// --- Types ---------------------------------------------------------------------------------------

static const struct mount_type types[] = {
    {"tmpfs", true, set_tmpfs, make_tmpfs, tmpfs_reconfigure},
    {"ramfs", true, set_ramfs, make_ramfs, NULL},
    {"proc", true, set_proc, make_proc, NULL},
    {"sysfs", true, set_nothing, make_sysfs, NULL},
    {"devpts", true, set_devpts, make_devpts, NULL},
    {"devtmpfs", false, set_tmpfs, NULL, tmpfs_reconfigure},
    {"", false, set_nothing, NULL, NULL}, // whatever else is mounted
};

int mount_options_init(struct mount_options *o, const char *type, bool existing,
                       struct mount_log *log)
{
    size_t i = 0;
    while (i < ARRAY_LEN(types) - 1 && strcmp(types[i].name, type))
        i++;
    if (!existing && !types[i].mountable)
        return -LINUX_ENODEV;
    *o = (struct mount_options){.type = &types[i], .log = log, .type_name = strdup(type)};
    return o->type_name ? 0 : -LINUX_ENOMEM;
}

void mount_options_done(struct mount_options *o)
{
    free(o->type_name);
    free(o->source);
}

static int set_source(struct mount_options *o, const char *value)
{
    if (!value || o->source) {
        log_line(o->log, value ? "e Multiple sources\n" : "e Non-string source\n");
        return -LINUX_EINVAL;
    }
    o->source = strdup(value);
    return o->source ? 0 : -LINUX_ENOMEM;
}

// Flags every file system has. Only the first changes anything: there is one way to write here.
static bool set_common(struct mount_options *o, const char *key)
{
    static const char *const others[] = {"sync",     "async",      "dirsync",
                                         "lazytime", "nolazytime", "nomand"};
    if (!strcmp(key, "ro") || !strcmp(key, "rw")) {
        o->set_rdonly = true;
        o->rdonly = key[1] == 'o';
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (!strcmp(key, others[i]))
            return true;
    return false;
}

int mount_options_set(struct task *task, struct mount_options *o, const char *key,
                      const char *value)
{
    if (set_common(o, key))
        return 0;
    int err = o->type->set(task, o, key, value);
    if (err != NO_PARAMETER)
        return err;
    if (!strcmp(key, "source"))
        return set_source(o, value);
    return refuse(o, "Unknown parameter '", key, "'");
}

int mount_options_parse(struct task *task, struct mount_options *o, char *text)
{
    int err = 0;
    for (char *rest = text, *word; !err && rest && (word = strsep(&rest, ","));) {
        char *value = strchr(word, '=');
        if (!*word || value == word)
            continue;
        if (value)
            *value++ = 0;
        err = mount_options_set(task, o, word, value);
    }
    return err;
}

int mount_options_create(struct task *task, struct mount_options *o, struct super **out)
{
    if (o->rdonly && o->type->make == make_devpts)
        return refuse(o, "The terminals are everybody's", "", "");
    int err = o->type->make(task, o, out);
    if (err)
        return err;
    if (task->cred->user_ns && !(*out)->owner)
        (*out)->owner = user_ns_get(task->cred->user_ns);
    if (o->rdonly)
        atomic_store_explicit(&(*out)->rdonly, true, memory_order_relaxed);
    return 0;
}

int mount_options_reconfigure(struct mount_options *o, struct super *super)
{
    int err = o->set_rdonly ? vfs_super_set_rdonly(super, o->rdonly) : 0;
    const char *wrong =
        !err && o->type->reconfigure ? o->type->reconfigure(super, &o->tmpfs) : NULL;
    return wrong ? refuse(o, wrong, "", "") : err;
}
