// ioctls of terminals: every one on both ends, with what it does to the other, and with pointers
// that lead nowhere. What they mean is in ioctl_tty(2); the host's Linux is asked.
#include "tests/guest/probe.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

// As the kernel has them: the C library's are another size.
struct modes {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
    uint32_t ispeed, ospeed; // in the second form only
};
struct old_modes {
    uint16_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[8];
};
struct window {
    uint16_t rows, columns, x, y;
};
enum {
    GETS = 0x5401,
    SETS,
    SETSW,
    SETSF,
    GETA,
    SETA,
    SETAW,
    SETAF,
    SBRK,
    XONC,
    FLSH,
    EXCL,
    NXCL,
    SCTTY,
    GPGRP,
    SPGRP,
    OUTQ,
    STI,
    GWINSZ,
    SWINSZ,
    SETD = 0x5423,
    GETD,
    BRKP,
    NOTTY = 0x5422,
    SET_BREAK = 0x5427,
    CLEAR_BREAK,
    GSID,
    VHANGUP = 0x5437,
    GLOCKED = 0x5456,
    SLOCKED,
};
#define GETS2    0x802c542au
#define SETS2    0x402c542bu
#define SETSW2   0x402c542cu
#define SETSF2   0x402c542du
#define GPTN     0x80045430u
#define SPTLCK   0x40045431u
#define GDEV     0x80045432u
#define SEND_SIG 0x40045436u
#define GPKT     0x80045438u
#define GPTLCK   0x80045439u
#define GEXCL    0x80045440u
#define GSOFTCAR 0x5419
#define SSOFTCAR 0x541a
#define PKT      0x5420
#define INPUTQ   0x541b
#define NONBLOCK 0x5421
#define ICANON_  2u
#define ECHO_    010u
#define ISIG_    1u
#define IXON_    02000u
#define TOSTOP_  0400u
#define CBAUD_   0x100fu
#define BOTHER_  0x1000u

static char *nowhere, *read_only, *page_end;

static int master, slave;
static char name[32];

static void open_pair(void)
{
    int unlocked = 0;
    unsigned number = 0;
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0 || ioctl(master, GPTN, &number) || ioctl(master, SPTLCK, &unlocked))
        abort();
    snprintf(name, sizeof name, "/dev/pts/%u", number);
    slave = open(name, O_RDWR | O_NOCTTY);
    if (slave < 0)
        abort();
}
static void close_pair(void)
{
    close(slave);
    close(master);
}

static void change_flags(uint32_t on, uint32_t off)
{
    struct modes m;
    ioctl(slave, GETS, &m);
    m.lflag = (m.lflag & ~off) | on;
    ioctl(slave, SETS, &m);
}

// What arrives at an end until it is quiet, in printable form: Linux moves bytes in the background,
// and in how many pieces does not matter.
static void show_waiting(const char *what, int fd)
{
    enum { QUIET_MS = 40 };
    char buf[256], text[2000] = "";
    int flags = fcntl(fd, F_GETFL), error = 0;
    bool end = false;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (!end && poll(&(struct pollfd){fd, POLLIN, 0}, 1, QUIET_MS) > 0) {
        ssize_t n = read(fd, buf, sizeof buf);
        error = n < 0 ? errno : 0;
        end = n <= 0;
        for (ssize_t i = 0; i < n; i++)
            snprintf(text + strlen(text), 8, buf[i] > 32 ? "%c" : "<%d>", buf[i]);
    }
    fcntl(fd, F_SETFL, flags);
    SHOW(what, "%s%s", text, error ? strerrorname_np(error) : end ? "end" : "");
}

// --- Pointers ------------------------------------------------------------------------------------

