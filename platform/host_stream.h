// Descriptors of the host that somebody hands over: files, pipes, sockets, terminals. Layer 1.
//
// Their open file descriptions are shared with other programs, so neither their flags nor their
// position may be changed behind the caller's back.
#ifndef PLATFORM_HOST_STREAM_H
#define PLATFORM_HOST_STREAM_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What a pipe that is writable takes without waiting, and in one piece.
size_t host_stream_piece(void);
// LINUX_O_* of the open file: access mode and O_APPEND. -LINUX_EBADF.
int host_stream_flags(int fd);
// At its own position. Of streams only what is there; -LINUX_EAGAIN when the description is in
// non-blocking mode, or a socket has nothing.
ssize_t host_stream_read(int fd, bool socket, void *buf, size_t n);
// -LINUX_EPIPE raises no signal in the calling thread's process if SIGPIPE is blocked or ignored.
ssize_t host_stream_write(int fd, bool socket, const void *buf, size_t n);
// whence: LINUX_SEEK_SET, _CUR, _END, _DATA, _HOLE.
int64_t host_stream_seek(int fd, int64_t offset, unsigned whence);
// Bytes that can be read; negative when the host cannot say.
int host_stream_count(int fd);

#endif
