// Leases: fcntl(2), F_SETLEASE. Who may have one, what opens and truncations do to it, and what its
// holder does then.
#include "asleep.h"
#include "sigio.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char name[64], other[64];

static int get(int fd)
{
    return fcntl(fd, F_GETLEASE);
}

static const char *type(int t)
{
    return t == F_RDLCK ? "read" : t == F_WRLCK ? "write" : t == F_UNLCK ? "none" : "error";
}

static void show_type(const char *what, int fd)
{
    SHOW(what, "%s", type(get(fd)));
}

static void taking(void)
{
    int r = open(name, O_RDONLY), w;
    show_type("at first", r);
    show_call("unlock without", fcntl(r, F_SETLEASE, F_UNLCK));
    show_call("read lease", fcntl(r, F_SETLEASE, F_RDLCK));
    show_type("has it", r);
    SHOW("owner", "%s", who(raw_getown(r)));
    show_call("again", fcntl(r, F_SETLEASE, F_RDLCK));
    show_call("to write", fcntl(r, F_SETLEASE, F_WRLCK));
    show_type("write", r);
    show_call("back to read", fcntl(r, F_SETLEASE, F_RDLCK));
    fcntl(r, F_SETSIG, RT);
    show_call("unlock", fcntl(r, F_SETLEASE, F_UNLCK));
    show_type("none", r);
    SHOW("owner after", "%s, signal %d", who(raw_getown(r)), fcntl(r, F_GETSIG));
    int r2 = open(name, O_RDONLY);
    show_call("read lease of two readers", fcntl(r, F_SETLEASE, F_RDLCK));
    show_call("a second one", fcntl(r2, F_SETLEASE, F_RDLCK));
    show_call("write lease of two readers", fcntl(r, F_SETLEASE, F_WRLCK));
    close(r2);
    show_call("write lease of one reader", fcntl(r, F_SETLEASE, F_WRLCK));
    fcntl(r, F_SETLEASE, F_UNLCK);
    w = open(name, O_RDWR);
    show_call("read lease beside a writer", fcntl(r, F_SETLEASE, F_RDLCK));
    show_call("read lease of a writer", fcntl(w, F_SETLEASE, F_RDLCK));
    show_call("write lease beside a reader", fcntl(w, F_SETLEASE, F_WRLCK));
    close(r);
    show_call("write lease of a writer alone", fcntl(w, F_SETLEASE, F_WRLCK));
    int d = dup(w);
    show_type("a duplicate has it", d);
    close(w);
    show_type("one of two closed", d);
    close(d);
    r = open(name, O_RDONLY);
    show_type("a new file", r);
    show_call("read lease after all", fcntl(r, F_SETLEASE, F_RDLCK));
    show_call("O_PATH does not break it", open(name, O_PATH) < 0 ? -1 : 0);
    show_type("still", r);
    struct stat st;
    stat(name, &st);
    chmod(name, 0640);
    link(name, other);
    rename(other, name);
    unlink(other);
    show_type("names do not matter", r);
    show_call("bad type", fcntl(r, F_SETLEASE, 7));
    show_call("bad type -1", fcntl(r, F_SETLEASE, -1));
    void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, r, 0);
    close(r);
    r = open(name, O_RDONLY);
    show_call("write lease beside a mapping", fcntl(r, F_SETLEASE, F_WRLCK));
    munmap(map, 4096);
    show_call("write lease without", fcntl(r, F_SETLEASE, F_WRLCK));
}

static void errors(void)
{
    int p[2];
    pipe(p);
    show_call("pipe", fcntl(p[0], F_SETLEASE, F_RDLCK));
    show_call("directory", fcntl(open("/tmp", O_RDONLY), F_SETLEASE, F_RDLCK));
    show_call("null", fcntl(open("/dev/null", O_RDONLY), F_SETLEASE, F_RDLCK));
    show_call("path", fcntl(open(name, O_PATH), F_SETLEASE, F_RDLCK));
    show_call("bad descriptor", fcntl(999, F_SETLEASE, F_RDLCK));
    show_call("get of a pipe", fcntl(p[0], F_GETLEASE));
    show_call("unlock of a pipe", fcntl(p[0], F_SETLEASE, F_UNLCK));
    show_call("memfd", fcntl((int)syscall(SYS_memfd_create, "x", 0), F_SETLEASE, F_WRLCK));
    chmod(name, 0666);
    IN_CHILD("somebody else", if (geteuid() == 0) setresuid(1234, 1234, 1234);
             int r = open(name, O_RDONLY); show_call("read lease", fcntl(r, F_SETLEASE, F_RDLCK));
             show_call("unlock", fcntl(r, F_SETLEASE, F_UNLCK)));
}