static const struct call {
    const char *name;
    unsigned number;
} calls[] = {
    {"TCGETS", GETS},
    {"TCSETS", SETS},
    {"TCSETSW", SETSW},
    {"TCSETSF", SETSF},
    {"TCGETA", GETA},
    {"TCSETA", SETA},
    {"TCSETAW", SETAW},
    {"TCSETAF", SETAF},
    {"TCGETS2", GETS2},
    {"TCSETS2", SETS2},
    {"TCSETSW2", SETSW2},
    {"TCSETSF2", SETSF2},
    {"TIOCGWINSZ", GWINSZ},
    {"TIOCSWINSZ", SWINSZ},
    {"FIONREAD", INPUTQ},
    {"TIOCOUTQ", OUTQ},
    {"TIOCGETD", GETD},
    {"TIOCSETD", SETD},
    {"TIOCGPGRP", GPGRP},
    {"TIOCSPGRP", SPGRP},
    {"TIOCGSID", GSID},
    {"TIOCSTI", STI},
    {"TIOCGEXCL", GEXCL},
    {"TIOCGDEV", GDEV},
    {"TIOCPKT", PKT},
    {"TIOCGPKT", GPKT},
    {"TIOCGPTN", GPTN},
    {"TIOCGPTLCK", GPTLCK},
    {"TIOCSPTLCK", SPTLCK},
    {"FIONBIO", NONBLOCK},
    {"TIOCSIG", SEND_SIG},
    {"TIOCGLCKTRMIOS", GLOCKED},
    {"TIOCSLCKTRMIOS", SLOCKED},
    {"TIOCGSOFTCAR", GSOFTCAR},
    {"none", 0x54ff},
};

static void pointers(void)
{
    const struct {
        const char *name;
        void *at;
    } bad[] = {
        {"null", NULL},
        {"nowhere", nowhere},
        {"read-only", read_only},
        {"the last byte", page_end - 1},
        {"across pages", page_end - 2},
        {"kernel half", (void *)(uintptr_t)0xffff800000000000u},
    };
    char text[96];
    for (int end = 0; end < 2; end++) {
        for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
            for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                open_pair();
                snprintf(text, sizeof text, "%s %s %s", end ? "master" : "slave", calls[c].name,
                         bad[b].name);
                show_done(text, ioctl(end ? master : slave, calls[c].number, bad[b].at));
                close_pair();
            }
            char zeroes[64] = {0};
            open_pair();
            snprintf(text, sizeof text, "%s %s", end ? "master" : "slave", calls[c].name);
            show_done(text, ioctl(end ? master : slave, calls[c].number, zeroes));
            close_pair();
        }
    }
    open_pair();
    fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    change_flags(0, ICANON_ | ECHO_);
    write(master, "abcd", 4);
    show_call("read to nowhere", read(slave, nowhere, 4));
    show_call("read to a page's end", read(slave, page_end - 2, 4));
    show_call("write from nowhere", write(slave, nowhere, 4));
    show_call("write from the last byte", write(slave, page_end - 1, 4));
    show_call("write of nothing", write(slave, nowhere, 0));
    show_call("read of nothing", read(slave, nowhere, 0));
    show_call("write to the master from nowhere", write(master, nowhere, 4));
    write(slave, "xyz", 3);
    show_call("read of the master to nowhere", read(master, nowhere, 3));
    struct iovec v[2] = {{page_end - 2, 2}, {nowhere, 2}};
    show_call("writev half from nowhere", writev(slave, v, 2));
    close_pair();
}

// --- Modes ---------------------------------------------------------------------------------------

static void speeds(void)
{
    char text[64];
    struct modes m;
    open_pair();
    for (uint32_t code = 0; code < 32; code++) {
        uint32_t bits = (code & 15) | (code & 16 ? BOTHER_ : 0);
        ioctl(slave, GETS2, &m);
        m.cflag = (m.cflag & ~(CBAUD_ | CBAUD_ << 16)) | bits;
        m.ospeed = 12345, m.ispeed = 54321;
        ioctl(slave, SETS2, &m);
        ioctl(slave, GETS2, &m);
        snprintf(text, sizeof text, "speed of code %#x", bits);
        SHOW(text, "%u %u, %#x", m.ospeed, m.ispeed, m.cflag & (CBAUD_ | CBAUD_ << 16));
        m.cflag = (m.cflag & ~(CBAUD_ | CBAUD_ << 16)) | 15 | bits << 16;
        ioctl(slave, SETS2, &m);
        ioctl(slave, GETS2, &m);
        snprintf(text, sizeof text, "input speed of code %#x", bits);
        SHOW(text, "%u %u, %#x", m.ospeed, m.ispeed, m.cflag & (CBAUD_ | CBAUD_ << 16));
        ioctl(slave, SETS, &m); // the first form keeps the numbers it does not have
        ioctl(slave, GETS2, &m);
        SHOW("and in the first form", "%u %u", m.ospeed, m.ispeed);
    }
    close_pair();
}

