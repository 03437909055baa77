// Pipes and named pipes. Layer 4.
//
// A pipe belongs to an inode (inode->attached) and lives as long as that. Nothing here crosses into
// the host: data goes through a ring of ours, and a system call wakes somebody only when somebody
// waits.
#ifndef KERNEL_PIPE_H
#define KERNEL_PIPE_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct pipe;
struct task;

enum {
    PIPE_ATOMIC = 4096, // PIPE_BUF: writes up to this size are never split
    PIPE_DEFAULT_SIZE = 65536,
    PIPE_MAX_SIZE = 1048576, // fs.pipe-max-size: more takes CAP_SYS_RESOURCE
};

// Opens every fifo the VFS finds; registered as the device of LINUX_S_IFIFO.
int pipe_open_fifo(struct inode *inode, struct file *file, const struct vfs_caller *c, void *ctx);

// Both ends of a new pipe. flags: LINUX_O_NONBLOCK, LINUX_O_DIRECT (of the write end).
NODISCARD int pipe_create(struct kernel *kernel, const struct cred *cred, uint32_t flags,
                          struct file **read_end, struct file **write_end);

// fcntl: -LINUX_EBADF for other files.
int64_t pipe_get_size(struct file *file);
int64_t pipe_set_size(struct task *task, struct file *file, uint32_t size);

// --- For splice and its relatives ----------------------------------------------------------------

// The pipe of an open end, or NULL.
struct pipe *pipe_of(const struct file *file);
// Waits until there is something to read: bytes available, 0 at the end of file, or an error.
ssize_t pipe_wait_readable(struct pipe *p, struct task *task, bool nonblock);
// Waits until a write makes progress: free bytes (> 0), or an error (-LINUX_EPIPE with SIGPIPE).
ssize_t pipe_wait_writable(struct pipe *p, struct task *task, bool nonblock);

// Bytes of one kind that follow each other: a packet of O_DIRECT, or a part of it or of a stream.
struct pipe_part {
    uint32_t len;
    bool packet;
};
enum { PIPE_PARTS_MAX = PIPE_MAX_SIZE / PIPE_ATOMIC };
struct pipe_parts {
    unsigned count;
    uint32_t
        tail; // bytes of the last one's last page, if it was taken whole and writes may join it
    struct pipe_part part[PIPE_PARTS_MAX];
};

// Copies up to n unread bytes without consuming them, as far as `room` bytes of another pipe hold
// them: a packet takes a page. *parts: what they are.
size_t pipe_peek(struct pipe *p, void *buf, size_t n, size_t room, struct pipe_parts *parts);
// Takes them out; what could not be passed on goes back in front with pipe_unread(), the last part
// first, beyond the capacity if need be.
size_t pipe_take(struct pipe *p, void *buf, size_t n, size_t room, struct pipe_parts *parts);
NODISCARD int pipe_unread(struct pipe *p, const void *buf, struct pipe_part part);
// Appends as much of a part as fits, a packet whole. `tail`: if all fits, how far its last page is
// full, and may be filled by writes; 0: they begin another. Returns the bytes, 0 for no room,
// -LINUX_EPIPE (no signal), -LINUX_ENOMEM.
ssize_t pipe_append(struct pipe *p, const void *buf, struct pipe_part part, uint32_t tail);

#endif
