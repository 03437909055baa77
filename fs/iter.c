// The cursor over host buffers. vec is the buffer, vec_offset how far we are.
#include "fs/iter.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

static char *kernel_at(struct iter *it)
{
    return (char *)(uintptr_t)it->vec + it->vec_offset;
}

static void kernel_advance(struct iter *it, size_t n)
{
    it->vec_offset += n;
    it->left -= n;
}

static size_t kernel_copy_in(struct iter *it, void *buf, size_t n)
{
    n = n < it->left ? n : it->left;
    memcpy(buf, kernel_at(it), n);
    kernel_advance(it, n);
    return n;
}

static size_t kernel_copy_out(struct iter *it, const void *buf, size_t n)
{
    n = n < it->left ? n : it->left;
    memcpy(kernel_at(it), buf, n);
    kernel_advance(it, n);
    return n;
}

static size_t kernel_pin(struct iter *it, size_t n, bool for_write, void **host)
{
    *host = kernel_at(it);
    return n < it->left ? n : it->left;
}

static void kernel_unpin(struct iter *it, size_t used)
{
    kernel_advance(it, used);
}

static const struct iter_ops kernel_ops = {
    .copy_in = kernel_copy_in,
    .copy_out = kernel_copy_out,
    .pin = kernel_pin,
    .unpin = kernel_unpin,
};

void iter_kernel(struct iter *it, void *buf, size_t n)
{
    *it = (struct iter){.ops = &kernel_ops, .left = n, .vec = buf};
}

int iter_get(struct iter *it, void *buf, size_t n)
{
    return it->ops->copy_in(it, buf, n) == n ? 0 : -LINUX_EFAULT;
}

int iter_put(struct iter *it, const void *buf, size_t n)
{
    return it->ops->copy_out(it, buf, n) == n ? 0 : -LINUX_EFAULT;
}

size_t iter_put_zeros(struct iter *it, size_t n)
{
    static const char zeros[4096];
    size_t done = 0;
    while (done < n) {
        size_t chunk = n - done < sizeof zeros ? n - done : sizeof zeros;
        size_t got = it->ops->copy_out(it, zeros, chunk);
        done += got;
        if (got < chunk)
            break;
    }
    return done;
}
