// Random reads, writes, truncations, maps, holes and copies of one file, compared with a copy of it
// in memory after each:  fsx FILE CALLS SEED
// What the file system does not do (EOPNOTSUPP) is left out after the first try, and named.
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE_MAX_ = 256 * 1024, LEN_MAX = 64 * 1024, PAGE = 4096, WRONG_MAX = 10 };

static struct {
    const char *path;
    int fd;
    uint32_t random;
    size_t size;
    unsigned char *good, *got; // what must be there, and room to read into
    unsigned char *map;        // a shared one that stays, over SIZE_MAX_; NULL: none
    long call;
    unsigned wrong;
    char what[120];
    bool no_zero, no_punch, no_room, no_copy;
} x;

static unsigned pick(unsigned n)
{
    x.random = x.random * 1664525u + 1013904223u;
    return (x.random >> 8) % n;
}

static void complain(const char *why, long got, long want)
{
    if (x.wrong++ < WRONG_MAX)
        printf("# call %ld, %s: %s: %ld, and must be %ld\n", x.call, x.what, why, got, want);
}

static void expect(const char *why, long got, long want)
{
    if (got != want)
        complain(why, got < 0 ? -errno : got, want);
}

#define SAY(...) snprintf(x.what, sizeof x.what, __VA_ARGS__)

static void compare(const unsigned char *got, size_t at, size_t len)
{
    if (memcmp(got, x.good + at, len) == 0)
        return;
    size_t i = 0;
    while (got[i] == x.good[at + i])
        i++;
    complain("contents", got[i], x.good[at + i]);
    printf("#   at %zu of %zu\n", at + i, x.size);
}

static void pick_range(size_t *at, size_t *len)
{
    *at = pick(4) ? pick(SIZE_MAX_ - LEN_MAX) : pick(SIZE_MAX_ / PAGE - LEN_MAX / PAGE) * PAGE;
    *len = 1 + pick(pick(3) ? 5000 : LEN_MAX - 1);
}

static size_t within(size_t at, size_t len)
{
    return at >= x.size ? 0 : at + len > x.size ? x.size - at : len;
}

// The file has become `size` long; what is new is zero.
static void resized(size_t size)
{
    if (size > x.size)
        memset(x.good + x.size, 0, size - x.size);
    x.size = size;
}

static void fill(size_t at, size_t len)
{
    unsigned char start = (unsigned char)pick(256);
    if (at > x.size)
        resized(at);
    for (size_t i = 0; i < len; i++)
        x.good[at + i] = (unsigned char)(start + i * 7);
    if (at + len > x.size)
        x.size = at + len;
}

static void call_read(void)
{
    size_t at, len;
    pick_range(&at, &len);
    SAY("read %zu at %zu", len, at);
    size_t want = within(at, len);
    if (pick(2)) {
        expect("length", pread(x.fd, x.got, len, (off_t)at), (long)want);
    } else {
        size_t half = len / 2;
        const struct iovec parts[] = {{x.got, half}, {x.got + half, len - half}};
        expect("length", preadv(x.fd, parts, 2, (off_t)at), (long)want);
    }
    compare(x.got, at, want);
}

static void call_write(void)
{
    size_t at, len;
    pick_range(&at, &len);
    SAY("write %zu at %zu", len, at);
    fill(at, len);
    if (pick(2)) {
        expect("length", pwrite(x.fd, x.good + at, len, (off_t)at), (long)len);
    } else {
        lseek(x.fd, (off_t)at, SEEK_SET);
        size_t half = len / 2;
        const struct iovec parts[] = {{x.good + at, half}, {x.good + at + half, len - half}};
        expect("length", writev(x.fd, parts, 2), (long)len);
    }
}

static void call_append(void)
{
    size_t len = 1 + pick(3000);
    if (x.size + len > SIZE_MAX_)
        return;
    SAY("append %zu", len);
    int fd = open(x.path, O_WRONLY | O_APPEND);
    size_t at = x.size;
    fill(at, len);
    expect("length", write(fd, x.good + at, len), (long)len);
    close(fd);
}

