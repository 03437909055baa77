// Contents of tmpfs files: shared anonymous frames, so reads, writes and mappings are coherent.
//
// A frame is found or made under the node's lock and used without it: nothing is held over a copy,
// which may fault.
#include "fs/tmpfs.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <string.h>

// The frame of a page, referenced; NULL for a hole.
static struct frame *find_page(struct tmpfs_node *node, uint64_t index)
{
    struct frame *frame = sparse_map_get(&node->pages, index);
    return frame ? frame_get(frame) : NULL;
}

// Under the node's lock. The frame is referenced for the caller.
static int find_or_add_page(struct tmpfs_node *node, uint64_t index, struct frame **out)
{
    *out = find_page(node, index);
    if (*out)
        return 0;
    struct tmpfs *fs = node->fs;
    uint64_t used = atomic_fetch_add_explicit(&fs->pages, 1, memory_order_relaxed);
    int err = fs->page_limit && used >= fs->page_limit ? -LINUX_ENOSPC : 0;
    struct frame *frame = NULL;
    if (!err)
        err = frame_alloc(fs->vfs->frames, &frame);
    if (!err) {
        frame->shared = true;
        err = sparse_map_set(&node->pages, index, frame);
        if (err)
            frame_put(frame);
    }
    if (err) {
        atomic_fetch_sub_explicit(&fs->pages, 1, memory_order_relaxed);
        return err;
    }
    node->page_count++;
    *out = frame_get(frame);
    return 0;
}

int tmpfs_get_page(struct inode *inode, uint64_t index, struct frame **out)
{
    struct tmpfs_node *node = inode->private;
    int err = -LINUX_EFAULT;
    lock_acquire(&node->lock);
    if (index < (node->size + FRAME_SIZE - 1) / FRAME_SIZE)
        err = find_or_add_page(node, index, out);
    lock_release(&node->lock);
    return err;
}

static ssize_t tmpfs_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tmpfs_node *node = file->inode->private;
    size_t done = 0;
    while (it->left > 0) {
        lock_acquire(&node->lock);
        uint64_t left = *pos < node->size ? node->size - *pos : 0;
        struct frame *frame = left ? find_page(node, *pos / FRAME_SIZE) : NULL;
        lock_release(&node->lock);
        if (left == 0)
            break;
        size_t offset = *pos % FRAME_SIZE, n = FRAME_SIZE - offset;
        n = n < it->left ? n : it->left;
        n = n < left ? n : (size_t)left;
        size_t got =
            frame ? it->ops->copy_out(it, (char *)frame->host + offset, n) : iter_put_zeros(it, n);
        if (frame)
            frame_put(frame);
        done += got;
        *pos += got;
        if (got < n)
            return done > 0 ? (ssize_t)done : -LINUX_EFAULT;
    }
    if (done > 0 && !(atomic_load(&file->flags) & LINUX_O_NOATIME)) {
        lock_acquire(&node->lock);
        node->atime = (int64_t)clock_realtime_ns();
        lock_release(&node->lock);
    }
    return (ssize_t)done;
}

static uint32_t seals_of(const struct tmpfs_node *node)
{
    return atomic_load_explicit(&node->inode->seals, memory_order_acquire);
}

// One page's worth, below `limit`. Returns bytes or an error.
static ssize_t write_page(struct tmpfs_node *node, struct iter *it, uint64_t pos, uint64_t limit)
{
    if (pos >= limit)
        return -LINUX_EPERM; // sealed against growing
    struct frame *frame;
    lock_acquire(&node->lock);
    int err = find_or_add_page(node, pos / FRAME_SIZE, &frame);
    lock_release(&node->lock);
    if (err)
        return err;
    size_t offset = pos % FRAME_SIZE, n = FRAME_SIZE - offset;
    n = n < it->left ? n : it->left;
    n = n < limit - pos ? n : (size_t)(limit - pos);
    size_t got = it->ops->copy_in(it, (char *)frame->host + offset, n);
    frame_put(frame);
    lock_acquire(&node->lock);
    if (pos + got > node->size)
        node->size = pos + got;
    node->mtime = node->ctime = (int64_t)clock_realtime_ns();
    lock_release(&node->lock);
    return got > 0 ? (ssize_t)got : -LINUX_EFAULT;
}

