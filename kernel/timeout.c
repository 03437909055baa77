#include "kernel/timeout.h"
#include "kernel/signal.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/time.h"
#include "platform/clock.h"

// Linux's KTIME_MAX seconds: beyond, a timeout never ends.
#define SECONDS_MAX 4000000000ll

static uint64_t deadline_after(uint64_t ns)
{
    return ns ? clock_monotonic_ns() + ns : TIMEOUT_NONE;
}

int timeout_get(struct task *task, uaddr_t addr, uint64_t *deadline)
{
    *deadline = WAIT_FOREVER;
    if (!addr)
        return 0;
    struct linux_timespec ts;
    int err = user_get(task, addr, &ts);
    if (err)
        return err;
    if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
        return -LINUX_EINVAL;
    if (ts.sec < SECONDS_MAX)
        *deadline = deadline_after((uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec);
    return 0;
}

uint64_t timeout_from_ms(int32_t ms)
{
    if (ms < 0)
        return WAIT_FOREVER;
    uint64_t count = (uint64_t)ms;
    return deadline_after(count * (NSEC_PER_SEC / 1000));
}

int timeout_set_mask(struct task *task, uaddr_t addr, uint64_t size)
{
    if (!addr)
        return 0;
    uint64_t mask;
    if (size != sizeof mask)
        return -LINUX_EINVAL;
    int err = user_get(task, addr, &mask);
    if (!err)
        signal_mask_temporarily(task, mask);
    return err;
}

int64_t timeout_put_left(struct task *task, uaddr_t addr, uint64_t deadline, int64_t result)
{
    enum { PERSONALITY_STICKY_TIMEOUTS = 0x4000000 };
    if (!addr || deadline == TIMEOUT_NONE)
        return result;
    if (!(task->personality & PERSONALITY_STICKY_TIMEOUTS)) {
        if (deadline == WAIT_FOREVER)
            return result;
        uint64_t now = clock_monotonic_ns();
        uint64_t left = deadline > now ? deadline - now : 0;
        struct linux_timespec ts = {(int64_t)(left / NSEC_PER_SEC), (int64_t)(left % NSEC_PER_SEC)};
        if (!user_put(task, addr, &ts))
            return result;
    }
    return result == -ERESTARTSYS ? -LINUX_EINTR : result;
}
