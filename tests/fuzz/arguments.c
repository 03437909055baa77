// Values for one argument of a call, by its type in the table: good ones often enough that calls
// get past their first check, bad ones of every sort otherwise.
#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

uint64_t fuzz_random(struct fuzz_thread *t)
{
    uint64_t z = t->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t fuzz_below(struct fuzz_thread *t, uint64_t n)
{
    return fuzz_random(t) % n;
}

bool fuzz_one_in(struct fuzz_thread *t, unsigned n)
{
    return !fuzz_below(t, n);
}

uint64_t fuzz_number(struct fuzz_thread *t)
{
    static const int64_t edges[] = {
        0,         1,         2,          3,       4,    7,         8,         15,        16,
        31,        63,        64,         127,     128,  255,       256,       1000,      1023,
        1024,      4095,      4096,       4097,    8192, 65535,     65536,     1 << 20,   1 << 30,
        INT32_MAX, INT32_MIN, UINT32_MAX, -1,      -2,   -4096,     1ll << 32, 1ll << 40, 1ll << 47,
        INT64_MAX, INT64_MIN, 0x7ffff000, 1 << 31, -100, 999999999,
    };
    switch (fuzz_below(t, 4)) {
    case 0:
        return fuzz_random(t) >> fuzz_below(t, 64);
    case 1:
        return fuzz_below(t, 16);
    default:
        return (uint64_t)edges[fuzz_below(t, COUNT(edges))];
    }
}

void *fuzz_bytes(struct fuzz_thread *t, size_t n)
{
    size_t room = (n + 15) & ~(size_t)15;
    if (t->used + room > (size_t)DATA_PAGES * PAGE)
        t->used = 0; // what this call was given before is overwritten: as good as anything
    void *at = t->data + t->used;
    t->used += room;
    return at;
}

uint64_t fuzz_pointer(struct fuzz_thread *t)
{
    uint64_t data = (uint64_t)t->data, near = fuzz_below(t, 40);
    uint64_t readable = data + (uint64_t)DATA_PAGES * PAGE, last = readable + PAGE;
    switch (fuzz_below(t, 14)) {
    case 0:
        return 0;
    case 1:
        return 1 + fuzz_below(t, PAGE - 1);
    case 2:
        return readable + fuzz_below(t, PAGE); // not writable
    case 3:
        return readable - near; // begins writable
    case 4:
        return last + PAGE - near; // begins in the last bytes before nothing
    case 5:
        return last + PAGE + fuzz_below(t, PAGE);
    case 6:
        return UINT64_C(0xffff000000000000) | fuzz_random(t) >> 16;
    case 7:
        return data | fuzz_random(t) << 56; // a tag
    case 8:
        return data + 1 + fuzz_below(t, 2 * PAGE);
    case 9:
        return fuzz_random(t) >> 16;
    case 10:
        return (UINT64_C(1) << 48) - near;
    case 11:
        return -near;
    case 12:
        return (uint64_t)&fuzz_pointer + near;
    default:
        return (uint64_t)t->victim + fuzz_below(t, (uint64_t)DATA_PAGES * PAGE);
    }
}

static const char *const names[] = {
    ".",
    "..",
    "",
    "/",
    "dir",
    "dir/..",
    "dir/file",
    "link",
    "loop",
    "dangling",
    "fifo",
    "sock0",
    "file",
    "readonly",
    "/tmp",
    "/dev/shm",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/pts/0",
    "/dev/fd/3",
    "/proc",
    "/proc/self",
    "/proc/self/maps",
    "/proc/self/smaps",
    "/proc/self/mem",
    "/proc/self/fd",
    "/proc/self/fd/5",
    "/proc/self/fdinfo/9",
    "/proc/self/exe",
    "/proc/self/cwd",
    "/proc/self/root",
    "/proc/self/ns/mnt",
    "/proc/self/ns/pid",
    "/proc/self/ns/user",
    "/proc/self/uid_map",
    "/proc/self/oom_score_adj",
    "/proc/self/comm",
    "/proc/self/task",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/self/mountinfo",
    "/proc/self/pagemap",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/stat",
    "/proc/meminfo",
    "/sys",
    "/sys/devices/system/cpu/online",
    "/bin/program",
    "/etc/nothing/there",
    "tmpfs",
    "proc",
    "sysfs",
    "devpts",
    "mqueue",
    "user.a",
    "user.b",
    "trusted.a",
    "security.capability",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "/queue",
    "size=1m",
};

static uint64_t text(struct fuzz_thread *t)
{
    char *at = fuzz_bytes(t, 64);
    switch (fuzz_below(t, 8)) {
    case 0:
        snprintf(at, 64, "n%u", (unsigned)fuzz_below(t, 8));
        break;
    case 1:
        snprintf(at, 64, "dir/n%u", (unsigned)fuzz_below(t, 8));
        break;
    case 2: { // as long as names may be, and longer
        size_t n = fuzz_one_in(t, 2) ? 4090 + fuzz_below(t, 10) : 250 + fuzz_below(t, 10);
        at = fuzz_bytes(t, n + 1);
        memset(at, fuzz_one_in(t, 2) ? '/' : 'x', n);
        at[n] = '\0';
        break;
    }
    default:
        snprintf(at, 64, "%s", names[fuzz_below(t, COUNT(names))]);
    }
    return (uint64_t)at;
}

static uint64_t size(struct fuzz_thread *t)
{
    static const uint64_t usual[] = {8, 8, 8, 1, 16, 64, 128, PAGE, 2 * PAGE, 3 * PAGE};
    return fuzz_one_in(t, 5) ? fuzz_number(t) : usual[fuzz_below(t, COUNT(usual))];
}

static uint64_t descriptor(struct fuzz_thread *t)
{
    static const int odd[] = {-1, AT_FDCWD, 1000, 255, INT32_MAX, INT32_MIN, -2};
    if (fuzz_one_in(t, 12))
        return (uint64_t)odd[fuzz_below(t, COUNT(odd))];
    return fuzz_below(t, 72);
}

static uint64_t process(struct fuzz_thread *t)
{
    switch (fuzz_below(t, 6)) {
    case 0:
        return 0;
    case 1:
        return (uint64_t)getpid();
    case 2:
        return fuzz_number(t);
    case 3:
        return -(uint64_t)fuzz_below(t, 3);
    default:
        return (uint64_t)(int64_t)t->tids[fuzz_below(t, COUNT(t->tids))];
    }
}

static uint64_t signal_number(struct fuzz_thread *t)
{
    static const int harmless[] = {0, 17, 18, 23, 28, KICK, KICK, 10, 34, 64};
    return fuzz_one_in(t, 4) ? fuzz_below(t, 70)
                             : (uint64_t)harmless[fuzz_below(t, COUNT(harmless))];
}

static uint64_t clock_number(struct fuzz_thread *t)
{
    return fuzz_one_in(t, 4) ? ~(uint64_t)fuzz_below(t, 40) << 3 | fuzz_below(t, 8)
                             : fuzz_below(t, 13);
}

uint64_t fuzz_value(struct fuzz_thread *t, enum fuzz_kind kind)
{
    static const uint64_t users[] = {0, 0, 1000, 65534, (uint64_t)-1, 1};
    if (fuzz_one_in(t, 40))
        return fuzz_one_in(t, 2) ? fuzz_number(t) : fuzz_pointer(t);
    switch (kind) {
    case FUZZ_FD:
        return descriptor(t);
    case FUZZ_DIRFD:
        return fuzz_one_in(t, 2) ? (uint64_t)AT_FDCWD : descriptor(t);
    case FUZZ_PID:
        return process(t);
    case FUZZ_SIG:
        return signal_number(t);
    case FUZZ_CLOCK:
        return clock_number(t);
    case FUZZ_UID:
    case FUZZ_GID:
        return users[fuzz_below(t, COUNT(users))];
    case FUZZ_MODE:
        return fuzz_below(t, 4) << 12 | fuzz_below(t, 07777);
    case FUZZ_FUTEX_OP:
        return fuzz_below(t, 15) | (fuzz_one_in(t, 2) ? 128 : 0);
    case FUZZ_SIZE:
        return size(t);
    case FUZZ_PATH:
    case FUZZ_STR:
        return fuzz_one_in(t, 8) ? fuzz_pointer(t) : text(t);
    case FUZZ_PTR:
        return fuzz_one_in(t, 3) ? fuzz_pointer(t) : (uint64_t)fuzz_bytes(t, 64);
    default:
        return fuzz_one_in(t, 3) ? (uint64_t)t->recent[fuzz_below(t, RECENT)] : fuzz_number(t);
    }
}

// --- What only the name of an argument tells -----------------------------------------------------

static const struct hint {
    const char *call, *argument;
    unsigned count;
    const uint64_t *values;
} hints[] = {
#define HINT(call, argument, ...)                                                                  \
    {                                                                                              \
        call, argument, COUNT(((const uint64_t[]){__VA_ARGS__})), (const uint64_t[])               \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
    HINT("ioctl", "cmd", 0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5406, 0x5409, 0x540a, 0x540b,
         0x540c, 0x540d, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b, 0x5420,
         0x5421, 0x5422, 0x5423, 0x5424, 0x5429, 0x5437, 0x5441, 0x5450, 0x5451, 0x5452, 0x5460,
         0x802c542a, 0x402c542b, 0x80045430, 0x40045431, 0x80045432, 0x40045436, 0x80045438,
         0x80045439, 0x80045440, 0x8905, 0x8910, 0x8912, 0x8913, 0x8915, 0x8927, 0x8933, 0x40085400,
         0xb701, 0xb702, 0xb703, 0x8004b704, 0x40049409, 0x4020940d, 0x80086601, 0x40086602,
         0xc020660b),
    HINT("ptrace", "request", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 24, 31, 0x4200, 0x4201, 0x4202,
         0x4203, 0x4204, 0x4205, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a, 0x420b, 0x420d, 0x420e,
         0x420f),
    HINT("ptrace", "addr", 1, 2, 3, 0x402, 0x403, 0x404, 0x406),
    HINT("setsockopt", "level", 0, 1, 6, 17, 41, 58, 255, 270),
    HINT("getsockopt", "level", 0, 1, 6, 17, 41, 58, 255, 270),
    HINT("semctl", "cmd", 0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
    HINT("shmctl", "cmd", 0, 1, 2, 3, 11, 12, 13, 14, 15),
    HINT("msgctl", "cmd", 0, 1, 2, 3, 11, 12, 13),
    HINT("semget", "key", 0, 1, 2),
    HINT("semget", "nsems", 0, 1, 3),
    HINT("shmget", "key", 0, 1, 2),
    HINT("shmget", "size", 1, 4096, 20000),
    HINT("msgget", "key", 0, 1, 2),
    HINT("syslog", "type", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    HINT("kcmp", "type", 0, 1, 2, 3, 4, 5, 6, 7, 8),
    HINT("seccomp", "op", 1, 2, 3),
    HINT("mremap", "flags", 0, 1, 3, 5),
    HINT("rt_sigaction", "sigsetsize", 8),
    HINT("rt_sigprocmask", "sigsetsize", 8),
    HINT("rt_sigsuspend", "sigsetsize", 8),
    HINT("rt_sigtimedwait", "sigsetsize", 8),
    HINT("ppoll", "sigsetsize", 8),
    HINT("epoll_pwait", "sigsetsize", 8),
    HINT("signalfd4", "sigsetsize", 8),
    HINT("epoll_pwait", "timeout", 0, 1, 5),
    HINT("mmap", "flags", 0x22, 0x32, 1, 2, 0x11, 0x12, 0x100022),
    HINT("mmap", "fd", 30, 31, 32, 33, 34, 35, 36),
    HINT("mmap", "offset", 0, 4096, 1 << 20),
    HINT("socket", "family", 1, 1, 16, 38, 17),
    HINT("socketpair", "family", 1),
    HINT("futex_waitv", "nr_futexes", 1, 2, 128),
    HINT("getrandom", "count", 1, 64, 4096),
    HINT("flock", "operation", 4, 5, 6, 8, 12),
    HINT("fcntl", "cmd", 5, 6, 36, 37, 1033, 1034, 1031),
    HINT("prctl", "option", 1, 2, 3, 4, 7, 8, 15, 16, 22, 23, 24, 27, 28, 36, 37, 38, 39, 47,
         0x59616d61, 0x53564d41),
#undef HINT
};

static const struct hint *find_hint(const struct fuzz_row *row, const struct fuzz_arg *arg)
{
    for (size_t i = 0; i < COUNT(hints); i++) {
        if (!strcmp(hints[i].call, row->name) && !strcmp(hints[i].argument, arg->name))
            return &hints[i];
    }
    return NULL;
}

// A call of the address space: what it does to memory must be done to the pages meant for it.
static bool aims_at_memory(const struct fuzz_row *row, const struct fuzz_arg *arg)
{
    static const char *const calls[] = {
        "munmap",           "mremap",  "mmap",    "mprotect",     "msync", "mlock",
        "munlock",          "mincore", "madvise", "shmat",        "shmdt", "mlock2",
        "remap_file_pages", "brk",     "mbind",   "pkey_mprotect"};
    if (arg->kind != FUZZ_PTR || (strcmp(arg->name, "addr") && strcmp(arg->name, "new_addr")))
        return false;
    for (size_t i = 0; i < COUNT(calls); i++) {
        if (!strcmp(calls[i], row->name))
            return true;
    }
    return false;
}

static uint64_t of_set(struct fuzz_thread *t, const struct fuzz_arg *arg)
{
    uint64_t value = 0;
    unsigned n = arg->single ? 1 : (unsigned)fuzz_below(t, 4);
    if (fuzz_one_in(t, 12))
        return fuzz_number(t);
    while (n--)
        value |= arg->set->values[fuzz_below(t, arg->set->count)];
    return value;
}

static uint64_t structure(struct fuzz_thread *t, const struct fuzz_arg *arg)
{
    unsigned count = arg->length >= 0 ? 4 : 1;
    switch (fuzz_below(t, 8)) {
    case 0:
        return 0;
    case 1:
        return fuzz_pointer(t);
    default:
        return fuzz_struct(t, arg->structure, count);
    }
}

static bool names_process(const struct fuzz_arg *arg)
{
    static const char *const names_of[] = {"pid", "tid", "tgid", "pid1", "pid2", "who", "id"};
    if (arg->kind == FUZZ_PID)
        return true;
    for (size_t i = 0; i < COUNT(names_of); i++) {
        if (!strcmp(arg->name, names_of[i]))
            return true;
    }
    return false;
}

static uint64_t argument(struct fuzz_thread *t, const struct fuzz_row *row, unsigned index)
{
    const struct fuzz_arg *arg = &row->args[index];
    const struct hint *hint = find_hint(row, arg);
    if (hint && !fuzz_one_in(t, 6))
        return hint->values[fuzz_below(t, hint->count)];
    if (aims_at_memory(row, arg) && !fuzz_one_in(t, 8))
        return (uint64_t)t->victim + fuzz_below(t, DATA_PAGES) * PAGE + (fuzz_one_in(t, 8) ? 1 : 0);
    // Lengths of what a call reads or writes: few elements.
    for (int i = 0; i < row->argc; i++) {
        if (row->args[i].length == (int)index && row->args[i].kind == FUZZ_STRUCT &&
            !fuzz_one_in(t, 5))
            return row->args[i].structure == fuzz_sockaddr ? fuzz_below(t, 130) : fuzz_below(t, 6);
    }
    switch (arg->kind) {
    case FUZZ_SET:
        return of_set(t, arg);
    case FUZZ_BUF:
        return fuzz_one_in(t, 4) ? fuzz_pointer(t) : (uint64_t)fuzz_bytes(t, PAGE);
    case FUZZ_STRUCT:
        return structure(t, arg);
    default:
        return fuzz_value(t, names_process(arg) ? FUZZ_PID : arg->kind);
    }
}

// Room in a file is room on the host's disk, where others work at the same time: little, or more
// than any file can have.
static bool is_room(const struct fuzz_row *row, unsigned index)
{
    return row->number == SYS_fallocate && index == 3;
}

static uint64_t room(uint64_t wanted)
{
    const uint64_t little = 1ull << 20, beyond = 1ull << 44;
    return wanted >= beyond ? wanted : wanted % little;
}

// Process 1 judges; a round that is one itself has others above it.
uint64_t fuzz_argument(struct fuzz_thread *t, const struct fuzz_row *row, unsigned index)
{
    uint64_t value = argument(t, row, index);
    if (is_room(row, index))
        return room(value);
    return names_process(&row->args[index]) && (uint32_t)value == 1 && getpid() != 1 ? 2 : value;
}