static void without_waiting(void)
{
    int r = open(name, O_RDONLY);
    fcntl(r, F_SETSIG, RT);
    fcntl(r, F_SETLEASE, F_RDLCK);
    show_done("reader", open(name, O_RDONLY | O_NONBLOCK));
    take("no signal for a reader", 0);
    show_done("writer", open(name, O_WRONLY | O_NONBLOCK));
    take_fd("signal", r);
    show_type("it is to go", r);
    show_done("another writer", open(name, O_RDWR | O_NONBLOCK));
    take("told once", 0);
    show_done("a reader meanwhile", open(name, O_RDONLY | O_NONBLOCK));
    show_call("renew", fcntl(r, F_SETLEASE, F_RDLCK));
    show_type("renewed", r);
    show_call("give up", fcntl(r, F_SETLEASE, F_UNLCK));
    show_done("writer after it", open(name, O_WRONLY | O_NONBLOCK));
}

static void write_lease(void)
{
    int w = open(name, O_RDWR);
    fcntl(w, F_SETSIG, RT);
    show_call("write lease", fcntl(w, F_SETLEASE, F_WRLCK));
    show_done("reader", open(name, O_RDONLY | O_NONBLOCK));
    take("signal", 0);
    show_type("to be a read lease", w);
    show_done("reader again", open(name, O_RDONLY | O_NONBLOCK));
    take("once", 0);
    show_done("writer", open(name, O_WRONLY | O_NONBLOCK));
    take("told once more", 0);
    show_type("to be none", w);
    show_call("downgrade", fcntl(w, F_SETLEASE, F_RDLCK));
    show_call("give up", fcntl(w, F_SETLEASE, F_UNLCK));
    close(w);
    int r = open(name, O_RDONLY);
    fcntl(r, F_SETSIG, 0);
    show_call("write lease of a reader", fcntl(r, F_SETLEASE, F_WRLCK));
    show_done("reader", open(name, O_RDONLY | O_NONBLOCK));
    take("plain signal", 0);
    show_call("downgrade", fcntl(r, F_SETLEASE, F_RDLCK));
    show_type("read lease", r);
    show_done("reader now", open(name, O_RDONLY | O_NONBLOCK));
}

static void in_handler(int sig)
{
    (void)sig;
}

// How a child's call that must wait for the holder ends, after the holder did `then`.
enum then { GIVE_UP, DOWNGRADE, CLOSE, SIGNAL };
static void breaking(const char *what, int flags, int lease, enum then then)
{
    char label[80];
    int fd = open(name, O_RDONLY);
    fcntl(fd, F_SETSIG, RT);
    if (fcntl(fd, F_SETLEASE, lease))
        printf("%s: no lease\n", what);
    pid_t child = fork();
    if (child == 0) {
        close(fd);
        struct sigaction sa = {.sa_handler = in_handler};
        sigaction(SIGUSR2, &sa, NULL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        long r = flags < 0 ? truncate(name, 0) : open(name, flags);
        _exit(r >= 0 ? 0 : errno);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, RT);
    sigwaitinfo(&set, NULL);
    task_until_asleep(child);
    int status = 0;
    snprintf(label, sizeof label, "%s: waits", what);
    SHOW(label, "%d", waitpid(child, &status, WNOHANG) == 0);
    switch (then) {
    case GIVE_UP:
        fcntl(fd, F_SETLEASE, F_UNLCK);
        break;
    case DOWNGRADE:
        fcntl(fd, F_SETLEASE, F_RDLCK);
        break;
    case CLOSE:
        break;
    case SIGNAL:
        kill(child, SIGUSR2);
        break;
    }
    if (then == CLOSE)
        close(fd);
    show_end(what, child);
    if (then != CLOSE)
        close(fd);
}

static void with_waiting(void)
{
    breaking("writer, given up", O_WRONLY, F_RDLCK, GIVE_UP);
    breaking("writer, closed", O_WRONLY, F_RDLCK, CLOSE);
    breaking("reader, downgraded", O_RDONLY, F_WRLCK, DOWNGRADE);
    breaking("reader, given up", O_RDONLY, F_WRLCK, GIVE_UP);
    breaking("writer and a write lease", O_RDWR, F_WRLCK, GIVE_UP);
    breaking("truncating reader", O_WRONLY | O_TRUNC, F_RDLCK, GIVE_UP);
    breaking("truncate", -1, F_RDLCK, GIVE_UP);
    breaking("interrupted", O_WRONLY, F_RDLCK, SIGNAL);
    int r = open(name, O_RDONLY);
    fcntl(r, F_SETLEASE, F_RDLCK);
    pid_t child = fork();
    if (child == 0)
        pause();
    close(r);
    show_done("the child's duplicate holds it", open(name, O_WRONLY | O_NONBLOCK));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    show_done("until it ends", open(name, O_WRONLY | O_NONBLOCK));
}

static void questions(void)
{
    snprintf(name, sizeof name, "/tmp/lease.%d", (int)getpid());
    snprintf(other, sizeof other, "/tmp/lease.%d.b", (int)getpid());
    block_all();
    close(open(name, O_CREAT | O_WRONLY, 0600));
    IN_CHILD("taking", taking());
    IN_CHILD("errors", errors());
    IN_CHILD("without waiting", without_waiting());
    IN_CHILD("write lease", write_lease());
    IN_CHILD("with waiting", with_waiting());
    unlink(name);
}

int main(void)
{
    return run_as_child(questions);
}