static void call_truncate(void)
{
    size_t size = pick(3) ? pick(SIZE_MAX_) : pick(SIZE_MAX_ / PAGE) * PAGE;
    SAY("truncate %zu", size);
    resized(size);
    expect("result", pick(2) ? ftruncate(x.fd, (off_t)size) : truncate(x.path, (off_t)size), 0);
}

static void call_map(bool write)
{
    size_t at, len;
    pick_range(&at, &len);
    len = within(at, len);
    if (!len)
        return;
    SAY("map %s %zu at %zu", write ? "to write" : "to read", len, at);
    size_t start = at & ~(size_t)(PAGE - 1);
    unsigned char *map = mmap(NULL, at + len - start, PROT_READ | PROT_WRITE,
                              write || pick(2) ? MAP_SHARED : MAP_PRIVATE, x.fd, (off_t)start);
    if (map == MAP_FAILED) {
        complain("mmap", -errno, 0);
        return;
    }
    compare(map + (at - start), at, len);
    if (write) {
        fill(at, len);
        memcpy(map + (at - start), x.good + at, len);
        if (pick(4) == 0)
            expect("msync", msync(map, at + len - start, pick(2) ? MS_SYNC : MS_ASYNC), 0);
    }
    munmap(map, at + len - start);
}

static void call_map_read(void)
{
    call_map(false);
}

static void call_map_write(void)
{
    call_map(true);
}

// The same memory through truncations and holes.
static void call_old_map(void)
{
    size_t at, len;
    if (!x.map || pick(50) == 0) {
        if (x.map)
            munmap(x.map, SIZE_MAX_);
        x.map = mmap(NULL, SIZE_MAX_, PROT_READ | PROT_WRITE, MAP_SHARED, x.fd, 0);
        if (x.map == MAP_FAILED) {
            complain("mmap", -errno, 0);
            x.map = NULL;
            return;
        }
    }
    pick_range(&at, &len);
    len = within(at, len);
    SAY("old map %zu at %zu", len, at);
    if (!len)
        return;
    compare(x.map + at, at, len);
    if (pick(2)) {
        fill(at, len);
        memcpy(x.map + at, x.good + at, len);
    }
}

static bool supported(int result, bool *missing, const char *what)
{
    if (result < 0 && errno == EOPNOTSUPP) {
        *missing = true;
        printf("# without %s\n", what);
        return false;
    }
    return true;
}

static void call_punch(void)
{
    size_t at, len;
    pick_range(&at, &len);
    if (pick(4) == 0)
        len = 1;
    SAY("punch %zu at %zu", len, at);
    if (x.no_punch)
        return;
    int err = fallocate(x.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len);
    if (!supported(err, &x.no_punch, "holes"))
        return;
    expect("result", err, 0);
    memset(x.good + at, 0, within(at, len));
}

static void call_zero(void)
{
    size_t at, len;
    bool keep = pick(2);
    pick_range(&at, &len);
    SAY("zero %zu at %zu keep %d", len, at, keep);
    if (x.no_zero)
        return;
    int err = fallocate(x.fd, FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0), (off_t)at,
                        (off_t)len);
    if (!supported(err, &x.no_zero, "zeroing ranges"))
        return;
    expect("result", err, 0);
    memset(x.good + at, 0, within(at, len));
    if (!keep && at + len > x.size)
        resized(at + len);
}

static void call_room(void)
{
    size_t at, len;
    bool keep = pick(2);
    pick_range(&at, &len);
    SAY("fallocate %zu at %zu keep %d", len, at, keep);
    if (x.no_room)
        return;
    int err = fallocate(x.fd, keep ? FALLOC_FL_KEEP_SIZE : 0, (off_t)at, (off_t)len);
    if (!supported(err, &x.no_room, "fallocate"))
        return;
    expect("result", err, 0);
    if (!keep && at + len > x.size)
        resized(at + len);
}

