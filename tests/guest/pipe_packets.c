// Packets and streams in one pipe: what each read gets, of one byte after another, when writers are
// in packet mode by turns, and what becomes of packets that go on by splice and tee.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { MOST = 70000, ROOM = 1 << 20 };

static int in[2], out[2];
static unsigned char counter; // of the bytes that were written
static unsigned char bytes[MOST];

static void open_pipes(void)
{
    if (pipe2(in, O_NONBLOCK) || pipe2(out, O_NONBLOCK))
        abort();
    fcntl(in[0], F_SETPIPE_SZ, ROOM);
    fcntl(out[0], F_SETPIPE_SZ, ROOM);
}
static void close_pipes(void)
{
    for (int i = 0; i < 2; i++)
        close(in[i]), close(out[i]);
}
static void set_packets(int fd, bool on)
{
    fcntl(fd, F_SETFL, O_NONBLOCK | (on ? O_DIRECT : 0));
}
static long put(int fd, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = counter++;
    return write(fd, bytes, n);
}
// How many bytes came, and which.
static void show_bytes(const char *name, long n)
{
    uint32_t sum = 1;
    for (long i = 0; i < n; i++)
        sum = sum * 31 + bytes[i];
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%ld, %08x", n, sum);
}
static void get(const char *name, int fd, size_t n)
{
    show_bytes(name, read(fd, bytes, n));
}
static void get_all(const char *name, int fd)
{
    long n;
    while ((n = read(fd, bytes, MOST)) > 0)
        show_bytes(name, n);
}
static void show_held(const char *name, int fd)
{
    int n = -1;
    ioctl(fd, FIONREAD, &n);
    SHOW(name, "%d bytes", n);
}

// --- By turns ------------------------------------------------------------------------------------

static void turns(void)
{
    open_pipes();
    set_packets(in[1], true);
    put(in[1], 3);
    set_packets(in[1], false);
    put(in[1], 2);
    put(in[1], 4);
    set_packets(in[1], true);
    put(in[1], 5);
    put(in[1], 4096);
    put(in[1], 6);
    show_held("all of it", in[0]);
    get("a packet", in[0], 100);
    get("a part of the stream", in[0], 3);
    get("the stream with what joined it", in[0], 100);
    get("more", in[0], MOST);
    get("more", in[0], MOST);
    get("nothing", in[0], 1);
    put(in[1], 5000);
    get("a long one", in[0], 4000);
    get("its rest", in[0], 4000);
    get("nothing", in[0], 4000);
    set_packets(in[1], false);
    put(in[1], 4096);
    set_packets(in[1], true);
    put(in[1], 7);
    get("a stream and the packet after it", in[0], MOST);
    put(in[1], 0);
    get("an empty packet", in[0], 10);
    put(in[1], 10);
    get("none of a packet", in[0], 0);
    get("a byte of a packet", in[0], 1);
    get("the rest is gone", in[0], 10);
    struct iovec v[3] = {{bytes, 3}, {bytes + 10, 0}, {bytes + 20, 4}};
    show_call("a packet of pieces", writev(in[1], v, 3));
    show_call("read into pieces", readv(in[0], v, 3));
    close_pipes();
}

static void bad_memory(void)
{
    open_pipes();
    unsigned char *edge =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(edge + 4096, 4096, PROT_NONE);
    memset(edge, 'e', 4096);
    set_packets(in[1], true);
    show_call("a packet from nowhere", write(in[1], (char *)8, 5));
    show_call("half from nowhere", write(in[1], edge + 4094, 5));
    show_call("a packet, then one from nowhere", write(in[1], edge, 4100));
    get_all("... what came", in[0]);
    put(in[1], 5);
    put(in[1], 6);
    show_call("a packet to nowhere", read(in[0], (char *)8, 50));
    show_call("half to nowhere", read(in[0], edge + 4094, 50));
    show_held("it stays", in[0]);
    get("whole", in[0], 50);
    set_packets(in[1], false);
    put(in[1], 4096);
    set_packets(in[1], true);
    put(in[1], 9);
    get("the packet before", in[0], 50);
    show_bytes("a stream, its packet to nowhere", read(in[0], edge, 8192));
    get_all("... what stayed", in[0]);
    set_packets(in[1], false);
    put(in[1], 3);
    set_packets(in[1], true);
    show_call("joining a stream from nowhere", write(in[1], (char *)8, 5));
    show_call("joining, half from nowhere", write(in[1], edge + 4094, 5));
    get_all("... what came", in[0]);
    put(in[1], 5);
    show_call("a stream from nowhere behind a packet",
              (set_packets(in[1], false), write(in[1], (char *)8, 5)));
    get_all("... what came", in[0]);
    close_pipes();
}

