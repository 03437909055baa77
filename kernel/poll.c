// poll and select: one pass over the files that registers with their wait queues, then sleep until
// one of them says that something may have changed, then look again.
#include "platform/abi/poll.h"
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timeout.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"
#include <stdlib.h>
#include <string.h>

// --- Registration --------------------------------------------------------------------------------

struct poll_link {
    struct wait_entry entry;
    struct task *task;
    struct file *file; // referenced: its queue outlives the registration
};

enum { LINKS_INLINE = 8, LINKS_PER_BLOCK = 64 };

struct link_block {
    struct link_block *next;
    struct poll_link links[LINKS_PER_BLOCK];
};

// The queues one call waits on. Links keep their address, so they grow in blocks.
struct poll_set {
    struct poll_table table;
    struct task *task;
    uint32_t events; // what is wanted of the file being registered
    int err;
    unsigned count; // links in use
    struct poll_link first[LINKS_INLINE];
    struct link_block *blocks; // the newest first
};

static void wake_task(struct wait_entry *entry, uint32_t events)
{
    (void)events;
    struct poll_link *link = CONTAINER_OF(entry, struct poll_link, entry);
    task_wake(link->task);
}

static struct poll_link *new_link(struct poll_set *set)
{
    unsigned n = set->count;
    if (n < LINKS_INLINE) {
        set->count++;
        return &set->first[n];
    }
    unsigned at = (n - LINKS_INLINE) % LINKS_PER_BLOCK;
    if (at == 0) {
        struct link_block *block = malloc(sizeof *block);
        if (!block)
            return NULL;
        block->next = set->blocks;
        set->blocks = block;
    }
    set->count++;
    return &set->blocks->links[at];
}

static void poll_set_queue(struct poll_table *table, struct file *file, struct wait_queue *q)
{
    struct poll_set *set = CONTAINER_OF(table, struct poll_set, table);
    struct poll_link *link = new_link(set);
    if (!link) {
        set->err = -LINUX_ENOMEM;
        return;
    }
    *link = (struct poll_link){
        .entry = {.wake = wake_task, .events = set->events},
        .task = set->task,
        .file = file_get(file),
    };
    wait_queue_add(q, &link->entry);
}

static void poll_set_init(struct poll_set *set, struct task *task)
{
    set->table.queue = poll_set_queue;
    set->task = task;
    set->err = 0;
    set->count = 0;
    set->blocks = NULL;
}

static void unlink_all(struct poll_link *links, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        wait_queue_remove(&links[i].entry);
        file_put(links[i].file);
    }
}

static void poll_set_done(struct poll_set *set)
{
    unsigned in_blocks = set->count > LINKS_INLINE ? set->count - LINKS_INLINE : 0;
    unlink_all(set->first, set->count - in_blocks);
    for (struct link_block *block = set->blocks, *next; block; block = next) {
        next = block->next;
        unsigned here = (in_blocks - 1) % LINKS_PER_BLOCK + 1;
        unlink_all(block->links, here);
        in_blocks -= here;
        free(block);
    }
}

// Ready events of a descriptor among `wanted` (errors and hangups always). Registers while `table`
// is not NULL.
static uint32_t poll_fd(struct poll_set *set, struct poll_table *table, int fd, uint32_t wanted)
{
    struct file *file = fd_get_io(set->task, fd);
    if (!file)
        return LINUX_POLLNVAL;
    set->events = wanted | LINUX_POLLERR | LINUX_POLLHUP;
    uint32_t ready = file_poll(file, table) & set->events;
    file_put(file);
    return ready;
}

// Repeats `scan` until it finds something, the deadline passes or a signal comes. `scan` registers
// with the set's table on its first call only, and stops doing so at the first ready file.
static int64_t poll_until(struct poll_set *set, uint64_t deadline,
                          int (*scan)(struct poll_set *set, struct poll_table *table, void *ctx),
                          void *ctx)
{
    int count = scan(set, deadline == TIMEOUT_NONE ? NULL : &set->table, ctx);
    int err = set->err;
    while (!count && !err && deadline != TIMEOUT_NONE) {
        err = task_wait(set->task, deadline, WAIT_INTERRUPTIBLE);
        count = scan(set, NULL, ctx);
    }
    return count ? count : err == -LINUX_ETIMEDOUT ? 0 : err;
}

// --- ppoll ---------------------------------------------------------------------------------------

struct poll_call {
    struct linux_pollfd *fds;
    uint32_t count;
};

static int scan_pollfds(struct poll_set *set, struct poll_table *table, void *ctx)
{
    const struct poll_call *call = ctx;
    int ready = 0;
    for (uint32_t i = 0; i < call->count; i++) {
        struct linux_pollfd *p = &call->fds[i];
        p->revents = 0;
        if (p->fd < 0)
            continue;
        p->revents = (int16_t)poll_fd(set, table, p->fd, (uint16_t)p->events);
        if (p->revents) {
            ready++;
            table = NULL;
        }
    }
    return ready;
}

