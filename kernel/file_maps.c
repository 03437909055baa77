#include "kernel/file_maps.h"
#include "kernel/kernel.h"
#include "kernel/mm_internal.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

enum { BUCKETS = 256 };

struct file_maps {
    struct bucket {
        struct lock lock; // rank file_maps
        struct list vmas; // of every inode that hashes here
        unsigned count;
    } bucket[BUCKETS];
};

static struct bucket *bucket_of(const struct kernel *kernel, const struct inode *inode)
{
    uint64_t h = ((uintptr_t)inode >> 6) * 0x9e3779b97f4a7c15ull;
    return &kernel->file_maps->bucket[h >> 56];
}

void file_maps_add(struct vma *v)
{
    if (!v->file)
        return;
    struct bucket *b = bucket_of(v->mm->kernel, v->file->inode);
    lock_acquire(&b->lock);
    list_add_tail(&b->vmas, &v->by_inode);
    b->count++;
    lock_release(&b->lock);
}

void file_maps_remove(struct vma *v)
{
    if (!v->file)
        return;
    struct bucket *b = bucket_of(v->mm->kernel, v->file->inode);
    lock_acquire(&b->lock);
    list_remove(&v->by_inode);
    b->count--;
    lock_release(&b->lock);
}

// The next mapping of the inode, moved to the end of the list; its mm, referenced. `*left` mappings
// of the bucket are still to be looked at in this round.
static struct mm *next_mm(struct bucket *b, const struct inode *inode, unsigned *left)
{
    struct mm *found = NULL;
    lock_acquire(&b->lock);
    while (!found && *left > 0 && !list_empty(&b->vmas)) {
        struct vma *v = list_first(&b->vmas, struct vma, by_inode);
        list_remove(&v->by_inode);
        list_add_tail(&b->vmas, &v->by_inode);
        --*left;
        if (v->file->inode == inode)
            found = mm_get_unless_gone(v->mm);
    }
    lock_release(&b->lock);
    return found;
}

// Clears the pages [first, end) of the inode from one address space; true if there were any.
static bool revoke_in(struct mm *mm, const struct inode *inode, uint64_t first, uint64_t end,
                      bool truncated)
{
    struct mem_batch batch;
    uint64_t before, after, ignored;
    mem_batch_init(&batch);
    lock_acquire(&mm->lock);
    mem_count(mm->mem, &before, &ignored);
    for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
        if (!v->file || v->file->inode != inode)
            continue;
        uint64_t pages = (v->end - v->start) / PAGE_SIZE;
        uint64_t from = first > v->page ? first - v->page : 0;
        uint64_t to = end > v->page ? end - v->page : 0;
        to = to < pages ? to : pages;
        if (from >= to)
            continue;
        // Without memory to split a shared table the entries stay; the frames behind them do too.
        (void)!mem_clear(mm->mem, &batch, v->start + from * PAGE_SIZE, (to - from) * PAGE_SIZE,
                         !truncated);
    }
    mem_count(mm->mem, &after, &ignored);
    lock_release(&mm->lock);
    mem_batch_finish(&batch);
    return before != after;
}

// A fork that runs meanwhile may copy entries to a mapping that was not looked at yet; it holds the
// parent's lock, and the parent's entries are found only after it. So the rounds end with one that
// finds nothing.
static void revoke(void *ctx, struct inode *inode, uint64_t first, uint64_t end, bool truncated)
{
    struct kernel *kernel = ctx;
    struct bucket *b = bucket_of(kernel, inode);
    bool found = true;
    while (found) {
        found = false;
        lock_acquire(&b->lock);
        unsigned left = b->count;
        lock_release(&b->lock);
        struct mm *mm;
        while ((mm = next_mm(b, inode, &left)) != NULL) {
            found |= revoke_in(mm, inode, first, end, truncated);
            mm_put(mm);
        }
    }
}

int file_maps_create(struct kernel *kernel)
{
    struct file_maps *maps = calloc(1, sizeof *maps);
    if (!maps)
        return -LINUX_ENOMEM;
    for (unsigned i = 0; i < BUCKETS; i++) {
        lock_init(&maps->bucket[i].lock, LOCK_RANK_FILE_MAPS);
        list_init(&maps->bucket[i].vmas);
    }
    kernel->file_maps = maps;
    struct vfs_hooks hooks = {.ctx = kernel, .revoke = revoke};
    vfs_set_hooks(kernel->vfs, &hooks);
    return 0;
}

void file_maps_destroy(struct kernel *kernel)
{
    if (!kernel->file_maps)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        lock_destroy(&kernel->file_maps->bucket[i].lock);
    free(kernel->file_maps);
    kernel->file_maps = NULL;
}
