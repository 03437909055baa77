// Copies between guest memory and ours, in ACCESS (emu/mem.h). See kernel/user.h.
#include "kernel/user.h"
#include "emu/mem.h"
#include "kernel/kernel.h"
#include "kernel/mm.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, IOV_COUNT = 1024 };

// The most that is copied in one stretch of ACCESS.
enum { STRETCH = 16384 };

static size_t to_page_end(uaddr_t addr, size_t n)
{
    size_t left = MEM_PAGE_SIZE - (size_t)(addr & MEM_PAGE_MASK);
    return n < left ? n : left;
}

// Without memory for the page the call goes on as if there were none; that it was there is known to
// the guest, so its process ends before it sees the answer.
static void no_memory(struct task *task)
{
    task->no_memory = true;
    atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
}

static bool fault_in(struct task *task, uaddr_t addr, enum mem_access access)
{
    enum mm_fault_result result = mm_fault(task->mm, addr, access);
    if (UNLIKELY(result == MM_FAULT_OOM))
        no_memory(task);
    return result == MM_FAULT_OK;
}

// Copies what is present, up to STRETCH bytes; the CPU is the calling thread's own.
static size_t copy_present(struct cpu *cpu, uaddr_t addr, void *to, const void *from, size_t n)
{
    size_t done = 0;
    mem_access_begin(cpu);
    while (done < n && done < STRETCH) {
        size_t part = to_page_end(addr + done, n - done);
        void *host = mem_access_host(cpu, addr + done, to ? MEM_READ : MEM_WRITE);
        if (!host)
            break;
        if (to)
            mem_copy((char *)to + done, host, part);
        else if (from)
            mem_copy(host, (const char *)from + done, part);
        else
            mem_zero(host, part);
        done += part;
    }
    mem_access_end(cpu);
    return done;
}

// Copies in one direction until done or a page is not there. Returns the bytes copied.
static size_t copy(struct task *task, uaddr_t addr, void *to, const void *from, size_t n,
                   bool nofault)
{
    size_t done = 0;
    if (!task->cpu.mem)
        return 0;
    while (done < n) {
        size_t got = copy_present(&task->cpu, addr + done, to ? (char *)to + done : NULL,
                                  from ? (const char *)from + done : NULL, n - done);
        done += got;
        if (got == 0 && (nofault || !fault_in(task, addr + done, to ? MEM_READ : MEM_WRITE)))
            break;
    }
    return done;
}

size_t user_read_partial(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return copy(task, addr, buf, NULL, n, false);
}

size_t user_write_partial(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task, addr, NULL, buf, n, false);
}

int user_read(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return copy(task, addr, buf, NULL, n, false) == n ? 0 : -LINUX_EFAULT;
}

int user_write(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task, addr, NULL, buf, n, false) == n ? 0 : -LINUX_EFAULT;
}

int user_zero(struct task *task, uaddr_t addr, size_t n)
{
    return copy(task, addr, NULL, NULL, n, false) == n ? 0 : -LINUX_EFAULT;
}

int user_write_nofault(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    return copy(task, addr, NULL, buf, n, true) == n ? 0 : -LINUX_EFAULT;
}

bool user_is_range(uaddr_t addr, uint64_t n)
{
    return n <= MEM_VA_END && cpu_untag(addr) <= MEM_VA_END - n;
}

int user_fault_in(struct task *task, uaddr_t addr, bool write)
{
    if (!task->mm || !fault_in(task, addr, write ? MEM_WRITE : MEM_READ))
        return -LINUX_EFAULT;
    return 0;
}

// --- Strings -------------------------------------------------------------------------------------

