// /proc/self/smaps: whose the pages of a mapping are, before a fork, after it, and after a write.
#include "probe.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 6 };
static char text[1 << 20];

static void slurp(const char *name)
{
    int fd = open(name, O_RDONLY);
    size_t len = 0;
    ssize_t n = 0;
    while (fd >= 0 && len < sizeof text - 1 &&
           (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    close(fd);
}

static long field(const char *from, const char *name)
{
    const char *found = from ? strstr(from, name) : NULL;
    return found ? strtol(found + strlen(name), NULL, 10) : -1;
}

// What smaps says of the mapping that starts at `at`.
static void show_sharing(const char *when, const void *at)
{
    static const char *const fields[] = {
        "Rss:",           "Pss:",       "Pss_Dirty:",     "Shared_Clean:", "Shared_Dirty:",
        "Private_Clean:", "Anonymous:", "Private_Dirty:", "Locked:"};
    char start[32];
    snprintf(start, sizeof start, "\n%lx-", (unsigned long)(uintptr_t)at);
    slurp("/proc/self/smaps");
    const char *mapping = strstr(text, start);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s, %s", when, fields[i]);
        SHOW(name, "%ld kB", field(mapping, fields[i]));
    }
    if (mapping) {
        const char *flags = strstr(mapping, "VmFlags:"), *end = flags ? strchr(flags, '\n') : NULL;
        SHOW("  locked", "%d", end && memmem(flags, (size_t)(end - flags), " lo ", 4) != NULL);
    }
}

// A mapping by itself: between two others of other rights.
static char *lone_mapping(int flags)
{
    char *around = mmap(NULL, (PAGES + 2) * PAGE, PROT_READ, flags | MAP_ANONYMOUS, -1, 0);
    mprotect(around + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE);
    madvise(around + PAGE, PAGES * PAGE, MADV_NOHUGEPAGE);
    return around + PAGE;
}

static void fill(char *at, int pages, char with)
{
    for (int i = 0; i < pages; i++)
        *(volatile char *)(at + i * PAGE) = with;
}

// Children that wrote to `least` pages, and to half of them more.
static void forked(char *at, const char *what, int least)
{
    char when[80];
    for (int written = least; written <= PAGES; written += PAGES / 2) {
        snprintf(when, sizeof when, "%s, in a child that wrote %d", what, written);
        IN_CHILD("child", {
            fill(at, written, 2);
            show_sharing(when, at);
        });
        snprintf(when, sizeof when, "%s, after a child that wrote %d", what, written);
        show_sharing(when, at);
    }
    // Two children that have the page as it was, and stay.
    int up[2], down[2];
    if (pipe(up) || pipe(down))
        return;
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            close(down[1]);
            fill(at, least + i < PAGES ? least + i : PAGES, 3);
            tell(up[1]);
            char c;
            read(down[0], &c, 1);
            _exit(0);
        }
        hear(up[0]);
    }
    snprintf(when, sizeof when, "%s, two children", what);
    show_sharing(when, at);
    close(down[1]);
    for (int i = 0; i < 2; i++)
        wait(NULL);
    close(down[0]);
    close(up[0]);
    close(up[1]);
}

// The sums over all mappings, when nothing changes in between.
static void show_rollup(void)
{
    static const char *const fields[] = {
        "Shared_Clean:", "Shared_Dirty:", "Private_Clean:", "Private_Dirty:"};
    slurp("/proc/self/smaps_rollup");
    long parts = 0, rss = field(text, "Rss:"), pss = field(text, "Pss:");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        parts += field(text, fields[i]);
    SHOW("rollup: the parts are all", "%d", parts == rss);
    SHOW("rollup: a portion of all", "%d", pss > 0 && pss <= rss);
    SHOW("rollup: anonymous", "%d", field(text, "Anonymous:") >= 2 * PAGES * PAGE / 1024);
    IN_CHILD("rollup", {
        slurp("/proc/self/smaps_rollup");
        SHOW("rollup: portion in a child", "%d", field(text, "Pss:") < field(text, "Rss:"));
        SHOW("rollup: shared with the parent", "%d",
             field(text, "Shared_Dirty:") >= PAGES * PAGE / 1024);
    });
}

static void body(void)
{
    char *own = lone_mapping(MAP_PRIVATE), *common = lone_mapping(MAP_SHARED);
    show_sharing("untouched", own);
    fill(own, PAGES, 1);
    show_sharing("written", own);
    forked(own, "private", 0);
    madvise(own, 2 * PAGE, MADV_DONTNEED);
    show_sharing("some given back", own);
    fill(own, PAGES, 1);
    fill(common, PAGES, 1);
    show_sharing("shared", common);
    // What is no copy need not be there in a child before it asks for it.
    forked(common, "shared", PAGES);
    show_rollup();
    SHOW("locked", "%d", mlock(own, PAGES * PAGE));
    show_sharing("locked", own);
    IN_CHILD("locked", show_sharing("no lock in a child", own));

    int fd = memfd_create("pages", 0);
    if (ftruncate(fd, 2 * PAGE))
        return;
    char *first = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    fill(first, 2, 1);
    show_sharing("memory file", first);
    char *second = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    (void)*(volatile char *)second;
    show_sharing("mapped twice", first);
    show_sharing("the second", second);
    *second = 2;
    show_sharing("after a copy", first);
    show_sharing("the copy", second);
}

int main(void)
{
    return run_as_child(body);
}
