// The same random typing, modes and output on a pty of the host's kernel (Linux) and on our line
// discipline must give the same echo, the same reads and the same FIONREAD.
//
// What is left out is what depends on how the kernel's worker happens to cut the bytes: a signal or
// a flow control character is always typed alone.
#include "kernel/tty/ldisc.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROUNDS = 400, STEPS = 4, TYPED_MAX = 200, BUF = 65536, PATIENCE_MS = 3000 };

static const uint8_t special[] = "\003\004\022\025\026\027\032\034\177\n\r\t\b;\0\377\xc3\x9f";

static uint32_t rng_state = 1;
static uint32_t rng(uint32_t n)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (rng_state >> 8) % n;
}

static struct ldisc ld;
static int master, slave;

static bool open_pair(void)
{
    int unlock = 0;
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master < 0 || ioctl(master, LINUX_TIOCSPTLCK, &unlock))
        return false;
    slave = ioctl(master, LINUX_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
    ldisc_init(&ld);
    return slave >= 0;
}

static void close_pair(void)
{
    close(slave);
    close(master);
}

// Any modes but those about line errors and EXTPROC; VMIN 1 so that no read waits.
static bool random_modes(void)
{
    struct linux_termios2 tio = ld.termios;
    for (uint32_t i = rng(2) ? rng(6) : 0; i; i--) {
        uint32_t bit;
        switch (rng(4)) {
        case 0:
            bit = 1u << rng(15);
            tio.c_iflag ^=
                bit & (LINUX_PARMRK | LINUX_ISTRIP | LINUX_INLCR | LINUX_IGNCR | LINUX_ICRNL |
                       LINUX_IUCLC | LINUX_IXON | LINUX_IXANY | LINUX_IUTF8);
            break;
        case 1:
            tio.c_oflag ^= 1u << rng(6);
            break;
        case 2:
            tio.c_lflag ^= 1u << rng(16);
            break;
        default:
            tio.c_cc[rng(17)] = special[rng(sizeof special)];
            break;
        }
    }
    tio.c_cc[LINUX_VMIN] = 1;
    tio.c_cc[LINUX_VTIME] = 0;
    // A START or STOP that is also something else would be typed among other bytes.
    tio.c_cc[LINUX_VSTART] = 021;
    tio.c_cc[LINUX_VSTOP] = 023;
    ldisc_set_termios(&ld, &tio);
    return !ioctl(slave, LINUX_TCSETS2, &tio);
}

static bool acts_at_once(uint8_t c)
{
    const uint8_t *cc = ld.termios.c_cc;
    return c == cc[LINUX_VSTART] || c == cc[LINUX_VSTOP] || c == cc[LINUX_VINTR] ||
           c == cc[LINUX_VQUIT] || c == cc[LINUX_VSUSP];
}

static size_t random_typing(uint8_t *bytes)
{
    if (!rng(4)) {
        bytes[0] = (uint8_t)"\021\023\003\032"[rng(4)];
        return 1;
    }
    size_t n = 1 + rng(rng(3) ? 30 : TYPED_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!rng(3))
            bytes[i] = special[rng(sizeof special - 1)];
        else
            bytes[i] = rng(2) ? (uint8_t)"ab c_.\xe2\x82\xac"[rng(9)] : (uint8_t)rng(256);
        if (acts_at_once(bytes[i]))
            bytes[i] = 'z';
    }
    return n;
}

// Reads from the master until `want` bytes came and a little longer for any too many.
static size_t native_output(uint8_t *buf, size_t want)
{
    size_t got = 0;
    struct pollfd p = {.fd = master, .events = POLLIN};
    while (poll(&p, 1, got < want ? PATIENCE_MS : 1) > 0) {
        ssize_t n = read(master, buf + got, BUF - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static bool same_output(const char *what, const uint8_t *ours, size_t n)
{
    static uint8_t native[BUF];
    size_t got = native_output(native, n);
    if (got == n && !memcmp(native, ours, n))
        return true;
    printf("# %s: %zu bytes, native %zu; iflag %x oflag %x lflag %x\n", what, n, got,
           ld.termios.c_iflag, ld.termios.c_oflag, ld.termios.c_lflag);
    return false;
}

static bool type_step(void)
{
    static uint8_t echo[BUF];
    uint8_t bytes[TYPED_MAX];
    size_t n = random_typing(bytes), done = 0, echoed = 0;
    if (write(master, bytes, n) != (ssize_t)n)
        return false;
    while (done < n) {
        unsigned events;
        done += ldisc_receive(&ld, bytes + done, n - done, &events);
    }
    if (!ld.stopped)
        echoed = ldisc_echo_take(&ld, echo, sizeof echo);
    return same_output("echo", echo, echoed);
}

static bool same_count(void)
{
    int count = -1;
    for (int i = 0; i < PATIENCE_MS; i++) {
        ioctl(slave, LINUX_FIONREAD, &count);
        if (count == (int)ldisc_input_count(&ld))
            return true;
        poll(NULL, 0, 1); // the kernel's worker has not seen the bytes yet
    }
    printf("# FIONREAD: %zu, native %d\n", ldisc_input_count(&ld), count);
    return false;
}

static bool read_step(bool *more)
{
    uint8_t ours[BUF / 64], native[BUF / 64];
    size_t want = 1 + rng(rng(2) ? 8 : 300), got = 0;
    bool end, readable = ldisc_readable(&ld, false);
    if (readable)
        got = ldisc_read(&ld, ours, want, &end);
    ssize_t n = read(slave, native, want);
    *more = readable;
    if (readable ? n == (ssize_t)got && !memcmp(ours, native, got) : n < 0 && errno == EAGAIN)
        return true;
    printf("# read of %zu: %zu, native %zd\n", want, got, n);
    return false;
}

static bool write_step(void)
{
    uint8_t bytes[20], out[200];
    size_t n = 1 + rng(sizeof bytes), made;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)"ab\n\r\t\b\001\xc3\xa9z"[rng(10)];
    if (write(slave, bytes, n) != (ssize_t)n)
        return false;
    ldisc_output(&ld, bytes, n, out, sizeof out, &made);
    return same_output("output", out, made);
}

static bool one_round(void)
{
    bool good = random_modes();
    for (int step = 0; step < STEPS && good; step++) {
        good = type_step() && same_count();
        bool more = true;
        while (good && more && (step == STEPS - 1 || rng(3)))
            good = read_step(&more);
        if (good && !ld.stopped && rng(2))
            good = write_step();
    }
    return good;
}

int main(void)
{
    struct tap t = {0, 0};
    int round = 0;
    bool good = true;
    for (; round < ROUNDS && good; round++) {
        good = open_pair() && one_round();
        close_pair();
    }
    if (!good)
        printf("# broke in round %d\n", round);
    CHECK(&t, good, "echo, reads, FIONREAD and output are those of the host's kernel");
    return tap_finish(&t);
}
