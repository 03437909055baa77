// The line discipline seen through a pty: rows L01-L11 of the terminal table.
#include "tests/guest/pty_util.h"

static struct tap t;

static void test_defaults(void)
{
    struct pty p;
    struct termios tio;
    CHECK(&t, !open_pty(&p) && !tcgetattr(p.slave, &tio), "a pair");
    CHECK(&t,
          tio.c_iflag == (ICRNL | IXON) && tio.c_oflag == (OPOST | ONLCR) &&
              (tio.c_cflag & ~(tcflag_t)HUPCL) == (B38400 | CS8 | CREAD) &&
              tio.c_lflag == (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN),
          "L01: the modes of a new terminal");
    close_pty(&p);
}

static void test_canonical(void)
{
    struct pty p;
    char buf[64];
    int count;
    open_pty(&p);
    set_nonblock(p.slave, 1);
    writes(p.master, "abc");
    reads_text(p.master, "abc"); // the echo tells that it was seen
    CHECK(&t, read(p.slave, buf, sizeof buf) == -1 && errno == EAGAIN,
          "L02: an unfinished line is EAGAIN");
    writes(p.master, "\r");
    CHECK(&t, reads_text(p.master, "\r\n"), "L03: CR is echoed as CR NL");
    CHECK(&t, !ioctl(p.slave, FIONREAD, &count) && count == 4, "L06: FIONREAD counts the line");
    CHECK(&t, read(p.slave, buf, sizeof buf) == 4 && !memcmp(buf, "abc\n", 4),
          "L02: and read as NL");
    writes(p.master, "xy\177\n");
    CHECK(&t, reads_text(p.master, "xy\b \b\r\n"), "L04: VERASE echoes BS SP BS");
    CHECK(&t, reads_text(p.slave, "x\n"), "L04: and takes the character");
    writes(p.master, "\004");
    CHECK(&t, events_of(p.slave, POLLIN, 1000) == POLLIN && read(p.slave, buf, sizeof buf) == 0,
          "L05: VEOF on an empty line is an end of file");
    writes(p.master, "abc\004");
    CHECK(&t, reads_text(p.slave, "abc"), "L05: after text it hands the text over");
    writes(p.master, "one\ntwo\n");
    events_of(p.slave, POLLIN, 1000);
    sleep_ms(20);
    CHECK(&t, read(p.slave, buf, sizeof buf) == 4 && read(p.slave, buf, sizeof buf) == 4,
          "L06: one line a read");
    close_pty(&p);
}

static void test_long_line(void)
{
    struct pty p;
    static char big[6001], got[8192];
    memset(big, 'x', sizeof big);
    big[6000] = '\n';
    open_pty(&p);
    set_flags(p.slave, 0, 0, ECHO);
    ssize_t n = write(p.master, big, sizeof big);
    CHECK(&t, n == sizeof big, "L07: a line of 6000 bytes is taken");
    events_of(p.slave, POLLIN, 2000);
    sleep_ms(20);
    CHECK(&t, read(p.slave, got, sizeof got) == 4096 && got[4094] == 'x' && got[4095] == '\n',
          "L07: 4095 bytes and the newline are left of it");
    close_pty(&p);
}

static void test_raw(void)
{
    struct pty p;
    char buf[64];
    struct termios tio;
    open_pty(&p);
    writes(p.slave, "a\nb");
    CHECK(&t, reads_text(p.master, "a\r\nb"), "L08: ONLCR");
    make_raw(p.slave);
    tcgetattr(p.slave, &tio);
    tio.c_cc[VMIN] = 3;
    tcsetattr(p.slave, TCSANOW, &tio);
    writes(p.master, "ab");
    CHECK(&t, !(events_of(p.slave, POLLIN, 100) & POLLIN), "L09: VMIN 3: 2 bytes are not ready");
    writes(p.master, "c");
    CHECK(&t, events_of(p.slave, POLLIN, 1000) & POLLIN && read(p.slave, buf, sizeof buf) == 3,
          "L09: 3 are");
    tio.c_cc[VMIN] = 0;
    tio.c_cc[VTIME] = 2;
    tcsetattr(p.slave, TCSANOW, &tio);
    long start = now_ms();
    ssize_t n = read(p.slave, buf, sizeof buf);
    long took = now_ms() - start;
    CHECK(&t, n == 0 && took >= 150, "L10: VTIME 2 waits 200 ms and returns 0");
    cfsetispeed(&tio, B115200);
    cfsetospeed(&tio, B115200);
    tcsetattr(p.slave, TCSANOW, &tio);
    struct termios back;
    CHECK(&t, !tcgetattr(p.slave, &back) && cfgetospeed(&back) == B115200,
          "L11: the speed comes back as it was set");
    close_pty(&p);
}

// Whoever administers a machine can keep modes as they are; a bit or a character at a time.
static void test_locked(void)
{
    struct pty p;
    struct termios tio, got;
    struct {
        unsigned iflag, oflag, cflag, lflag;
        unsigned char line, cc[19];
    } locked = {.iflag = ICRNL, .lflag = ECHO}, zero = {0}, seen;
    locked.cc[VEOF] = 1;
    open_pty(&p);
    memset(&seen, 1, sizeof seen);
    CHECK(&t, !ioctl(p.slave, TIOCGLCKTRMIOS, &seen) && !memcmp(&seen, &zero, sizeof zero),
          "L12: nothing is locked at first");
    if (ioctl(p.slave, TIOCSLCKTRMIOS, &locked) && errno == EPERM) { // an ordinary user
        close_pty(&p);
        return;
    }
    tcgetattr(p.slave, &tio);
    tio.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    tio.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    tio.c_cc[VEOF] = 'e';
    tio.c_cc[VINTR] = 'i';
    CHECK(&t,
          !tcsetattr(p.slave, TCSANOW, &tio) && !tcgetattr(p.slave, &got) &&
              (got.c_iflag & (ICRNL | IXON)) == ICRNL && (got.c_lflag & (ECHO | ICANON)) == ECHO,
          "L12: locked modes stay, others change");
    CHECK(&t, got.c_cc[VEOF] == 4 && got.c_cc[VINTR] == 'i', "L12: and so do characters");
    CHECK(&t, !ioctl(p.master, TIOCGLCKTRMIOS, &seen) && !memcmp(&seen, &locked, sizeof locked),
          "L12: the master shows the same locks");
    CHECK(&t, ioctl(p.slave, TIOCSLCKTRMIOS, NULL) == -1 && errno == EFAULT, "L12: bad pointer");
    close_pty(&p);
}

int main(void)
{
    alarm(60);
    test_defaults();
    test_canonical();
    test_long_line();
    test_raw();
    test_locked();
    return tap_finish(&t);
}
