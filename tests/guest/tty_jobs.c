// Job control: rows J01-J10 of the terminal table. Every test runs in a child that leads a session
// of its own on a new pty; what it finds comes back as a set of bits.
#include "tests/guest/pty_util.h"

static struct tap t;
static struct pty p;

// The child: 0, or bits of the checks that failed.
static int in_session(int (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        alarm(20);
        setsid();
        int bad = open_pty(&p) ? 0x40 : body();
        signal(SIGHUP, SIG_IGN);
        _exit(bad);
    }
    int bad = child_status(pid);
    if (bad)
        printf("# checks that failed: %#x\n", (unsigned)bad);
    return bad;
}

// A child in a group of its own; the foreground stays with the caller. Waits until it is set up.
static pid_t background(int (*body)(void))
{
    int ready[2];
    char c = 0;
    if (pipe(ready))
        return -1;
    pid_t pid = fork();
    if (!pid) {
        setpgid(0, 0);
        write(ready[1], &c, 1);
        _exit(body());
    }
    setpgid(pid, pid);
    read(ready[0], &c, 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

// How the child ends or stops: its exit status, or 1000 plus the signal that stopped it.
static int stop_or_exit(pid_t pid)
{
    int status;
    waitpid(pid, &status, WUNTRACED);
    if (WIFSTOPPED(status))
        return 1000 + WSTOPSIG(status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void finish(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int acquire(void)
{
    return ioctl(p.slave, TIOCSCTTY, 0);
}

static int body_controlling(void)
{
    int bad = 0;
    pid_t pgrp = 0, sid = 0;
    bad |= !(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO) << 0;
    int fd = open(p.name, O_RDWR); // without O_NOCTTY
    int tty = open("/dev/tty", O_RDWR);
    bad |= (fd < 0 || tty < 0) << 1;
    bad |= (ioctl(p.master, TIOCGPGRP, &pgrp) || pgrp != getpgrp()) << 2;
    bad |= (ioctl(p.master, TIOCGSID, &sid) || sid != getpid()) << 3;
    bad |= (tcgetpgrp(tty) != getpgrp() || tcgetsid(tty) != getpid()) << 4;
    return bad;
}

static volatile sig_atomic_t seen;
static void note(int signo)
{
    seen = signo;
}

static int body_resize(void)
{
    int bad = 0;
    struct winsize size = {10, 20, 0, 0};
    acquire();
    signal(SIGWINCH, note);
    ioctl(p.master, TIOCSWINSZ, &size);
    bad |= (seen != SIGWINCH) << 0;
    seen = 0;
    ioctl(p.master, TIOCSWINSZ, &size);
    bad |= (seen != 0) << 1;
    return bad;
}

static int body_interrupt(void)
{
    int bad = 0;
    acquire();
    signal(SIGINT, note);
    writes(p.master, "\003");
    bad |= !reads_text(p.master, "^C") << 0;
    for (int i = 0; i < 1000 && !seen; i++)
        sleep_ms(10);
    bad |= (seen != SIGINT) << 1;
    return bad;
}

static int try_read(void)
{
    char c;
    return read(p.slave, &c, 1) < 0 ? errno : 0;
}

static int body_background_read(void)
{
    acquire();
    pid_t pid = background(try_read);
    int how = stop_or_exit(pid);
    finish(pid);
    return how != 1000 + SIGTTIN;
}

static int try_ignored_read(void)
{
    signal(SIGTTIN, SIG_IGN);
    return try_read();
}

static int body_ignored_read(void)
{
    acquire();
    return stop_or_exit(background(try_ignored_read)) != EIO;
}

static int try_write(void)
{
    return write(p.slave, "x", 1) == 1 ? 0 : 1;
}

static int body_background_write(void)
{
    int bad = 0;
    acquire();
    bad |= (stop_or_exit(background(try_write)) != 0) << 0;
    struct termios tio;
    tcgetattr(p.slave, &tio);
    tio.c_lflag |= TOSTOP;
    tcsetattr(p.slave, TCSANOW, &tio);
    pid_t pid = background(try_write);
    bad |= (stop_or_exit(pid) != 1000 + SIGTTOU) << 1;
    finish(pid);
    return bad;
}

static int try_foreground(void)
{
    return tcsetpgrp(p.slave, getpgrp()) ? 1 : 0;
}

static int body_background_tcsetpgrp(void)
{
    int bad = 0;
    acquire();
    pid_t pid = background(try_foreground);
    bad |= (stop_or_exit(pid) != 1000 + SIGTTOU) << 0;
    bad |= (tcgetpgrp(p.slave) != getpgrp()) << 1;
    finish(pid);
    return bad;
}

static int try_blocked_foreground(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTSTP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return try_foreground() || tcgetpgrp(p.slave) != getpgrp();
}

static int body_blocked_tcsetpgrp(void)
{
    acquire();
    return stop_or_exit(background(try_blocked_foreground)) != 0;
}

// The grandchild's group loses its last parent in the session, and then reads.
static int body_orphan(void)
{
    int result[2];
    char c = 0;
    acquire();
    if (pipe(result))
        return 1;
    pid_t pid = fork();
    if (!pid) {
        if (!fork()) {
            setpgid(0, 0);
            while (getppid() != 1 && getppid() != getsid(0))
                sleep_ms(5);
            sleep_ms(50);
            c = (char)try_read();
            write(result[1], &c, 1);
            _exit(0);
        }
        setpgid(0, 0); // so that the group of the grandchild has no parent left in the session
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    struct pollfd fd = {.fd = result[0], .events = POLLIN};
    if (poll(&fd, 1, 5000) != 1 || read(result[0], &c, 1) != 1)
        return 2;
    return c != EIO;
}

static int body_give_up(void)
{
    int bad = 0;
    acquire();
    signal(SIGHUP, SIG_IGN);
    signal(SIGCONT, note);
    int tty = open("/dev/tty", O_RDWR);
    bad |= ioctl(tty, TIOCNOTTY) ? 1 : 0;
    bad |= (seen != SIGCONT) << 1;
    bad |= !(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO) << 2;
    bad |= acquire() ? 8 : 0;
    pid_t pid = fork();
    if (!pid) {
        tty = open("/dev/tty", O_RDWR);
        int differs = ioctl(tty, TIOCNOTTY) ? 1 : 0;
        differs |= !(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO) << 1;
        _exit(differs);
    }
    bad |= (child_status(pid) != 0) << 4;
    bad |= (open("/dev/tty", O_RDWR) < 0) << 5; // ours stays
    return bad;
}

static int body_vhangup(void)
{
    int bad = 0;
    char c;
    acquire();
    signal(SIGHUP, note);
    if (geteuid()) // only for CAP_SYS_TTY_CONFIG
        return !(vhangup() == -1 && errno == EPERM);
    bad |= vhangup() ? 1 : 0;
    bad |= (seen != SIGHUP) << 1;
    bad |= (read(p.slave, &c, 1) != 0) << 2;
    bad |= !(write(p.slave, "x", 1) == -1 && errno == EIO) << 3;
    bad |= !(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO) << 4;
    int again = open(p.name, O_RDWR | O_NOCTTY);
    bad |= !writes(again, "back") << 5;
    return bad;
}

static int body_suspend(void)
{
    int bad = 0;
    acquire();
    signal(SIGTTOU, SIG_IGN);
    pid_t pid = fork();
    if (!pid) {
        setpgid(0, 0);
        tcsetpgrp(p.slave, getpgrp());
        writes(p.slave, "ready");
        for (;;)
            pause();
    }
    bad |= !reads_text(p.master, "ready") << 0;
    writes(p.master, "\032");
    bad |= (stop_or_exit(pid) != 1000 + SIGTSTP) << 1;
    tcsetpgrp(p.slave, getpgrp());
    kill(-pid, SIGCONT);
    int status;
    bad |= (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status)) << 2;
    finish(pid);
    return bad;
}

int main(void)
{
    static const struct {
        int (*body)(void);
        const char *what;
    } rows[] = {
        {body_controlling, "J01-J03: a session leader's open makes the controlling terminal"},
        {body_resize, "J04: SIGWINCH comes when the size changes, and only then"},
        {body_interrupt, "J05: ^C is SIGINT for the foreground, and echoed"},
        {body_background_read, "J06: a read in the background stops with SIGTTIN"},
        {body_ignored_read, "J06: with SIGTTIN ignored it is EIO"},
        {body_background_write, "J07: a write in the background succeeds unless TOSTOP"},
        {body_background_tcsetpgrp, "J08: tcsetpgrp in the background stops and changes nothing"},
        {body_blocked_tcsetpgrp, "J09: with SIGTTOU blocked among others it succeeds"},
        {body_orphan, "J10: a read by an orphaned group is EIO"},
        {body_give_up, "TIOCNOTTY: of the leader for all, of another process for itself"},
        {body_vhangup, "vhangup ends every open file of the terminal, which opens anew"},
        {body_suspend, "^Z stops the foreground group, SIGCONT continues it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(&t, in_session(rows[i].body) == 0, rows[i].what);
    return tap_finish(&t);
}
