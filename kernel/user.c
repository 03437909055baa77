// Copies between guest memory and ours, page by page through pinned frames. See kernel/user.h.
#include "kernel/user.h"
#include "kernel/mm.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, IOV_COUNT = 1024 };

// A pinned piece of guest memory: at most to the end of its page.
struct piece {
    struct frame *frame;
    void *host;
    size_t size;
};

static int piece_pin(struct mm *mm, uaddr_t addr, size_t n, enum mem_access access, unsigned flags,
                     struct piece *p)
{
    uint64_t at = cpu_untag(addr);
    if (!mm || at >= MEM_VA_END)
        return -LINUX_EFAULT;
    size_t left = MEM_PAGE_SIZE - (size_t)(at & MEM_PAGE_MASK);
    p->size = n < left ? n : left;
    return mm_pin(mm, at, access, flags, &p->frame, &p->host);
}

static void piece_unpin(struct piece *p)
{
    frame_put(p->frame);
}

// Copies in one direction until done or a page is not there. Returns the bytes copied.
static size_t copy(struct mm *mm, uaddr_t addr, void *to, const void *from, size_t n,
                   unsigned flags)
{
    size_t done = 0;
    while (done < n) {
        struct piece p;
        if (piece_pin(mm, addr + done, n - done, to ? MEM_READ : MEM_WRITE, flags, &p))
            break;
        if (to)
            memcpy((char *)to + done, p.host, p.size);
        else if (from)
            memcpy(p.host, (const char *)from + done, p.size);
        else
            memset(p.host, 0, p.size);
        done += p.size;
        piece_unpin(&p);
    }
    return done;
}

size_t user_read_partial(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return copy(task->mm, addr, buf, NULL, n, 0);
}

size_t user_write_partial(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task->mm, addr, NULL, buf, n, 0);
}

int user_read(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return copy(task->mm, addr, buf, NULL, n, 0) == n ? 0 : -LINUX_EFAULT;
}

int user_write(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task->mm, addr, NULL, buf, n, 0) == n ? 0 : -LINUX_EFAULT;
}

int user_zero(struct task *task, uaddr_t addr, size_t n)
{
    return copy(task->mm, addr, NULL, NULL, n, 0) == n ? 0 : -LINUX_EFAULT;
}

int user_read_nofault(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return copy(task->mm, addr, buf, NULL, n, MM_PIN_NOFAULT) == n ? 0 : -LINUX_EFAULT;
}

int user_write_nofault(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task->mm, addr, NULL, buf, n, MM_PIN_NOFAULT) == n ? 0 : -LINUX_EFAULT;
}

int user_fault_in(struct task *task, uaddr_t addr, bool write)
{
    struct piece p;
    int err = piece_pin(task->mm, addr, 1, write ? MEM_WRITE : MEM_READ, 0, &p);
    if (!err)
        piece_unpin(&p);
    return err;
}

// --- Strings -------------------------------------------------------------------------------------

ssize_t user_string(struct task *task, uaddr_t addr, char *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct piece p;
        if (piece_pin(task->mm, addr + done, size - done, MEM_READ, 0, &p))
            return -LINUX_EFAULT;
        // Copied before it is looked at: another thread may change it meanwhile.
        memcpy(buf + done, p.host, p.size);
        piece_unpin(&p);
        const char *nul = memchr(buf + done, '\0', p.size);
        if (nul)
            return nul - buf;
        done += p.size;
    }
    return -LINUX_ENAMETOOLONG;
}

int user_path(struct task *task, uaddr_t addr, char **out)
{
    char buf[PATH_BYTES];
    ssize_t len = user_string(task, addr, buf, sizeof buf);
    if (len < 0)
        return (int)len;
    char *copy_of = malloc((size_t)len + 1);
    if (!copy_of)
        return -LINUX_ENOMEM;
    memcpy(copy_of, buf, (size_t)len + 1);
    *out = copy_of;
    return 0;
}

// --- Other address spaces ------------------------------------------------------------------------

ssize_t user_remote_read(struct mm *mm, uaddr_t addr, void *buf, size_t n, bool force)
{
    size_t done = copy(mm, addr, buf, NULL, n, force ? MM_PIN_FORCE : 0);
    return done > 0 || n == 0 ? (ssize_t)done : -LINUX_EIO;
}

ssize_t user_remote_write(struct mm *mm, uaddr_t addr, const void *buf, size_t n, bool force)
{
    size_t done = copy(mm, addr, NULL, buf, n, force ? MM_PIN_FORCE : 0);
    return done > 0 || n == 0 ? (ssize_t)done : -LINUX_EIO;
}

// --- Words ---------------------------------------------------------------------------------------