static int64_t poll_fds(struct task *task, uaddr_t addr, uint32_t nfds, uint64_t deadline)
{
    enum { ON_STACK = 16 };
    struct linux_pollfd few[ON_STACK], *fds = few;
    if (nfds > ON_STACK) {
        fds = malloc(nfds * sizeof *fds);
        if (!fds)
            return -LINUX_ENOMEM;
    }
    int64_t result = user_read(task, addr, fds, nfds * sizeof *fds);
    if (!result) {
        struct poll_set set;
        struct poll_call call = {fds, nfds};
        poll_set_init(&set, task);
        result = poll_until(&set, deadline, scan_pollfds, &call);
        poll_set_done(&set);
    }
    for (uint32_t i = 0; result >= 0 && i < nfds; i++) {
        uaddr_t to = addr + i * sizeof *fds + offsetof(struct linux_pollfd, revents);
        int err = user_put(task, to, &fds[i].revents);
        if (err)
            result = err;
    }
    if (fds != few)
        free(fds);
    return result;
}

int64_t sys_ppoll(struct task *task, uaddr_t fds, uint32_t nfds, uaddr_t timeout, uaddr_t sigmask,
                  uint64_t sigsetsize)
{
    uint64_t deadline;
    int err = timeout_get(task, timeout, &deadline);
    if (!err)
        err = timeout_set_mask(task, sigmask, sigsetsize);
    if (err)
        return err;
    int64_t result = -LINUX_EINVAL;
    if (nfds <= task_rlimit(task, LINUX_RLIMIT_NOFILE))
        result = poll_fds(task, fds, nfds, deadline);
    return timeout_put_left(task, timeout, deadline, result);
}

// --- pselect6 ------------------------------------------------------------------------------------

enum {
    SELECT_READ =
        LINUX_POLLRDNORM | LINUX_POLLRDBAND | LINUX_POLLIN | LINUX_POLLHUP | LINUX_POLLERR,
    SELECT_WRITE = LINUX_POLLWRBAND | LINUX_POLLWRNORM | LINUX_POLLOUT | LINUX_POLLERR,
    SELECT_EXCEPT = LINUX_POLLPRI,
    SETS = 3,
};
static const uint32_t set_events[SETS] = {SELECT_READ, SELECT_WRITE, SELECT_EXCEPT};

// Sets as Linux lays them out: words of 64 bits.
struct select_call {
    uint32_t nfds;
    size_t words;
    uint64_t *in[SETS], *out[SETS];
    bool bad; // a set names a descriptor that is not open
};

static bool bit_in(const uint64_t *words, uint32_t fd)
{
    return words[fd / 64] >> (fd % 64) & 1;
}

static int scan_sets(struct poll_set *set, struct poll_table *table, void *ctx)
{
    struct select_call *call = ctx;
    int ready_bits = 0;
    for (uint32_t fd = 0; fd < call->nfds; fd++) {
        uint32_t wanted = 0;
        for (int s = 0; s < SETS; s++)
            if (bit_in(call->in[s], fd))
                wanted |= set_events[s];
        if (!wanted)
            continue;
        uint32_t ready = poll_fd(set, table, (int)fd, wanted);
        if (ready == LINUX_POLLNVAL) {
            call->bad = true;
            return 1;
        }
        for (int s = 0; s < SETS; s++) {
            if (!bit_in(call->in[s], fd) || !(ready & set_events[s]))
                continue;
            call->out[s][fd / 64] |= 1ull << (fd % 64);
            ready_bits++;
            table = NULL;
        }
    }
    return ready_bits;
}

static int64_t select_sets(struct task *task, struct select_call *call, const uaddr_t addr[SETS],
                           uint64_t deadline)
{
    for (int s = 0; s < SETS; s++) {
        int err = addr[s] ? user_read(task, addr[s], call->in[s], call->words * 8) : 0;
        if (err)
            return err;
    }
    struct poll_set set;
    poll_set_init(&set, task);
    int64_t result = poll_until(&set, deadline, scan_sets, call);
    poll_set_done(&set);
    if (call->bad)
        return -LINUX_EBADF;
    for (int s = 0; s < SETS && result >= 0; s++) {
        int err = addr[s] ? user_write(task, addr[s], call->out[s], call->words * 8) : 0;
        if (err)
            result = err;
    }
    return result;
}

static int64_t select_fds(struct task *task, int32_t nfds, const uaddr_t addr[SETS],
                          uint64_t deadline)
{
    if (nfds < 0)
        return -LINUX_EINVAL;
    unsigned limit = fd_table_size(task->files);
    struct select_call call = {.nfds = (uint32_t)nfds < limit ? (uint32_t)nfds : limit};
    call.words = (call.nfds + 63) / 64;
    uint64_t *words = calloc(2 * SETS * call.words + 1, sizeof *words);
    if (!words)
        return -LINUX_ENOMEM;
    for (size_t s = 0; s < SETS; s++) {
        call.in[s] = words + s * call.words;
        call.out[s] = words + (SETS + s) * call.words;
    }
    int64_t result = select_sets(task, &call, addr, deadline);
    free(words);
    return result;
}

int64_t sys_pselect6(struct task *task, int32_t nfds, uaddr_t readfds, uaddr_t writefds,
                     uaddr_t exceptfds, uaddr_t timeout, uaddr_t sigmask)
{
    uint64_t deadline, mask[2] = {0, 0}; // mask: address and size of the set
    int err = sigmask ? user_get(task, sigmask, &mask) : 0;
    if (!err)
        err = timeout_get(task, timeout, &deadline);
    if (!err)
        err = timeout_set_mask(task, mask[0], mask[1]);
    if (err)
        return err;
    const uaddr_t addr[SETS] = {readfds, writefds, exceptfds};
    return timeout_put_left(task, timeout, deadline, select_fds(task, nfds, addr, deadline));
}
