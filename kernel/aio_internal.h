// Shared by the files of kernel AIO. Layer 4.
#ifndef KERNEL_AIO_INTERNAL_H
#define KERNEL_AIO_INTERNAL_H

#include "kernel/aio.h"
#include "kernel/user.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct file;
struct kernel;
struct task;

struct linux_iocb {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t opcode;
    int16_t reqprio;
    uint32_t fd;
    uint64_t buf, nbytes;
    int64_t offset;
    uint64_t reserved2;
    uint32_t flags, resfd;
};
_Static_assert(sizeof(struct linux_iocb) == 64, "struct iocb");

struct linux_io_event {
    uint64_t data, obj;
    int64_t res, res2;
};

enum {
    IOCB_CMD_PREAD = 0,
    IOCB_CMD_PWRITE = 1,
    IOCB_CMD_FSYNC = 2,
    IOCB_CMD_FDSYNC = 3,
    IOCB_CMD_POLL = 5,
    IOCB_CMD_PREADV = 7,
    IOCB_CMD_PWRITEV = 8,
    IOCB_FLAG_RESFD = 1,
};

struct aio_event {
    struct list link;
    struct linux_io_event event;
};

struct aio_context {
    struct list link;
    uint64_t id; // address of its page; immutable
    // Guarded by contexts->lock.
    unsigned refs;     // the list, and every call that uses it
    _Atomic bool dead; // out of the list
    uint32_t room;     // events that have still a place
    struct list events;
    struct list polls; // struct aio_poll, not yet fulfilled
    struct wait_queue queue;
};

struct aio_contexts {
    _Atomic unsigned refs; // the address space, requests that wait
    struct lock lock;      // rank aio
    struct list list;
    uint32_t total; // places of all
};

void aio_contexts_put(struct aio_contexts *all);
// Held by the list, by a call, or by a request that waits.
void aio_context_put(struct aio_contexts *all, struct aio_context *c);
// Takes the place of one event: -LINUX_EAGAIN, -LINUX_EINVAL.
NODISCARD int aio_take_room(struct aio_contexts *all, struct aio_context *c);
void aio_give_event(struct aio_contexts *all, struct aio_context *c, struct aio_event *e);

// --- Requests that wait for a file to be ready (kernel/aio_poll.c)
NODISCARD int aio_poll_submit(struct task *task, struct aio_contexts *all, struct aio_context *c,
                              const struct linux_iocb *cb, uaddr_t addr, struct file *file,
                              struct file *resfd);
// Ends the request at this address, with an event: false when none waits.
bool aio_poll_cancel(struct aio_contexts *all, struct aio_context *c, uaddr_t addr);
// Ends all, without events. No lock is held.
void aio_poll_end(struct aio_contexts *all, struct aio_context *c);

#endif