ssize_t user_string(struct task *task, uaddr_t addr, char *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        // Copied before it is looked at: another thread may change it meanwhile.
        size_t part = to_page_end(addr + done, size - done);
        if (copy(task, addr + done, buf + done, NULL, part, false) != part)
            return -LINUX_EFAULT;
        const char *nul = memchr(buf + done, '\0', part);
        if (nul)
            return nul - buf;
        done += part;
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

static ssize_t remote(struct mm *mm, uaddr_t addr, void *to, const void *from, size_t n, bool force)
{
    size_t done = 0;
    uint64_t at = cpu_untag(addr);
    while (done < n) {
        size_t part = to_page_end(at + done, n - done);
        if (mm_is_secret(mm, at + done) ||
            mm_copy(mm, at + done, to ? (char *)to + done : NULL,
                    from ? (const char *)from + done : NULL, part, force))
            break;
        done += part;
    }
    return done > 0 || n == 0 ? (ssize_t)done : -LINUX_EIO;
}

ssize_t user_remote_read(struct mm *mm, uaddr_t addr, void *buf, size_t n, bool force)
{
    return remote(mm, addr, buf, NULL, n, force);
}

ssize_t user_remote_write(struct mm *mm, uaddr_t addr, const void *buf, size_t n, bool force)
{
    return remote(mm, addr, NULL, buf, n, force);
}

// --- Words ---------------------------------------------------------------------------------------

// Loads the word, or exchanges it when `desired` is not NULL.
NO_TSAN static bool word_present(struct cpu *cpu, uaddr_t addr, uint32_t *seen,
                                 const uint32_t *desired)
{
    mem_access_begin(cpu);
    _Atomic uint32_t *word = mem_access_host(cpu, addr, desired ? MEM_WRITE : MEM_READ);
    if (word && desired)
        atomic_compare_exchange_strong(word, seen, *desired);
    else if (word)
        *seen = atomic_load(word);
    mem_access_end(cpu);
    return word;
}

static int word(struct task *task, uaddr_t addr, uint32_t *seen, const uint32_t *desired,
                bool nofault)
{
    if (addr & 3 || !task->cpu.mem)
        return -LINUX_EFAULT;
    while (!word_present(&task->cpu, addr, seen, desired)) {
        if (nofault || !fault_in(task, addr, desired ? MEM_WRITE : MEM_READ))
            return -LINUX_EFAULT;
    }
    return 0;
}

int user_load32(struct task *task, uaddr_t addr, uint32_t *out, bool nofault)
{
    return word(task, addr, out, NULL, nofault);
}

int user_cmpxchg32(struct task *task, uaddr_t addr, uint32_t expect, uint32_t desired,
                   uint32_t *seen, bool nofault)
{
    *seen = expect;
    return word(task, addr, seen, &desired, nofault);
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
        size_t got = copy(it->task, addr, to ? (char *)to + done : NULL,
                          from ? (const char *)from + done : NULL, want, false);
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

// Bytes written to a pinned frame could miss the guest when another thread forks meanwhile and the
// page is copied. So only a lone thread's page is written directly; others get a page of their own
// that is copied when it is full.
static size_t user_pin(struct iter *it, size_t n, bool for_write, void **host)
{
    if (it->left == 0 || n == 0)
        return 0;
    size_t room;
    uaddr_t addr = iter_address(it, &room);
    struct frame *frame;
    struct task *task = it->task;
    n = n < room ? n : room;
    n = to_page_end(addr, n < it->left ? n : it->left);
    it->bounced = for_write && mm_is_shared(task->mm);
    int err;
    if (it->bounced) {
        err = user_fault_in(task, addr, true);
        if (!err && !(err = frame_alloc_uninit(task->kernel->frames, &frame)))
            *host = frame->host;
    } else {
        err = mm_pin(task->mm, cpu_untag(addr), for_write ? MEM_WRITE : MEM_READ, false, &frame,
                     host);
    }
    if (err == -LINUX_ENOMEM)
        no_memory(task);
    if (err)
        return 0;
    it->pinned = frame;
    return n;
}

static void user_unpin(struct iter *it, size_t used)
{
    struct frame *frame = it->pinned;
    if (it->bounced && used > 0) {
        // Only a page unmapped since the pin is not written; nobody can tell the difference.
        size_t room;
        (void)copy(it->task, iter_address(it, &room), NULL, frame->host, used, false);
    }
    frame_put(frame);
    it->pinned = NULL;
    iter_advance(it, used);
}

static const struct iter_ops user_iter_ops = {
    .copy_in = user_copy_in,
    .copy_out = user_copy_out,
    .pin = user_pin,
    .unpin = user_unpin,
};

int user_iter_check(const struct iter *it, size_t n, bool write)
{
    if (it->ops != &user_iter_ops)
        return 0;
    struct iter ahead = *it;
    size_t all = n;
    while (n > 0) {
        size_t room;
        uaddr_t addr = iter_address(&ahead, &room);
        size_t part = to_page_end(addr, n < room ? n : room);
        if (part == all)
            return 0; // one page: the transfer takes it whole, or finds out itself
        if (user_fault_in(it->task, addr, write))
            return -LINUX_EFAULT;
        iter_advance(&ahead, part);
        n -= part;
    }
    return 0;
}

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
