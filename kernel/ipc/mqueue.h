// POSIX message queues, for names and files (mqueue.c) and system calls (mqueue_calls.c). Layer 4.
// Guarded by ipc->lock unless said otherwise.
#ifndef KERNEL_IPC_MQUEUE_H
#define KERNEL_IPC_MQUEUE_H

#include "kernel/ipc/ipc.h"
#include "platform/base/list.h"

struct file;
struct process;

enum {
    MQ_NAME_MAX = 255,
    MQ_QUEUES_MAX = 256, // fs.mqueue.queues_max
    MQ_MESSAGES_DEFAULT = 10,
    MQ_MESSAGES_MAX = 10, // fs.mqueue.msg_max
    MQ_MESSAGES_HARD = 65536,
    MQ_SIZE_DEFAULT = 8192,
    MQ_SIZE_MAX = 8192, // fs.mqueue.msgsize_max
    MQ_SIZE_HARD = 16 << 20,
    MQ_PRIORITIES = 32768,
    MQ_COOKIE = 32, // bytes of SIGEV_THREAD's message
    MQ_WAIT_MESSAGE = 1,
    MQ_WAIT_SPACE = 4,
};

struct mq_message {
    struct list link;
    uint32_t priority;
    uint64_t size;
    uint8_t data[];
};

// Who is to be told of the first message in an empty queue.
struct mq_notify {
    struct process *process; // referenced; NULL: nobody
    int32_t kind;            // LINUX_SIGEV_*
    int32_t signo;
    uint64_t value;
    struct file *socket; // SIGEV_THREAD: a netlink socket, referenced
    uint8_t cookie[MQ_COOKIE];
};

struct mqueue {
    unsigned refs;    // the name, and every open file
    struct ipc *ipc;  // immutable; whoever can reach the queue holds the namespace
    struct list link; // in ipc->mqueues, while it has a name
    bool named;
    char name[MQ_NAME_MAX + 1];
    uint32_t uid, gid, mode;
    int64_t messages_max, message_size; // immutable
    struct list messages;               // highest priority first, then oldest first
    int64_t count;
    uint64_t bytes;
    unsigned receivers; // that wait
    struct mq_notify notify;
    struct wait_queue queue;
};

// The queue of a descriptor; *file referenced. -LINUX_EBADF.
NODISCARD int mq_get(struct task *task, int32_t fd, struct file **file, struct mqueue **out);
// An open file for it, which takes the caller's reference, also on failure.
NODISCARD int mq_open_file(struct task *task, struct mqueue *q, uint32_t flags, struct file **out);
void mq_put(struct ipc *ipc, struct mqueue *q); // no lock held
// Takes the registration out; the caller ends it with mq_notify_end() when it holds no lock.
struct mq_notify mq_notify_take(struct mqueue *q);
// Tells (`sender`) or only forgets (NULL), and gives back what the registration held.
void mq_notify_end(struct mq_notify *n, struct task *sender);

#endif
