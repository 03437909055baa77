// Pages of host files: 4 KiB slices of shared windows onto the file, one frame per page, so that
// reads, writes and mappings of every process see the same bytes.
//
// Lives apart from the node, because a frame may be pinned longer than the file is open. The end of
// the file is checked here for each page; our own truncation lowers `limit` and takes mappings away
// before it cuts.
#include "fs/host/host_fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_mem.h"
#include <stdlib.h>

// A multiple of every host page size; large, because hosts limit the number of mappings.
enum { WINDOW_SIZE = 256 * 1024, WINDOW_PAGES = WINDOW_SIZE / FRAME_SIZE };

struct host_pages {
    _Atomic uint32_t refs; // the node's, and one for each page
    struct lock lock;      // rank file_pages
    // Guarded by lock.
    struct sparse_map pages;   // struct host_page by index, without references
    struct sparse_map windows; // struct host_window by index / WINDOW_PAGES
    uint64_t limit;            // no page from here on, UINT64_MAX: as the size says
};

struct host_window {
    void *addr;
    uint64_t index;
    unsigned pages; // that use it; guarded by the lock
    bool writable;  // guarded by the lock
};

struct host_page {
    struct host_pages *owner;
    struct host_window *window;
    struct frame *frame;
    uint64_t index;
};