// Without a reader, and without room.
static void no_way(void)
{
    signal(SIGPIPE, SIG_IGN);
    open_pipes();
    set_packets(in[1], true);
    fcntl(in[0], F_SETPIPE_SZ, 8192);
    show_call("the first", put(in[1], 10));
    show_call("the second", put(in[1], 10));
    show_call("the third", put(in[1], 10));
    set_packets(in[1], false);
    show_call("a stream", put(in[1], 1));
    get("a packet", in[0], 100);
    show_call("a stream", put(in[1], 4000));
    set_packets(in[1], true);
    show_call("joining it", put(in[1], 96));
    show_call("too much to join", put(in[1], 97));
    get_all("all", in[0]);
    show_call("two packets and a half", put(in[1], 10000));
    get_all("all", in[0]);
    set_packets(in[1], false);
    put(in[1], 10);
    close(in[0]);
    set_packets(in[1], true);
    show_call("joining without a reader", put(in[1], 5));
    show_call("a packet without a reader", put(in[1], 4096));
    close(in[1]), close(out[0]), close(out[1]);
}

// --- Going on ------------------------------------------------------------------------------------

static void passed_on(void)
{
    open_pipes();
    set_packets(in[1], true);
    put(in[1], 3);
    put(in[1], 4);
    put(in[1], 4096);
    show_call("tee of two and a part", tee(in[0], out[1], 10, 0));
    get_all("... each", out[0]);
    show_call("splice of one and a part", splice(in[0], NULL, out[1], NULL, 5, 0));
    get_all("... each", out[0]);
    show_call("splice of the rest", splice(in[0], NULL, out[1], NULL, MOST, 0));
    put(out[1], 5);
    get_all("... and a stream after it", out[0]);
    set_packets(in[1], false);
    put(in[1], 3);
    show_call("splice of a stream", splice(in[0], NULL, out[1], NULL, MOST, 0));
    set_packets(out[1], true);
    put(out[1], 5);
    get_all("... and a packet after it", out[0]);
    put(out[1], 6);
    set_packets(out[1], false);
    put(in[1], 7);
    show_call("tee behind a packet", tee(in[0], out[1], MOST, 0));
    put(out[1], 2);
    get_all("...", out[0]);
    get_all("... and what was copied", in[0]);
    static char user[11] = "from memory"; // stays as it is: its page goes on
    struct iovec v = {user, 11};
    put(out[1], 1);
    set_packets(out[1], true);
    show_call("vmsplice", vmsplice(out[1], &v, 1, 0));
    get_all("...", out[0]);
    int file = open("/proc/self/exe", O_RDONLY);
    show_call("a file in packet mode", splice(file, NULL, out[1], NULL, 100, 0));
    show_call("... twice", splice(file, NULL, out[1], NULL, 200, 0));
    long n = read(out[0], bytes, MOST);
    SHOW("... in one", "%ld", n);
    close(file);
    close_pipes();
}

// --- At random -----------------------------------------------------------------------------------

static uint32_t seed = 1;
static uint32_t next(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

// Never so much that the pipe is full: how pages are filled is another matter.
static void at_random(void)
{
    static const int sizes[] = {1, 2, 7, 100, 2000, 4000, 4095, 4096, 4097, 6000, 8192, 10000};
    open_pipes();
    for (int round = 0; round < 40; round++) {
        SHOW("round", "%d", round);
        for (int i = 0; i < 20; i++) {
            size_t n = (size_t)sizes[next(sizeof sizes / sizeof *sizes)];
            int fd = next(4) ? in[1] : out[1];
            switch (next(6)) {
            case 0:
            case 1:
                set_packets(fd, true);
                show_call("packet", put(fd, n));
                break;
            case 2:
                set_packets(fd, false);
                show_call("stream", put(fd, n));
                break;
            case 3:
                get("read", next(2) ? in[0] : out[0], n);
                break;
            case 4:
                show_call("splice", splice(in[0], NULL, out[1], NULL, n, SPLICE_F_NONBLOCK));
                break;
            case 5:
                show_call("tee", tee(in[0], out[1], n, SPLICE_F_NONBLOCK));
                break;
            }
        }
        get_all("left in one", in[0]);
        get_all("left in the other", out[0]);
    }
    close_pipes();
}

static void all(void)
{
    IN_CHILD("turns", turns());
    IN_CHILD("bad memory", bad_memory());
    IN_CHILD("no way", no_way());
    IN_CHILD("passed on", passed_on());
    IN_CHILD("at random", at_random());
}

int main(void)
{
    return run_as_child(all);
}