static void old_form(void)
{
    struct modes m;
    struct old_modes o;
    open_pair();
    ioctl(slave, GETS, &m);
    m.iflag |= 040000;           // IUTF8
    m.lflag |= 0200000 | 040000; // EXTPROC, PENDIN: above what the old form has
    m.cc[16] = 7;
    ioctl(slave, SETS, &m);
    show_done("TCGETA", ioctl(slave, GETA, &o));
    SHOW("the old form", "%#x %#x %#x %#x line %d, %d %d", o.iflag, o.oflag, o.cflag, o.lflag,
         o.line, o.cc[0], o.cc[7]);
    static const unsigned sets[] = {SETA, SETAW, SETAF};
    for (int i = 0; i < 3; i++) {
        o.iflag = 0;
        o.lflag = (uint16_t)(o.lflag & ~ECHO_);
        o.cc[0] = (uint8_t)(10 + i);
        write(master, "ab\n", 3);
        poll(&(struct pollfd){slave, POLLIN, 0}, 1, -1);
        show_done("set in the old form", ioctl(slave, sets[i], &o));
        ioctl(slave, GETS, &m);
        SHOW("modes then", "%#x %#x %#x %#x, %d %d", m.iflag, m.oflag, m.cflag, m.lflag, m.cc[0],
             m.cc[16]);
        show_waiting("input then", slave);
    }
    m.cflag = 0x10; // CS6, no CREAD
    m.line = 3;
    ioctl(slave, SETS, &m);
    ioctl(slave, GETS, &m);
    SHOW("character size, receiver and line", "%#x %d", m.cflag, m.line);
    ioctl(master, GETS, &m);
    SHOW("as the master sees it", "%#x", m.cflag);
    m.lflag |= ECHO_;
    show_done("set from the master", ioctl(master, SETS, &m));
    ioctl(slave, GETS, &m);
    SHOW("as the slave sees it", "%#x", m.lflag & ECHO_);
    close_pair();
}

static void flushing(void)
{
    static const char *const ends[] = {"slave", "master"};
    char text[64];
    for (int end = 0; end < 2; end++) {
        for (long arg = -1; arg < 4; arg++) {
            open_pair();
            change_flags(0, ECHO_);
            write(master, "to slave\n", 9);
            write(slave, "to master", 9);
            poll(&(struct pollfd){slave, POLLIN, 0}, 1, -1); // it has arrived
            poll(&(struct pollfd){master, POLLIN, 0}, 1, -1);
            snprintf(text, sizeof text, "%s TCFLSH %ld", ends[end], arg);
            show_done(text, ioctl(end ? master : slave, FLSH, arg));
            show_waiting("... input", slave);
            show_waiting("... output", master);
            close_pair();
        }
    }
}