static struct host_pages *get_pages(struct host_node *node)
{
    struct host_pages *have = atomic_load_explicit(&node->pages, memory_order_acquire);
    if (have)
        return have;
    struct host_pages *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    atomic_init(&made->refs, 1);
    lock_init(&made->lock, LOCK_RANK_FILE_PAGES);
    made->limit = UINT64_MAX;
    if (atomic_compare_exchange_strong_explicit(&node->pages, &have, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    lock_destroy(&made->lock);
    free(made);
    return have;
}

void host_pages_put(struct host_pages *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    sparse_map_free(&p->pages);
    sparse_map_free(&p->windows);
    lock_destroy(&p->lock);
    free(p);
}

// The file may have been opened for writing since the window was made.
static int window_allow_writes(struct host_window *w, const struct host_fd *h)
{
    if (w->writable || !h->writable)
        return 0;
    int err = host_remap_writable(h->fd, w->index * WINDOW_SIZE, w->addr, WINDOW_SIZE);
    w->writable = !err;
    return err;
}

// Under the lock. The window is not yet counted.
static int get_window(struct host_pages *p, const struct host_fd *h, uint64_t index,
                      struct host_window **out)
{
    *out = sparse_map_get(&p->windows, index);
    if (*out)
        return window_allow_writes(*out, h);
    struct host_window *w = calloc(1, sizeof *w);
    if (!w)
        return -LINUX_ENOMEM;
    w->index = index;
    w->writable = h->writable;
    int err = host_window_map(h->fd, index * WINDOW_SIZE, WINDOW_SIZE, h->writable, &w->addr);
    if (!err && sparse_map_set(&p->windows, index, w)) {
        host_window_unmap(w->addr, WINDOW_SIZE);
        err = -LINUX_ENOMEM;
    }
    if (err) {
        free(w);
        return err;
    }
    *out = w;
    return 0;
}

static void drop_unused_window(struct host_pages *p, struct host_window *w)
{
    if (w->pages > 0)
        return;
    sparse_map_remove(&p->windows, w->index);
    host_window_unmap(w->addr, WINDOW_SIZE);
    free(w);
}

static void page_freed(struct frame *frame)
{
    struct host_page *page = frame->owner;
    struct host_pages *p = page->owner;
    lock_acquire(&p->lock);
    if (sparse_map_get(&p->pages, page->index) == page)
        sparse_map_remove(&p->pages, page->index);
    page->window->pages--;
    drop_unused_window(p, page->window);
    lock_release(&p->lock);
    free(page);
    host_pages_put(p);
}

// Under the lock.
static int make_page(struct host_pages *p, struct frame_pool *pool, const struct host_fd *h,
                     uint64_t index, struct frame **out)
{
    struct host_window *w;
    int err = get_window(p, h, index / WINDOW_PAGES, &w);
    if (err)
        return err;
    struct host_page *page = calloc(1, sizeof *page);
    err = page ? 0 : -LINUX_ENOMEM;
    if (!err)
        err = sparse_map_set(&p->pages, index, page);
    if (!err) {
        *page = (struct host_page){.owner = p, .window = w, .index = index};
        char *host = (char *)w->addr + index % WINDOW_PAGES * FRAME_SIZE;
        err = frame_wrap(pool, host, page_freed, page, &page->frame);
        if (err)
            sparse_map_remove(&p->pages, index);
    }
    if (err) {
        free(page);
        drop_unused_window(p, w);
        return err;
    }
    w->pages++;
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    *out = page->frame;
    return 0;
}

// One page of a file of `end` pages. Under the lock. When *out is set in spite of an error, the
// page is there but could not be made writable.
static int get_page(struct host_node *node, struct host_pages *p, struct host_fd *h, uint64_t index,
                    uint64_t end, struct frame **out)
{
    if (index >= p->limit || index >= end)
        return -LINUX_EFAULT;
    struct host_page *page = sparse_map_get(&p->pages, index);
    if (!page || !frame_get_unless_free(page->frame))
        // None, or its last reference has just gone: then page_freed leaves the new one.
        return make_page(p, node->fs->vfs->frames, h, index, out);
    *out = page->frame;
    return window_allow_writes(page->window, h);
}

int host_get_pages(struct inode *inode, uint64_t index, unsigned count, unsigned want,
                   struct frame **out)
{
    struct host_node *node = host_node_of(inode);
    struct host_pages *p = get_pages(node);
    struct host_fd *h;
    for (unsigned i = 0; i < count; i++)
        out[i] = NULL;
    if (!p)
        return -LINUX_ENOMEM;
    int result = host_fd_get(node, false, &h);
    if (result)
        return result;
    struct host_stat st;
    int stat_err = host_fstat(h->fd, &st);
    uint64_t refused = 0; // pages that are there and must be given back
    lock_acquire(&p->lock);
    for (unsigned i = 0; i < count; i++) {
        int err = stat_err;
        if (!err)
            err = get_page(node, p, h, index + i, (st.size + FRAME_SIZE - 1) / FRAME_SIZE, &out[i]);
        if (err && out[i])
            refused |= UINT64_C(1) << i;
        if (i == want)
            result = err;
    }
    lock_release(&p->lock);
    host_fd_put(h);
    // Outside the lock, which the end of a frame takes.
    for (unsigned i = 0; refused; i++, refused >>= 1) {
        if (refused & 1) {
            frame_put(out[i]);
            out[i] = NULL;
        }
    }
    return result;
}

int host_get_page(struct inode *inode, uint64_t index, struct frame **out)
{
    return host_get_pages(inode, index, 1, 0, out);
}

// While pages from `first` on change, none of them can be had, and nobody has one mapped.
static struct host_pages *change_begin(struct host_node *node, uint64_t first, bool truncated)
{
    struct host_pages *p = get_pages(node);
    if (!p)
        return NULL;
    lock_acquire(&p->lock);
    p->limit = first;
    atomic_fetch_add(&node->inode.page_epoch, 1);
    lock_release(&p->lock);
    vfs_revoke(node->fs->vfs, &node->inode, first, UINT64_MAX, truncated);
    return p;
}

static void change_end(struct host_node *node, struct host_pages *p)
{
    lock_acquire(&p->lock);
    p->limit = UINT64_MAX;
    // Once more: a page may have been judged by the old size.
    atomic_fetch_add(&node->inode.page_epoch, 1);
    lock_release(&p->lock);
}

int host_pages_truncate(struct host_node *node, int fd, uint64_t size)
{
    struct host_stat st;
    int err = host_fstat(fd, &st);
    if (err || size >= st.size)
        return err ? err : host_truncate(fd, size);
    struct host_pages *p = change_begin(node, (size + FRAME_SIZE - 1) / FRAME_SIZE, true);
    if (!p)
        return -LINUX_ENOMEM;
    err = host_truncate(fd, size);
    change_end(node, p);
    return err;
}

int host_pages_move(struct host_node *node, int fd, unsigned mode, uint64_t offset, uint64_t len)
{
    struct host_pages *p = change_begin(node, offset / FRAME_SIZE, false);
    if (!p)
        return -LINUX_ENOMEM;
    int err = host_fallocate(fd, mode, offset, len);
    change_end(node, p);
    return err;
}
