// Timers fire once each, in order of their deadlines, and not after they were cancelled.
#include "kernel/timer.h"
#include "platform/base/compiler.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "tests/unit/tap.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { COUNT = 2000, MS = 1000000 };

struct probe {
    struct timer timer;
    unsigned id;
};

// Guarded by the one timer thread; read after `fired` says that all are done.
static struct probe probes[COUNT];
static unsigned order[COUNT];
static _Atomic unsigned fired, early;

static void on_fire(struct timer *timer)
{
    struct probe *p = CONTAINER_OF(timer, struct probe, timer);
    unsigned at = atomic_load(&fired);
    if (clock_monotonic_ns() < timer->deadline_ns)
        atomic_fetch_add(&early, 1);
    if (at < COUNT)
        order[at] = p->id;
    atomic_store(&fired, at + 1);
}

static bool wait_until_fired(unsigned count)
{
    uint64_t end = clock_monotonic_ns() + 10000ull * MS;
    while (atomic_load(&fired) < count && clock_monotonic_ns() < end)
        ;
    return atomic_load(&fired) == count;
}

static void init_all(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        timer_init(&probes[i].timer, on_fire);
        probes[i].id = i;
    }
    atomic_store(&fired, 0);
}

static void check_order(struct tap *t, struct timer_wheel *wheel)
{
    init_all();
    uint64_t base = clock_monotonic_ns() + 50 * MS;
    srand(1);
    // Each is moved once before it stays: a new deadline replaces the old one.
    for (unsigned i = 0; i < COUNT; i++)
        timer_arm(wheel, &probes[i].timer, base + (uint64_t)(rand() % 100) * MS);
    for (unsigned i = 0; i < COUNT; i++)
        timer_arm(wheel, &probes[i].timer, base + (uint64_t)(i * 7919u % COUNT) * 10000u);
    CHECK(t, wait_until_fired(COUNT), "every timer fires once");
    bool sorted = true;
    for (unsigned i = 1; i < COUNT; i++)
        sorted &= probes[order[i - 1]].timer.deadline_ns <= probes[order[i]].timer.deadline_ns;
    CHECK(t, sorted, "in the order of their deadlines");
    CHECK(t, atomic_load(&early) == 0, "and never early");
}

static void check_cancel(struct tap *t, struct timer_wheel *wheel)
{
    init_all();
    uint64_t base = clock_monotonic_ns() + 20 * MS;
    for (unsigned i = 0; i < COUNT; i++)
        timer_arm(wheel, &probes[i].timer, base + i);
    unsigned kept = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 3)
            timer_disarm(wheel, &probes[i].timer);
        else
            kept++;
    }
    CHECK(t, wait_until_fired(kept), "disarmed timers do not fire");
    init_all();
    for (unsigned i = 0; i < COUNT; i++) {
        timer_arm(wheel, &probes[i].timer, clock_monotonic_ns() + (i & 1 ? 0 : 1000u * MS));
        timer_cancel(wheel, &probes[i].timer);
    }
    unsigned before = atomic_load(&fired);
    uint64_t end = clock_monotonic_ns() + 20 * MS;
    while (clock_monotonic_ns() < end)
        ;
    CHECK(t, atomic_load(&fired) == before, "after cancel nothing runs");
}

int main(void)
{
    struct tap t = {0, 0};
    struct timer_wheel *wheel = NULL;
    if (!CHECK(&t, timer_wheel_create(&wheel) == 0, "a wheel can be made"))
        return tap_finish(&t);
    check_order(&t, wheel);
    check_cancel(&t, wheel);
    timer_wheel_destroy(wheel);
    return tap_finish(&t);
}
