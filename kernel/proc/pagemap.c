// /proc/PID/pagemap: 8 bytes for each page. There is no memory to number: the number of the page
// frame is 0, as Linux shows it to those it should not concern.
#include "kernel/mm_internal.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

enum { ENTRY = 8, BATCH = 512 };
#define PM_PRESENT   (1ull << 63)
#define PM_FILE      (1ull << 61) // of a file, or shared memory
#define PM_EXCLUSIVE (1ull << 56) // mapped here alone

static void describe_pages(struct mm *mm, uint64_t page, size_t count, uint64_t *out)
{
    lock_acquire(&mm->lock);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (page + i) << MEM_PAGE_BITS;
        struct mem_entry e = mem_lookup(mm->mem, at);
        const struct vma *v = e.frame ? vma_at(mm, at) : NULL;
        bool of_file = e.shared || (v && v->file && !e.sole && !e.writable);
        out[i] = e.frame ? PM_PRESENT | (of_file ? PM_FILE : 0) | (e.sole ? PM_EXCLUSIVE : 0) : 0;
    }
    lock_release(&mm->lock);
}

static ssize_t pagemap_read(struct file *file, struct iter *it, uint64_t *pos)
{
    const uint64_t pages = MEM_VA_END >> MEM_PAGE_BITS;
    uint64_t page = *pos / ENTRY;
    if (*pos % ENTRY || it->left % ENTRY)
        return -LINUX_EINVAL;
    const struct proc_kept *kept = proc_kept_of(file);
    struct mm *mm = kept->mm ? mm_get_unless_gone(kept->mm) : NULL;
    if (!mm)
        return 0;
    ssize_t done = 0;
    int err = 0;
    while (it->left && page < pages && !err) {
        uint64_t entries[BATCH], n = it->left / ENTRY < BATCH ? it->left / ENTRY : BATCH;
        n = n < pages - page ? n : pages - page;
        describe_pages(mm, page, (size_t)n, entries);
        err = iter_put(it, entries, (size_t)n * ENTRY);
        page += n;
        done += err ? 0 : (ssize_t)(n * ENTRY);
    }
    mm_put(mm);
    *pos += (uint64_t)done;
    return done ? done : err;
}

const struct file_ops proc_pagemap_file_ops = {
    .read = pagemap_read,
    .seek = proc_seek,
    .release = proc_file_release,
};
