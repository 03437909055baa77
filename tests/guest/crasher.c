// Ends by a signal in the way its argument says, for tests/cli/test_crash.py.
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t loop[2];

// Faults with this frame pointer.
static void fault(uint64_t frame)
{
    __asm__ volatile("mov x29, %0\n\tmov x9, #16\n\tstr xzr, [x9]" : : "r"(frame) : "x9", "memory");
}

__attribute__((noinline)) static int deep(int n)
{
    volatile int here = n;
    if (n == 0)
        *(volatile int *)16 = 1;
    return deep(n - 1) + here;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    loop[0] = (uintptr_t)loop;
    loop[1] = 0x1234;
    if (!strcmp(how, "deep"))
        return deep(40);
    if (!strcmp(how, "few"))
        return deep(5);
    if (!strcmp(how, "loop"))
        fault((uintptr_t)loop);
    if (!strcmp(how, "odd"))
        fault((uintptr_t)loop + 4);
    if (!strcmp(how, "nowhere"))
        fault(8);
    if (!strcmp(how, "none"))
        fault(0);
    if (!strcmp(how, "text"))
        *(volatile int *)(uintptr_t)main = 1;
    if (!strcmp(how, "sent"))
        kill(getpid(), SIGSEGV);
    if (!strcmp(how, "jump"))
        ((void (*)(void))0x40)();
    return 0;
}
