#include "kernel/user_struct.h"
#include "platform/abi/linux_errno.h"

enum { PAGE_SIZE = 4096, CHUNK = 64 };

int user_read_struct(struct task *task, uaddr_t addr, uint64_t size, void *out, size_t known,
                     size_t least)
{
    if (size < least)
        return -LINUX_EINVAL;
    if (size > PAGE_SIZE)
        return -LINUX_E2BIG;
    size_t common = size < known ? (size_t)size : known;
    int err = user_read(task, addr, out, common);
    for (uint64_t at = common; !err && at < size; at += CHUNK) {
        uint8_t tail[CHUNK];
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        err = user_read(task, addr + at, tail, n);
        for (size_t i = 0; !err && i < n; i++)
            if (tail[i])
                err = -LINUX_E2BIG;
    }
    return err;
}
