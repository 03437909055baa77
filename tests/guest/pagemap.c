// /proc/PID/pagemap: which pages are there, which are shared or a file's, which nobody else maps;
// and how it is read.
#include "probe.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096 };
#define PRESENT   (1ull << 63)
#define SWAPPED   (1ull << 62)
#define SHARED    (1ull << 61)
#define EXCLUSIVE (1ull << 56)

static int map;

static void show_page(const char *name, const volatile void *at)
{
    uint64_t e = 0;
    if (pread(map, &e, 8, (off_t)((uintptr_t)at / PAGE * 8)) != 8)
        SHOW(name, "%s", "unread");
    else
        SHOW(name, "%s%s%s", e & PRESENT ? "present" : "absent", e & SWAPPED ? " swapped" : "",
             e & SHARED      ? " shared"
             : e & EXCLUSIVE ? " exclusive"
                             : "");
}

static volatile char *get(int prot, int flags, int fd)
{
    return mmap(NULL, 4 * PAGE, prot, flags, fd, 0);
}

static void pages(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    volatile char *a = get(rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    madvise((void *)(uintptr_t)a, 4 * PAGE, MADV_NOHUGEPAGE);
    show_page("untouched", a);
    a[0] = 1;
    show_page("written", a);
    show_page("its neighbour", a + PAGE);
    madvise((void *)(uintptr_t)a, PAGE, MADV_DONTNEED);
    show_page("given back", a);
    mprotect((void *)(uintptr_t)a, PAGE, PROT_NONE);
    show_page("without rights", a);
    volatile char *s = get(rw, MAP_SHARED | MAP_ANONYMOUS, -1);
    s[0] = 1;
    show_page("shared memory", s);
    int fd = open("/proc/self/exe", O_RDONLY);
    volatile char *f = get(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    (void)f[0];
    f[0] = 1;
    show_page("private copy of a file's", f);
    a[3 * PAGE] = 1;
    IN_CHILD("after fork", show_page("of a parent and a child", a + 3 * PAGE); a[3 * PAGE] = 2;
             map = open("/proc/self/pagemap", O_RDONLY);
             show_page("the child's own", a + 3 * PAGE));
    munmap((void *)(uintptr_t)a, 4 * PAGE);
    show_page("unmapped", a);
}

static void reading(void)
{
    static uint64_t many[1024];
    uint64_t e;
    volatile char *a = get(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    off_t at = (off_t)((uintptr_t)a / PAGE * 8);
    show_call("two entries", pread(map, many, 16, at));
    show_call("many", pread(map, many, sizeof many, 0));
    show_call("nothing", pread(map, &e, 0, at));
    show_call("half an entry", pread(map, &e, 4, at));
    show_call("odd count", pread(map, &e, 12, at));
    show_call("odd place", pread(map, &e, 8, at + 4));
    show_call("beyond the end", pread(map, &e, 8, (off_t)1 << 60));
    show_call("bad memory", pread(map, (void *)16, 8, at));
    show_call("seek", lseek(map, 800, SEEK_SET) == 800 ? 0 : -1);
    show_call("read there", read(map, &e, 8));
    SHOW("position", "%d", (int)lseek(map, 0, SEEK_CUR));
    show_call("write", write(map, &e, 8));
    show_call("open to write", open("/proc/self/pagemap", O_WRONLY) < 0 ? -1 : 0);
}

static void questions(void)
{
    map = open("/proc/self/pagemap", O_RDONLY);
    show_done("open", map);
    pages();
    reading();
}

int main(void)
{
    return run_as_child(questions);
}
