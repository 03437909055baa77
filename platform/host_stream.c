#include "platform/host_stream.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

size_t host_stream_piece(void)
{
    return PIPE_BUF;
}

int host_stream_flags(int fd)
{
    int host = fcntl(fd, F_GETFL);
    if (host < 0)
        return errno_to_linux(errno);
    int flags = LINUX_O_RDWR;
    if ((host & O_ACCMODE) == O_RDONLY)
        flags = LINUX_O_RDONLY;
    else if ((host & O_ACCMODE) == O_WRONLY)
        flags = LINUX_O_WRONLY;
    return host & O_APPEND ? flags | LINUX_O_APPEND : flags;
}

// -LINUX_EAGAIN whatever the host calls it.
static ssize_t transferred(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EWOULDBLOCK ? -LINUX_EAGAIN : errno_to_linux(errno);
}

ssize_t host_stream_read(int fd, bool socket, void *buf, size_t n)
{
    ssize_t got;
    do
        got = socket ? recv(fd, buf, n, MSG_DONTWAIT) : read(fd, buf, n);
    while (got < 0 && errno == EINTR);
    return transferred(got);
}

ssize_t host_stream_write(int fd, bool socket, const void *buf, size_t n)
{
    ssize_t done;
    do
        done = socket ? send(fd, buf, n, MSG_DONTWAIT) : write(fd, buf, n);
    while (done < 0 && errno == EINTR);
    return transferred(done);
}

int64_t host_stream_seek(int fd, int64_t offset, unsigned whence)
{
    static const int host[] = {
        [LINUX_SEEK_SET] = SEEK_SET,   [LINUX_SEEK_CUR] = SEEK_CUR,   [LINUX_SEEK_END] = SEEK_END,
        [LINUX_SEEK_DATA] = SEEK_DATA, [LINUX_SEEK_HOLE] = SEEK_HOLE,
    };
    if (whence >= ARRAY_LEN(host))
        return -LINUX_EINVAL;
    off_t at = lseek(fd, (off_t)offset, host[whence]);
    return at < 0 ? errno_to_linux(errno) : (int64_t)at;
}

int host_stream_count(int fd)
{
    int n;
    return ioctl(fd, FIONREAD, &n) ? errno_to_linux(errno) : n;
}