static void flow(void)
{
    static const char *const ends[] = {"slave", "master"};
    char text[64];
    for (int end = 0; end < 2; end++) {
        for (long arg = -1; arg < 5; arg++) {
            open_pair();
            change_flags(0, ECHO_ | ICANON_);
            snprintf(text, sizeof text, "%s TCXONC %ld", ends[end], arg);
            show_done(text, ioctl(end ? master : slave, XONC, arg));
            struct pollfd p[2] = {{slave, POLLIN | POLLOUT, 0}, {master, POLLIN | POLLOUT, 0}};
            poll(p, 2, 0);
            SHOW("... events", "%#x %#x", p[0].revents, p[1].revents);
            fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
            fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
            show_call("... write to the master", write(master, "m", 1));
            show_waiting("... input", slave);
            show_call("... write to the slave", write(slave, "s", 1));
            show_waiting("... output", master);
            show_done("... on again", ioctl(end ? master : slave, XONC, 1));
            show_waiting("... output", master);
            close_pair();
        }
    }
    struct modes m;
    open_pair();
    ioctl(slave, GETS, &m);
    m.cc[8] = m.cc[9] = 0; // VSTART and VSTOP: none
    ioctl(slave, SETS, &m);
    show_done("TCIOFF without a character", ioctl(slave, XONC, 2));
    show_waiting("... output", master);
    show_done("TCION without a character", ioctl(slave, XONC, 3));
    close_pair();
}

// --- Packets -------------------------------------------------------------------------------------

// One, when there is one.
static void packet(const char *what)
{
    char buf[64], text[600] = "";
    bool there = poll(&(struct pollfd){master, POLLIN | POLLPRI, 0}, 1, 0) > 0;
    ssize_t n = there ? read(master, buf, sizeof buf) : 0;
    for (ssize_t i = 0; i < n; i++)
        snprintf(text + strlen(text), 8, buf[i] > 32 ? "%c" : "<%d>", buf[i]);
    printf("packet after %s: %s\n", what, text);
}

static void packets(void)
{
    int on = 1, off = 0;
    struct modes m;
    open_pair();
    show_done("packet mode", ioctl(master, PKT, &on));
    show_done("... of the slave", ioctl(slave, PKT, &on));
    ioctl(master, GPKT, &off);
    SHOW("is on", "%d", off);
    packet("nothing");
    write(slave, "ab", 2);
    poll(&(struct pollfd){master, POLLIN, 0}, 1, -1);
    packet("data");
    ioctl(slave, GETS, &m);
    m.iflag &= ~IXON_;
    ioctl(slave, SETS, &m);
    packet("IXON off");
    m.iflag |= IXON_;
    ioctl(slave, SETS, &m);
    packet("IXON on");
    m.cc[8] = 'q';
    ioctl(slave, SETS, &m);
    packet("another start character");
    m.lflag |= 0200000;
    ioctl(slave, SETS, &m);
    packet("EXTPROC");
    m.lflag ^= ECHO_;
    ioctl(slave, SETS, &m);
    packet("a mode with EXTPROC");
    m.lflag &= ~0200000u;
    ioctl(slave, SETS, &m);
    packet("EXTPROC off");
    for (long arg = 0; arg < 3; arg++) {
        ioctl(slave, FLSH, arg);
        packet("TCFLSH of the slave");
        ioctl(master, FLSH, arg);
        packet("TCFLSH of the master");
    }
    for (long arg = 0; arg < 4; arg++) {
        ioctl(slave, XONC, arg);
        packet("TCXONC");
    }
    write(slave, "abc", 3);
    poll(&(struct pollfd){master, POLLIN, 0}, 1, -1);
    ioctl(slave, FLSH, 1);
    char one;
    struct pollfd p = {master, POLLIN | POLLPRI | POLLOUT, 0};
    poll(&p, 1, 0);
    SHOW("events with a status", "%#x", p.revents);
    show_call("a status read in one byte", read(master, &one, 1));
    SHOW("it", "%d", one);
    write(slave, "abc", 3);
    show_call("data read in one byte", read(master, &one, 1));
    close_pair();
}

// --- The rest ------------------------------------------------------------------------------------