int user_load32(struct task *task, uaddr_t addr, uint32_t *out, bool nofault)
{
    struct piece p;
    if (addr & 3 || piece_pin(task->mm, addr, 4, MEM_READ, nofault ? MM_PIN_NOFAULT : 0, &p))
        return -LINUX_EFAULT;
    *out = atomic_load((_Atomic uint32_t *)p.host);
    piece_unpin(&p);
    return 0;
}

int user_cmpxchg32(struct task *task, uaddr_t addr, uint32_t expect, uint32_t desired,
                   uint32_t *seen, bool nofault)
{
    struct piece p;
    if (addr & 3 || piece_pin(task->mm, addr, 4, MEM_WRITE, nofault ? MM_PIN_NOFAULT : 0, &p))
        return -LINUX_EFAULT;
    *seen = expect;
    atomic_compare_exchange_strong((_Atomic uint32_t *)p.host, seen, desired);
    piece_unpin(&p);
    return 0;
}

// --- Cursors -------------------------------------------------------------------------------------

struct user_vec {
    uint64_t base, len; // struct iovec of the guest
};

// Moves over exhausted vectors to the next byte.
static uaddr_t iter_address(struct iter *it, size_t *room)
{
    const struct user_vec *vec = it->vec;
    if (!vec) {
        *room = it->left;
        return it->base + it->vec_offset;
    }
    while (it->vec_offset == vec[it->vec_at].len) {
        it->vec_at++;
        it->vec_offset = 0;
    }
    *room = (size_t)vec[it->vec_at].len - it->vec_offset;
    return vec[it->vec_at].base + it->vec_offset;
}

static void iter_advance(struct iter *it, size_t n)
{
    it->vec_offset += n;
    it->left -= n;
}

static size_t iter_copy(struct iter *it, void *to, const void *from, size_t n)
{
    size_t done = 0;
    n = n < it->left ? n : it->left;
    while (done < n) {
        size_t room;
        uaddr_t addr = iter_address(it, &room);
        size_t want = n - done < room ? n - done : room;
        size_t got = copy(it->task->mm, addr, to ? (char *)to + done : NULL,
                          from ? (const char *)from + done : NULL, want, 0);
        iter_advance(it, got);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

static size_t user_copy_in(struct iter *it, void *buf, size_t n)
{
    return iter_copy(it, buf, NULL, n);
}

static size_t user_copy_out(struct iter *it, const void *buf, size_t n)
{
    return iter_copy(it, NULL, buf, n);
}

static size_t user_pin(struct iter *it, size_t n, bool for_write, void **host)
{
    if (it->left == 0 || n == 0)
        return 0;
    size_t room;
    uaddr_t addr = iter_address(it, &room);
    struct piece p;
    n = n < room ? n : room;
    n = n < it->left ? n : it->left;
    if (piece_pin(it->task->mm, addr, n, for_write ? MEM_WRITE : MEM_READ, 0, &p))
        return 0;
    it->pinned = p.frame;
    *host = p.host;
    return p.size;
}

static void user_unpin(struct iter *it, size_t used)
{
    frame_put(it->pinned);
    it->pinned = NULL;
    iter_advance(it, used);
}

static const struct iter_ops user_iter_ops = {
    .copy_in = user_copy_in,
    .copy_out = user_copy_out,
    .pin = user_pin,
    .unpin = user_unpin,
};

void user_iter(struct iter *it, struct task *task, uaddr_t addr, size_t n)
{
    *it = (struct iter){.ops = &user_iter_ops, .left = n, .task = task, .base = addr};
}

// readv(2): lengths must not be negative, and their sum must fit ssize_t; Linux cuts the total to
// what one transfer may move.
static int vec_check(struct user_vec *vec, size_t count, size_t *total)
{
    const uint64_t most = 0x7ffff000; // MAX_RW_COUNT
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if ((int64_t)vec[i].len < 0)
            return -LINUX_EINVAL;
        if (vec[i].len > most - sum)
            vec[i].len = most - sum;
        sum += vec[i].len;
    }
    *total = (size_t)sum;
    return 0;
}

int user_iter_vec(struct iter *it, struct task *task, uaddr_t iov, size_t count)
{
    if (count > IOV_COUNT)
        return -LINUX_EINVAL;
    struct user_vec *vec = calloc(count ? count : 1, sizeof *vec);
    if (!vec)
        return -LINUX_ENOMEM;
    size_t total = 0;
    int err = user_read(task, iov, vec, count * sizeof *vec);
    if (!err)
        err = vec_check(vec, count, &total);
    if (err) {
        free(vec);
        return err;
    }
    *it = (struct iter){
        .ops = &user_iter_ops, .left = total, .task = task, .vec = vec, .vec_count = count};
    return 0;
}

void user_iter_done(struct iter *it)
{
    free((void *)(uintptr_t)it->vec);
    it->vec = NULL;
}
