#include "kernel/fd.h"
#include "kernel/dnotify.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

enum {
    WORD_BITS = 64,
    FD_FIRST_CAPACITY = WORD_BITS,
};

// A descriptor is taken when its bit is set; its file is NULL while it is only reserved.
//
// Everything but refs is guarded by lock, with one exception: while refs is 1 the only task that
// can change the table is its owner, so the owner looks descriptors up without the lock. Others
// (procfs) may read at the same time, under the lock, with a reference of their own.
struct fd_table {
    _Atomic uint32_t refs;
    struct lock lock;
    uint32_t capacity; // a multiple of WORD_BITS
    uint32_t lowest;   // every descriptor below is taken
    struct file **files;
    uint64_t *taken, *cloexec;
};

static bool bit_get(const uint64_t *words, uint32_t i)
{
    return words[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static void bit_set(uint64_t *words, uint32_t i, bool on)
{
    uint64_t bit = 1ull << (i % WORD_BITS);
    if (on)
        words[i / WORD_BITS] |= bit;
    else
        words[i / WORD_BITS] &= ~bit;
}

// The first clear bit in [from, capacity), or capacity.
static uint32_t find_free(const struct fd_table *t, uint32_t from)
{
    for (uint32_t word = from / WORD_BITS; word < t->capacity / WORD_BITS; word++) {
        uint64_t clear = ~t->taken[word];
        if (word == from / WORD_BITS)
            clear &= ~0ull << (from % WORD_BITS);
        if (clear)
            return word * WORD_BITS + (uint32_t)__builtin_ctzll(clear);
    }
    return from > t->capacity ? from : t->capacity;
}

static void *grown(const void *old, size_t old_size, size_t size)
{
    void *p = calloc(1, size);
    if (p && old_size)
        memcpy(p, old, old_size);
    return p;
}

// Makes room for descriptor `fd`.
static int grow(struct fd_table *t, uint32_t fd) REQUIRES(t->lock)
{
    if (fd < t->capacity)
        return 0;
    uint32_t capacity = t->capacity ? t->capacity : FD_FIRST_CAPACITY;
    while (capacity <= fd)
        capacity *= 2;
    size_t old_words = t->capacity / WORD_BITS, words = capacity / WORD_BITS;
    struct file **files =
        grown(t->files, t->capacity * sizeof *files, capacity * sizeof(struct file *));
    uint64_t *taken = grown(t->taken, old_words * sizeof *taken, words * sizeof *taken);
    uint64_t *cloexec = grown(t->cloexec, old_words * sizeof *cloexec, words * sizeof *cloexec);
    if (!files || !taken || !cloexec) {
        free(files);
        free(taken);
        free(cloexec);
        return -LINUX_ENOMEM;
    }
    free(t->files);
    free(t->taken);
    free(t->cloexec);
    t->files = files;
    t->taken = taken;
    t->cloexec = cloexec;
    t->capacity = capacity;
    return 0;
}

int fd_table_create(struct fd_table **out)
{
    struct fd_table *t = calloc(1, sizeof *t);
    if (!t)
        return -LINUX_ENOMEM;
    atomic_init(&t->refs, 1);
    lock_init(&t->lock, LOCK_RANK_FILES);
    *out = t;
    return 0;
}

static void table_free(struct fd_table *t)
{
    lock_destroy(&t->lock);
    free(t->files);
    free(t->taken);
    free(t->cloexec);
    free(t);
}

// Descriptors the table would need if it were made anew: one past the highest open one.
static uint32_t used_capacity(const struct fd_table *t)
{
    for (uint32_t word = t->capacity / WORD_BITS; word-- > 0;)
        if (t->taken[word])
            return (word + 1) * WORD_BITS;
    return 0;
}

int fd_table_copy(struct fd_table *from, struct fd_table **out)
{
    struct fd_table *t;
    int err = fd_table_create(&t);
    if (err)
        return err;
    lock_acquire(&from->lock);
    uint32_t count = used_capacity(from);
    lock_acquire_nested(&t->lock); // nobody else sees the copy yet
    err = count ? grow(t, count - 1) : 0;
    for (uint32_t fd = 0; !err && fd < count; fd++) {
        struct file *file = from->files[fd];
        if (!file)
            continue; // free, or reserved by a thread that does not come along
        t->files[fd] = file_get(file);
        bit_set(t->taken, fd, true);
        bit_set(t->cloexec, fd, bit_get(from->cloexec, fd));
    }
    lock_release(&t->lock);
    lock_release(&from->lock);
    if (err) {
        table_free(t);
        return err;
    }
    *out = t;
    return 0;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

// What close(2) does once the descriptor is gone from the table.
static void close_file(struct fd_table *t, struct file *file, struct task *task)
{
    if (file->ops->flush)
        file->ops->flush(file, task);
    if (task)
        dnotify_close(task->kernel, file, t);
    if (file->inode && !(atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_PATH))
        vfs_lock_release_owner(file->inode, t);
    file_put(file);
}

void fd_table_put(struct fd_table *t, struct task *closer)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t fd = 0; fd < t->capacity; fd++)
        if (t->files[fd])
            close_file(t, t->files[fd], closer);
    table_free(t);
}

// Frees the descriptor and returns the file that was there, or NULL.
static struct file *take_out(struct fd_table *t, uint32_t fd) REQUIRES(t->lock)
{
    struct file *file = t->files[fd];
    if (!file)
        return NULL;
    t->files[fd] = NULL;
    bit_set(t->taken, fd, false);
    bit_set(t->cloexec, fd, false);
    if (fd < t->lowest)
        t->lowest = fd;
    return file;
}

// Closes every open descriptor of [first, last], or those marked close-on-exec.
static void close_matching(struct fd_table *t, struct task *task, uint32_t first, uint32_t last,
                           bool only_cloexec)
{
    for (uint64_t fd = first; fd <= last; fd++) {
        lock_acquire(&t->lock);
        struct file *file = NULL;
        while (fd <= last && fd < t->capacity) {
            if (!only_cloexec || bit_get(t->cloexec, (uint32_t)fd))
                file = take_out(t, (uint32_t)fd);
            if (file)
                break;
            fd++;
        }
        lock_release(&t->lock);
        if (!file)
            return;
        close_file(t, file, task);
    }
}

void fd_table_close_on_exec(struct fd_table *t, struct task *task)
{
    close_matching(t, task, 0, UINT32_MAX, true);
}

int fd_table_unshare(struct task *task)
{
    struct fd_table *old = task->files, *copy;
    if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
        return 0;
    int err = fd_table_copy(old, &copy);
    if (err)
        return err;
    lock_acquire(&task->lock);
    task->files = copy;
    lock_release(&task->lock);
    fd_table_put(old, task);
    return 0;
}

// --- Lookup --------------------------------------------------------------------------------------

struct file *fd_get(struct task *task, int fd)
{
    struct fd_table *t = task->files;
    struct file *file = NULL;
    if (LIKELY(atomic_load_explicit(&t->refs, memory_order_acquire) == 1)) {
        if ((uint32_t)fd < t->capacity && t->files[fd])
            file = file_get(t->files[fd]);
        return file;
    }
    lock_acquire(&t->lock);
    if ((uint32_t)fd < t->capacity && t->files[fd])
        file = file_get(t->files[fd]);
    lock_release(&t->lock);
    return file;
}

struct file *fd_get_io(struct task *task, int fd)
{
    struct file *file = fd_get(task, fd);
    if (file && UNLIKELY(atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_PATH)) {
        file_put(file);
        return NULL;
    }
    return file;
}

bool fd_is_bad(struct task *task, int fd)
{
    struct file *file = fd_get_io(task, fd);
    if (file)
        file_put(file);
    return !file;
}

struct file *fd_table_lookup(struct fd_table *t, int fd, bool *cloexec)
{
    struct file *file = NULL;
    lock_acquire(&t->lock);
    if ((uint32_t)fd < t->capacity && t->files[fd]) {
        file = file_get(t->files[fd]);
        *cloexec = bit_get(t->cloexec, (uint32_t)fd);
    }
    lock_release(&t->lock);
    return file;
}

unsigned fd_table_size(struct fd_table *t)
{
    lock_acquire(&t->lock);
    unsigned size = t->capacity ? t->capacity : (unsigned)FD_FIRST_CAPACITY;
    lock_release(&t->lock);
    return size;
}

int fd_table_next(struct fd_table *t, int fd)
{
    lock_acquire(&t->lock);
    uint32_t next = (uint32_t)(fd + 1);
    while (next < t->capacity && !t->files[next])
        next++;
    int found = next < t->capacity ? (int)next : -1;
    lock_release(&t->lock);
    return found;
}

// --- Changes -------------------------------------------------------------------------------------

static uint32_t fd_limit(struct task *task)
{
    return (uint32_t)task_rlimit(task, LINUX_RLIMIT_NOFILE); // at most fs.nr_open
}

int fd_reserve(struct task *task, int min, bool cloexec)
{
    struct fd_table *t = task->files;
    uint32_t limit = fd_limit(task);
    lock_acquire(&t->lock);
    uint32_t from = (uint32_t)min > t->lowest ? (uint32_t)min : t->lowest;
    uint32_t fd = find_free(t, from);
    int err = fd >= limit ? -LINUX_EMFILE : grow(t, fd);
    if (!err) {
        bit_set(t->taken, fd, true);
        bit_set(t->cloexec, fd, cloexec);
        if (from == t->lowest)
            t->lowest = fd + 1;
    }
    lock_release(&t->lock);
    return err ? err : (int)fd;
}

void fd_fill(struct task *task, int fd, struct file *file)
{
    struct fd_table *t = task->files;
    lock_acquire(&t->lock);
    ISH_ASSERT(bit_get(t->taken, (uint32_t)fd) && !t->files[fd]);
    t->files[fd] = file;
    lock_release(&t->lock);
}

void fd_unreserve(struct task *task, int fd)
{
    struct fd_table *t = task->files;
    lock_acquire(&t->lock);
    ISH_ASSERT(bit_get(t->taken, (uint32_t)fd) && !t->files[fd]);
    bit_set(t->taken, (uint32_t)fd, false);
    bit_set(t->cloexec, (uint32_t)fd, false);
    if ((uint32_t)fd < t->lowest)
        t->lowest = (uint32_t)fd;
    lock_release(&t->lock);
}

int fd_install(struct task *task, struct file *file, int min, bool cloexec)
{
    int fd = fd_reserve(task, min, cloexec);
    if (fd < 0)
        file_put(file);
    else
        fd_fill(task, fd, file);
    return fd;
}

int fd_install_at(struct task *task, struct file *file, int fd, bool cloexec)
{
    struct fd_table *t = task->files;
    if ((uint32_t)fd >= fd_limit(task)) { // as is a negative one
        file_put(file);
        return -LINUX_EBADF;
    }
    struct file *old = NULL;
    lock_acquire(&t->lock);
    int err = grow(t, (uint32_t)fd);
    if (!err && bit_get(t->taken, (uint32_t)fd) && !t->files[fd])
        err = -LINUX_EBUSY;
    if (!err) {
        old = t->files[fd];
        t->files[fd] = file;
        bit_set(t->taken, (uint32_t)fd, true);
        bit_set(t->cloexec, (uint32_t)fd, cloexec);
    }
    lock_release(&t->lock);
    if (err)
        file_put(file);
    else if (old)
        close_file(t, old, task);
    return err ? err : fd;
}

int fd_table_set(struct fd_table *t, int fd, struct file *file)
{
    lock_acquire(&t->lock);
    int err = grow(t, (uint32_t)fd);
    if (!err) {
        ISH_ASSERT(!bit_get(t->taken, (uint32_t)fd));
        bit_set(t->taken, (uint32_t)fd, true);
        t->files[fd] = file;
    }
    lock_release(&t->lock);
    if (err)
        file_put(file);
    return err;
}

int fd_close(struct task *task, int fd)
{
    struct fd_table *t = task->files;
    struct file *file = NULL;
    lock_acquire(&t->lock);
    if ((uint32_t)fd < t->capacity)
        file = take_out(t, (uint32_t)fd);
    lock_release(&t->lock);
    if (!file)
        return -LINUX_EBADF;
    close_file(t, file, task);
    return 0;
}

void fd_close_range(struct task *task, uint32_t first, uint32_t last)
{
    close_matching(task->files, task, first, last, false);
}

void fd_cloexec_range(struct task *task, uint32_t first, uint32_t last)
{
    struct fd_table *t = task->files;
    lock_acquire(&t->lock);
    for (uint32_t fd = first; fd <= last && fd < t->capacity; fd++)
        if (bit_get(t->taken, fd))
            bit_set(t->cloexec, fd, true);
    lock_release(&t->lock);
}

int fd_cloexec_get(struct task *task, int fd)
{
    bool cloexec = false;
    struct file *file = fd_table_lookup(task->files, fd, &cloexec);
    if (!file)
        return -LINUX_EBADF;
    file_put(file);
    return cloexec;
}

int fd_cloexec_set(struct task *task, int fd, bool on)
{
    struct fd_table *t = task->files;
    lock_acquire(&t->lock);
    bool open = (uint32_t)fd < t->capacity && t->files[fd];
    if (open)
        bit_set(t->cloexec, (uint32_t)fd, on);
    lock_release(&t->lock);
    return open ? 0 : -LINUX_EBADF;
}

// --- Base of a relative path ---------------------------------------------------------------------

int fd_base_get(struct task *task, int dirfd, const char *name, struct fd_base *out)
{
    *out = (struct fd_base){NULL, NULL};
    if (dirfd == LINUX_AT_FDCWD || name[0] == '/')
        return 0;
    struct file *file = fd_get(task, dirfd);
    if (!file)
        return -LINUX_EBADF;
    // What is in a tree and no directory is for the walk to say, in its turn.
    if (name[0] && !file->path.dentry) {
        file_put(file);
        return -LINUX_ENOTDIR;
    }
    out->file = file;
    out->path = &file->path;
    return 0;
}

void fd_base_done(struct fd_base *base)
{
    if (base->file)
        file_put(base->file);
    *base = (struct fd_base){NULL, NULL};
}
