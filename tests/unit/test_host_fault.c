// Host memory that vanishes under a window is answered by a page of zeroes and a note to the
// thread; every other fault goes where it went before.
#include "platform/host_fault.h"
#include "platform/host_mem.h"
#include "tests/unit/tap.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf escape;
static void on_bus(int sig)
{
    siglongjmp(escape, sig);
}

static int make_file(size_t size)
{
    char name[] = "/tmp/ish-window-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || ftruncate(fd, (off_t)size) || pwrite(fd, "x", 1, 0) != 1)
        abort();
    return fd;
}

static void on_reset(int sig)
{
    raise(sig);
}

// How a process ends that has the hook over `action` and is sent SIGSEGV; 0: it does not.
static int end_of_sent(const struct sigaction *action)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGSEGV, action, NULL);
        if (host_fault_acquire() || kill(getpid(), SIGSEGV))
            _exit(1);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return status;
}

static void test_sent(struct tap *t)
{
    const struct sigaction plain = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN},
                           reset = {.sa_handler = on_reset, .sa_flags = SA_RESETHAND};
    CHECK(t, WTERMSIG(end_of_sent(&plain)) == SIGSEGV, "a sent SIGSEGV still ends the process");
    CHECK(t, end_of_sent(&ignored) == 0, "where it was ignored it is ignored");
    CHECK(t, WTERMSIG(end_of_sent(&reset)) == SIGSEGV,
          "a handler for once is gone when it runs, and can pass the signal on");
}

int main(void)
{
    struct tap t = {0, 0};
    size_t page = host_page_size(), size = page * 16;
    _Atomic uint32_t poke = 0;
    struct host_fault_thread self = {.poke = &poke};
    struct sigaction sa = {.sa_handler = on_bus, .sa_flags = SA_NODEFER}, now;
    sigaction(SIGBUS, &sa, NULL);
    CHECK(&t, !host_fault_acquire() && !host_fault_acquire(), "the hook is there, twice");
    host_fault_set_thread(&self);

    void *window;
    int fd = make_file(size);
    CHECK(&t, !host_window_map(fd, 0, size, true, &window), "a window over a file");
    volatile char *p = window;
    CHECK(&t, p[0] == 'x' && !atomic_load(&self.hit), "shows its bytes");
    if (ftruncate(fd, 10))
        abort();
    char c = p[page * 3 + 5];
    CHECK(&t, c == 0 && atomic_load(&self.hit) && atomic_load(&poke) == 1,
          "a page that was cut off reads as zero and the thread is told");
    CHECK(&t, atomic_load(&self.host_addr) == (uintptr_t)p + page * 3 + 5, "and where");
    atomic_store(&self.hit, false);
    p[page * 3] = 'y';
    CHECK(&t, p[page * 3] == 'y' && !atomic_load(&self.hit), "the page stays");
    host_window_unmap(window, size);

    void *plain = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    p = plain;
    bool passed = sigsetjmp(escape, 1) ? true : (c = p[page * 5], false);
    CHECK(&t, passed && !atomic_load(&self.hit), "memory that is no window keeps its old handler");
    munmap(plain, size);
    close(fd);

    host_fault_set_thread(NULL);
    host_fault_release();
    sigaction(SIGBUS, NULL, &now);
    CHECK(&t, now.sa_handler != on_bus, "one release leaves the hook to the other");
    host_fault_release();
    sigaction(SIGBUS, NULL, &now);
    CHECK(&t, now.sa_handler == on_bus, "the last one restores what was there");
    test_sent(&t);
    return tap_finish(&t);
}
