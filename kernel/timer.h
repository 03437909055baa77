// Timers: one thread, one heap of deadlines on the monotonic clock. Layer 4.
//
// A timer is embedded in what it belongs to. `fire` runs on the timer thread with no lock held and
// may arm its timer again. Lock rank: timer; timers may be armed under any lock below it.
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct timer_wheel;

struct timer {
    // Guarded by the wheel's lock: a pairing heap ordered by deadline.
    struct timer *child, *next, *prev;
    uint64_t deadline_ns;
    bool armed;

    void (*fire)(struct timer *timer); // immutable
};

NODISCARD int timer_wheel_create(struct timer_wheel **out);
void timer_wheel_destroy(struct timer_wheel *wheel); // nothing is armed any more

static inline void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){.fire = fire};
}
// Fires once at the deadline (at once if that has passed); replaces an earlier deadline.
void timer_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);
// `fire` may be running, and may yet run if it was just about to.
void timer_disarm(struct timer_wheel *wheel, struct timer *timer);
// Disarms; when it returns, `fire` is not running and will not run. Not from `fire`, and with no
// lock held that `fire` takes.
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);

#endif