static void others(void)
{
    int n = 7;
    char c = 'x';
    open_pair();
    for (int end = 0; end < 2; end++) {
        int fd = end ? master : slave;
        show_done("TCSBRK", ioctl(fd, SBRK, 0L));
        show_done("TCSBRK 1", ioctl(fd, SBRK, 1L));
        show_done("TCSBRKP", ioctl(fd, BRKP, 0L));
        show_done("TIOCSBRK", ioctl(fd, SET_BREAK, 0L));
        show_done("TIOCCBRK", ioctl(fd, CLEAR_BREAK, 0L));
        show_done("TIOCSTI", ioctl(fd, STI, &c));
        show_done("TIOCGSOFTCAR", ioctl(fd, GSOFTCAR, &n));
        SHOW("carrier", "%d", n);
        n = 0;
        show_done("TIOCSSOFTCAR", ioctl(fd, SSOFTCAR, &n));
        show_done("TIOCGETD", ioctl(fd, GETD, &n));
        SHOW("discipline", "%d", n);
        show_done("TIOCSETD 0", ioctl(fd, SETD, &n));
        n = 29;
        show_done("TIOCSETD 29", ioctl(fd, SETD, &n));
        n = -1;
        show_done("TIOCSETD -1", ioctl(fd, SETD, &n));
        n = 0;
        show_done("TIOCOUTQ", ioctl(fd, OUTQ, &n));
        SHOW("queued", "%d", n);
    }
    // Of TIOCSTI the slave has a part of a line and its echo; the master what it was given itself.
    show_waiting("input of TIOCSTI", slave);
    change_flags(0, ECHO_);
    write(master, "abc\n", 4);
    poll(&(struct pollfd){slave, POLLIN, 0}, 1, -1);
    ioctl(slave, INPUTQ, &n);
    SHOW("FIONREAD of the slave", "%d", n);
    show_waiting("what it reads", slave);
    poll(&(struct pollfd){master, POLLIN, 0}, 1, -1);
    show_waiting("what the master reads", master);
    ioctl(master, INPUTQ, &n);
    SHOW("FIONREAD of the master", "%d", n);
    ioctl(master, OUTQ, &n);
    SHOW("TIOCOUTQ of the master", "%d", n);
    struct window w = {10, 20, 30, 40}, got;
    show_done("TIOCSWINSZ of the master", ioctl(master, SWINSZ, &w));
    ioctl(slave, GWINSZ, &got);
    SHOW("size", "%d %d %d %d", got.rows, got.columns, got.x, got.y);
    close_pair();
}

static void in_another_user(int drop)
{
    if (drop && setresuid(1000, 1000, 1000))
        abort();
}

static void exclusive(void)
{
    int n = 5;
    open_pair();
    chmod(name, 0666);
    for (int user = 0; user < 2; user++) {
        show_done("TIOCEXCL", ioctl(slave, EXCL));
        ioctl(slave, GEXCL, &n);
        SHOW("exclusive", "%d", n);
        IN_CHILD("open of an exclusive one", in_another_user(user);
                 show_done("open", open(name, O_RDWR | O_NOCTTY));
                 show_done("TIOCGPTPEER", ioctl(master, 0x5441, O_RDWR | O_NOCTTY)));
        show_done("TIOCNXCL", ioctl(slave, NXCL));
        IN_CHILD("open of a common one", in_another_user(user);
                 show_done("open", open(name, O_RDWR | O_NOCTTY)));
    }
    struct modes locked;
    memset(&locked, 0, sizeof locked);
    IN_CHILD("as an ordinary user", in_another_user(1);
             show_done("TIOCSLCKTRMIOS", ioctl(slave, SLOCKED, &locked));
             show_done("TIOCVHANGUP", ioctl(slave, VHANGUP)));
    show_done("TIOCVHANGUP", ioctl(slave, VHANGUP));
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        char zeroes[64] = {0}, text[64];
        snprintf(text, sizeof text, "%s after a hangup", calls[c].name);
        show_done(text, ioctl(slave, calls[c].number, zeroes));
    }
    show_call("read after a hangup", read(slave, &n, 1));
    show_call("write after a hangup", write(slave, &n, 1));
    struct pollfd p = {slave, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    SHOW("events after a hangup", "%#x", p.revents);
    close_pair();
}

// --- Sessions ------------------------------------------------------------------------------------