static ssize_t tmpfs_write(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tmpfs_node *node = file->inode->private;
    ssize_t done = 0, n = 0;
    gate_enter(&node->inode->write_gate);
    if (it->append || atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_APPEND)
        *pos = node->size; // only writers move it, and they pass the gate
    uint64_t limit = seals_of(node) & LINUX_F_SEAL_GROW ? node->size : UINT64_MAX;
    if (seals_of(node) & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE))
        limit = 0;
    while (it->left > 0) {
        size_t want = FRAME_SIZE - *pos % FRAME_SIZE;
        want = want < it->left ? want : it->left;
        n = write_page(node, it, *pos, limit);
        if (n < 0)
            break;
        done += n;
        *pos += (uint64_t)n;
        if ((size_t)n < want)
            break; // the guest's memory ended
    }
    gate_leave(&node->inode->write_gate);
    return done > 0 ? done : n < 0 ? n : 0;
}

// Removes whole pages [first, end), in the file and in every mapping. No lock held. Entries of page
// tables have references of their own.
static void drop_pages(struct tmpfs_node *node, uint64_t first, uint64_t end, bool truncated)
{
    uint64_t count = 0, at = first;
    struct frame *frame;
    lock_acquire(&node->lock);
    while (at < end && (frame = sparse_map_next(&node->pages, &at)) != NULL && at < end) {
        sparse_map_remove(&node->pages, at++);
        frame_put(frame);
        count++;
    }
    node->page_count -= count;
    atomic_fetch_add(&node->inode->page_epoch, 1);
    lock_release(&node->lock);
    atomic_fetch_sub_explicit(&node->fs->pages, count, memory_order_relaxed);
    vfs_revoke(node->fs->vfs, node->inode, first, end, truncated);
}

// Zeroes bytes inside one page. Under the node's lock.
static void zero_part(struct tmpfs_node *node, uint64_t start, uint64_t end)
{
    struct frame *frame = sparse_map_get(&node->pages, start / FRAME_SIZE);
    if (frame && start < end)
        memset((char *)frame->host + start % FRAME_SIZE, 0, (size_t)(end - start));
}

static uint64_t round_up(uint64_t n)
{
    return (n + FRAME_SIZE - 1) / FRAME_SIZE * FRAME_SIZE;
}

int tmpfs_truncate(struct tmpfs_node *node, uint64_t size)
{
    gate_enter(&node->inode->write_gate);
    lock_acquire(&node->lock);
    uint64_t old = node->size;
    uint32_t seal = size < old ? LINUX_F_SEAL_SHRINK : size > old ? LINUX_F_SEAL_GROW : 0;
    if (seals_of(node) & seal) {
        lock_release(&node->lock);
        gate_leave(&node->inode->write_gate);
        return -LINUX_EPERM;
    }
    node->size = size;
    node->mtime = node->ctime = (int64_t)clock_realtime_ns();
    if (size < old)
        zero_part(node, size, round_up(size));
    lock_release(&node->lock);
    if (size < old)
        drop_pages(node, round_up(size) / FRAME_SIZE, UINT64_MAX, true);
    gate_leave(&node->inode->write_gate);
    return 0;
}

static void punch(struct tmpfs_node *node, uint64_t offset, uint64_t len)
{
    uint64_t end = offset + len, first = round_up(offset), last = end / FRAME_SIZE * FRAME_SIZE;
    lock_acquire(&node->lock);
    if (first > last) { // inside one page
        zero_part(node, offset, end);
    } else {
        zero_part(node, offset, first);
        zero_part(node, last, end);
    }
    node->mtime = node->ctime = (int64_t)clock_realtime_ns();
    lock_release(&node->lock);
    if (first < last)
        drop_pages(node, first / FRAME_SIZE, last / FRAME_SIZE, false);
}