static void call_copy(void)
{
    size_t from, to, len;
    pick_range(&from, &len);
    to = pick(SIZE_MAX_ - LEN_MAX);
    len = within(from, len);
    if (!len || (to < from + len && from < to + len) || x.no_copy)
        return;
    SAY("copy %zu from %zu to %zu", len, from, to);
    for (size_t done = 0; done < len;) {
        loff_t in = (loff_t)(from + done), out = (loff_t)(to + done);
        ssize_t n = copy_file_range(x.fd, &in, x.fd, &out, len - done, 0);
        if (done == 0 && !supported((int)n, &x.no_copy, "copy_file_range"))
            return;
        if (n <= 0) {
            complain("copy_file_range", n < 0 ? -errno : n, (long)(len - done));
            break;
        }
        done += (size_t)n;
    }
    if (to > x.size)
        resized(to);
    memcpy(x.good + to, x.good + from, len);
    if (to + len > x.size)
        x.size = to + len;
}

static void call_reopen(void)
{
    SAY("reopen");
    close(x.fd);
    x.fd = open(x.path, O_RDWR);
    expect("open", x.fd < 0 ? -1 : 0, 0);
}

static void call_sync(void)
{
    SAY("sync");
    expect("result", pick(2) ? fsync(x.fd) : fdatasync(x.fd), 0);
}

static bool all_zero(size_t at, size_t end)
{
    for (; at < end; at++)
        if (x.good[at])
            return false;
    return true;
}

// What is said to be a hole reads as zeros, and data ends where the next hole begins.
static void call_seek(void)
{
    size_t at = pick(SIZE_MAX_);
    SAY("seek from %zu of %zu", at, x.size);
    off_t data = lseek(x.fd, (off_t)at, SEEK_DATA);
    if (at >= x.size) {
        expect("error", data < 0 ? errno : 0, ENXIO);
        return;
    }
    size_t end = data < 0 ? x.size : (size_t)data;
    if (data < 0)
        expect("error", errno, ENXIO);
    if (end < at || end > x.size || !all_zero(at, end))
        complain("data in a hole", (long)end, (long)at);
    off_t hole = lseek(x.fd, (off_t)at, SEEK_HOLE);
    if (hole < (off_t)at || hole > (off_t)x.size)
        complain("hole", (long)hole, (long)x.size);
}

static void check_all(void)
{
    struct stat st;
    SAY("all of it");
    expect("fstat", fstat(x.fd, &st), 0);
    expect("size", st.st_size, (long)x.size);
    expect("length", pread(x.fd, x.got, SIZE_MAX_, 0), (long)x.size);
    compare(x.got, 0, x.size);
}

static void one_call(void)
{
    static void (*const calls[])(void) = {
        call_read,    call_read,     call_read,     call_write,     call_write,     call_write,
        call_append,  call_map_read, call_map_read, call_map_write, call_map_write, call_old_map,
        call_old_map, call_old_map,  call_truncate, call_punch,     call_punch,     call_zero,
        call_room,    call_copy,     call_seek,     call_seek};
    unsigned n = pick(1000);
    if (n == 0)
        call_reopen();
    else if (n == 1)
        call_sync();
    else
        calls[n % (sizeof calls / sizeof calls[0])]();
}

int main(int argc, char **argv)
{
    struct tap tap = {0, 0};
    if (argc < 4)
        return 2;
    x.path = argv[1];
    long calls = strtol(argv[2], NULL, 10);
    x.random = (uint32_t)strtoul(argv[3], NULL, 10);
    x.good = calloc(1, SIZE_MAX_);
    x.got = calloc(1, SIZE_MAX_);
    x.fd = open(x.path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (x.fd < 0)
        return 2;
    for (x.call = 0; x.call < calls && x.wrong < WRONG_MAX; x.call++) {
        one_call();
        if (x.call % 200 == 0)
            check_all();
    }
    check_all();
    CHECK(&tap, x.wrong == 0, "the file is what its copy in memory is, after every call");
    return tap_finish(&tap);
}