// Operations that a background process may not do to its terminal.
static long background_call(int which)
{
    struct modes m = {0};
    struct window w = {1, 2, 3, 4};
    pid_t group = getpgrp();
    int zero = 0;
    ioctl(slave, GETS, &m);
    switch (which) {
    case 0:
        return ioctl(slave, SETS, &m);
    case 1:
        return ioctl(slave, FLSH, 0L);
    case 2:
        return ioctl(slave, XONC, 1L);
    case 3:
        return ioctl(slave, SBRK, 1L);
    case 4:
        return ioctl(slave, SETD, &zero);
    case 5:
        return ioctl(slave, SPGRP, &group);
    case 6:
        return ioctl(slave, SWINSZ, &w);
    case 7:
        return write(slave, "x", 1);
    case 8:
        return read(slave, &zero, 1);
    default:
        return ioctl(master, SETS, &m);
    }
}

enum { ORDINARY, IGNORED, BLOCKED, ORPHANED, WAYS };
static const char *const ways[] = {"in the background", "ignoring it", "blocking it", "orphaned"};

static void background(int which, int way)
{
    char text[64];
    fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
    fflush(stdout);
    int go[2], back[2];
    if (pipe(go) || pipe(back))
        abort();
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        if (way == ORPHANED && fork() > 0)
            _exit(0);
        if (way == ORPHANED)
            hear(go[0]);
        if (way == IGNORED) {
            signal(SIGTTOU, SIG_IGN);
            signal(SIGTTIN, SIG_IGN);
        }
        sigset_t both;
        sigemptyset(&both);
        sigaddset(&both, SIGTTOU);
        sigaddset(&both, SIGTTIN);
        if (way == BLOCKED)
            sigprocmask(SIG_BLOCK, &both, NULL);
        snprintf(text, sizeof text, "%d %s", which, ways[way]);
        show_call(text, background_call(which));
        tell(back[1]);
        _exit(0);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    snprintf(text, sizeof text, "%d %s: end", which, ways[way]);
    SHOW(text, "%s", status_text(status));
    if (WIFSTOPPED(status)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (way == ORPHANED) {
        tell(go[1]);
        hear(back[0]);
    }
    close(go[0]), close(go[1]), close(back[0]), close(back[1]);
}

static void in_session(void (*body)(void))
{
    fflush(stdout);
    open_pair();
    pid_t leader = fork();
    if (leader == 0) {
        signal(SIGHUP, SIG_IGN);
        setsid();
        body();
        _exit(0);
    }
    show_end("session", leader);
    close_pair();
}

static void backgrounds(void)
{
    show_done("TIOCSCTTY", ioctl(slave, SCTTY, 0L));
    change_flags(TOSTOP_, 0);
    for (int which = 0; which < 10; which++) {
        for (int way = 0; way < WAYS; way++) {
            pid_t own = getpgrp();
            background(which, way);
            signal(SIGTTOU, SIG_IGN);
            ioctl(slave, SPGRP, &own);
            signal(SIGTTOU, SIG_DFL);
        }
    }
}

static void sessions(void)
{
    int n = 77, other = slave, other_master = master;
    show_call("TIOCGPGRP of no controlling terminal", ioctl(slave, GPGRP, &n));
    show_call("TIOCGSID of no controlling terminal", ioctl(slave, GSID, &n));
    n = getpgrp();
    show_call("TIOCSPGRP of no controlling terminal", ioctl(slave, SPGRP, &n));
    show_call("TIOCNOTTY of no controlling terminal", ioctl(slave, NOTTY));
    show_call("/dev/tty", open("/dev/tty", O_RDWR));
    ioctl(master, GPGRP, &n);
    SHOW("TIOCGPGRP of the master", "%d", n);
    show_call("TIOCGSID of the master", ioctl(master, GSID, &n));
    show_call("TIOCSCTTY of the master", ioctl(master, SCTTY, 0L));
    IN_CHILD("not a leader", show_call("TIOCSCTTY", ioctl(slave, SCTTY, 0L)));
    int reading = open(name, O_RDONLY | O_NOCTTY), writing = open(name, O_WRONLY | O_NOCTTY);
    IN_CHILD("without reading", setsid(); setresuid(1000, 1000, 1000);
             show_call("TIOCSCTTY of one for writing", ioctl(writing, SCTTY, 0L));
             show_call("TIOCSCTTY of one for reading", ioctl(reading, SCTTY, 0L));
             show_call("TIOCNOTTY", ioctl(reading, NOTTY)));
    show_call("TIOCSCTTY", ioctl(slave, SCTTY, 0L));
    show_call("TIOCSCTTY again", ioctl(slave, SCTTY, 0L));
    n = 77;
    show_done("TIOCGSID", ioctl(slave, GSID, &n));
    SHOW("... own", "%d", n == getpid());
    show_done("TIOCGPGRP", ioctl(slave, GPGRP, &n));
    SHOW("... own", "%d", n == getpgrp());
    static const int groups[] = {0, -1, 999999, 1};
    for (int i = 0; i < 4; i++) {
        n = groups[i];
        show_call("TIOCSPGRP to an odd group", ioctl(slave, SPGRP, &n));
    }
    fflush(stdout);
    pid_t elsewhere = fork();
    if (elsewhere == 0) {
        setsid();
        pause();
        _exit(0);
    }
    while (getsid(elsewhere) != elsewhere)
        sleep_ms(1);
    n = elsewhere;
    show_call("TIOCSPGRP to a group of another session", ioctl(slave, SPGRP, &n));
    kill(elsewhere, SIGKILL);
    waitpid(elsewhere, NULL, 0);
    open_pair();
    show_call("TIOCSCTTY of a second terminal", ioctl(slave, SCTTY, 0L));
    show_call("TIOCGPGRP of a second terminal", ioctl(slave, GPGRP, &n));
    show_call("TIOCSPGRP of a second terminal", ioctl(slave, SPGRP, &n));
    show_call("TIOCNOTTY of a second terminal", ioctl(slave, NOTTY));
    close_pair();
    slave = other, master = other_master;
    IN_CHILD("another session", setsid();
             show_call("TIOCSCTTY of a taken one", ioctl(slave, SCTTY, 0L));
             show_call("TIOCGPGRP of a taken one", ioctl(slave, GPGRP, &n)); in_another_user(1);
             show_call("stealing as a user", ioctl(slave, SCTTY, 1L)));
    IN_CHILD("a child", show_call("TIOCNOTTY of a child", ioctl(slave, NOTTY));
             show_call("/dev/tty of a child", open("/dev/tty", O_RDWR));
             show_call("TIOCGPGRP of a child", ioctl(slave, GPGRP, &n)));
    IN_CHILD("a thief", setsid(); show_call("stealing", ioctl(slave, SCTTY, 1L)));
    show_call("/dev/tty after it was stolen", open("/dev/tty", O_RDWR));
    show_call("TIOCGPGRP after it was stolen", ioctl(slave, GPGRP, &n));
}

static void leaving(void)
{
    show_call("TIOCSCTTY", ioctl(slave, SCTTY, 0L));
    int tty = open("/dev/tty", O_RDWR);
    show_done("/dev/tty", tty);
    show_call("TIOCNOTTY", ioctl(tty, NOTTY));
    show_call("TIOCNOTTY again", ioctl(tty, NOTTY));
    show_call("/dev/tty", open("/dev/tty", O_RDWR));
    show_call("an open of the terminal", open(name, O_RDWR) < 0 ? -1 : 0);
    int n;
    show_call("... makes it the controlling one", ioctl(slave, GPGRP, &n));
    show_call("TIOCVHANGUP", ioctl(slave, VHANGUP));
    show_call("/dev/tty after a hangup", open("/dev/tty", O_RDWR));
}

static void probe(void)
{
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(two + 4096, 4096);
    page_end = two + 4096;
    signal(SIGHUP, SIG_IGN);
    setsid(); // nobody's terminal but the probe's
    pointers();
    speeds();
    old_form();
    flushing();
    flow();
    packets();
    others();
    exclusive();
    in_session(backgrounds);
    in_session(sessions);
    in_session(leaving);
}

int main(void)
{
    return run_as_child(probe);
}