static int reserve(struct tmpfs_node *node, uint64_t offset, uint64_t len)
{
    for (uint64_t i = offset / FRAME_SIZE; i <= (offset + len - 1) / FRAME_SIZE; i++) {
        struct frame *frame;
        lock_acquire(&node->lock);
        int err = find_or_add_page(node, i, &frame);
        lock_release(&node->lock);
        if (err)
            return err;
        frame_put(frame);
    }
    return 0;
}

static int tmpfs_fallocate(struct file *file, unsigned mode, uint64_t offset, uint64_t len)
{
    struct tmpfs_node *node = file->inode->private;
    bool keep_size = mode & LINUX_FALLOC_FL_KEEP_SIZE;
    int err = 0;
    gate_enter(&node->inode->write_gate);
    uint32_t seals = seals_of(node);
    bool destroys = mode & ~(unsigned)LINUX_FALLOC_FL_KEEP_SIZE;
    if (destroys && seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE))
        err = -LINUX_EPERM;
    if (!keep_size && offset + len > node->size && seals & LINUX_F_SEAL_GROW)
        err = -LINUX_EPERM;
    switch (err ? UINT32_MAX : mode & ~(unsigned)LINUX_FALLOC_FL_KEEP_SIZE) {
    case LINUX_FALLOC_FL_PUNCH_HOLE:
        punch(node, offset, len);
        break;
    case 0:
        err = reserve(node, offset, len);
        break;
    default:
        err = err ? err : -LINUX_EOPNOTSUPP;
    }
    if (!err && !keep_size) {
        lock_acquire(&node->lock);
        if (offset + len > node->size)
            node->size = offset + len;
        lock_release(&node->lock);
    }
    gate_leave(&node->inode->write_gate);
    return err;
}

// SEEK_DATA, SEEK_HOLE.
static int64_t seek_sparse(struct tmpfs_node *node, uint64_t offset, bool data)
{
    int64_t result;
    lock_acquire(&node->lock);
    uint64_t index = offset / FRAME_SIZE;
    if (offset >= node->size) {
        result = -LINUX_ENXIO;
    } else if (data) {
        uint64_t at = index;
        if (!sparse_map_next(&node->pages, &at) || at * FRAME_SIZE >= node->size)
            result = -LINUX_ENXIO;
        else
            result = (int64_t)(at == index ? offset : at * FRAME_SIZE);
    } else {
        while (index * FRAME_SIZE < node->size && sparse_map_get(&node->pages, index))
            index++;
        uint64_t at = index * FRAME_SIZE;
        at = at > offset ? at : offset;
        result = (int64_t)(at < node->size ? at : node->size);
    }
    lock_release(&node->lock);
    return result;
}

static int64_t tmpfs_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
        return file_seek_default(file, offset, whence);
    if (offset < 0)
        return -LINUX_ENXIO;
    int64_t at = seek_sparse(file->inode->private, (uint64_t)offset, whence == LINUX_SEEK_DATA);
    if (at >= 0)
        file->pos = (uint64_t)at;
    return at;
}

static int tmpfs_fsync(struct file *file, bool data_only)
{
    (void)file, (void)data_only; // there is nothing slower to write to
    return 0;
}

void tmpfs_free_pages(struct tmpfs_node *node)
{
    uint64_t index = 0;
    struct frame *frame;
    while ((frame = sparse_map_next(&node->pages, &index)) != NULL) {
        frame_put(frame);
        index++;
    }
    atomic_fetch_sub_explicit(&node->fs->pages, node->page_count, memory_order_relaxed);
    sparse_map_free(&node->pages);
}

const struct file_ops tmpfs_file_ops = {
    .traits = FILE_SPLICE,
    .read = tmpfs_read,
    .write = tmpfs_write,
    .seek = tmpfs_seek,
    .fsync = tmpfs_fsync,
    .fallocate = tmpfs_fallocate,
};
