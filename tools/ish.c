// The command line: one guest, one program, and the host's terminal or descriptors for it.
//
// A client of <ish/ish.h> like any other. All signals that may come from outside are taken by one
// thread; see signals_main().
#include "tools/cli_options.h"
#include "tools/gdb_socket.h"
#include "tools/host_terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINUX_SIGKILL = 9, LINUX_SIGINT = 2, LINUX_SIGQUIT = 3 };
enum { KEY_INTERRUPT = 003, KEY_QUIT = 034 };
enum { WHY_MAX = 512, RESOLVER_MAX = 16384 };

struct session {
    struct cli_options options;
    ish_kernel *kernel;
    struct host_terminal *terminal; // NULL: none of 0..2 is one
    FILE *log;
    struct timespec started;

    pthread_mutex_t lock;
    // Guarded by lock.
    ish_process *process; // while it may be signalled
    int ended_by;         // the signal that told us to end
    bool over;            // no signal is ours any more
};

// --- Log -----------------------------------------------------------------------------------------

// Standard error may be the terminal, and that may be raw.
static const char *line_end(const struct session *s)
{
    return s->log == stderr && host_terminal_is_raw() && isatty(2) ? "\r\n" : "\n";
}

static void log_line(void *context, const char *channel, const char *line)
{
    struct session *s = context;
    flockfile(s->log);
    fprintf(s->log, "ish: %s: %s%s", channel, line, line_end(s));
    fflush(s->log);
    funlockfile(s->log);
}

static bool open_log(struct session *s)
{
    s->log = stderr;
    if (!s->options.log_file)
        return true;
    int fd = open(s->options.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
    if (!file) {
        cli_complain("cannot write the log file '%s': %s", s->options.log_file, strerror(errno));
        return false;
    }
    s->log = file;
    return true;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void log_statistics(struct session *s)
{
    ish_kernel_statistics stats = {.size = sizeof stats};
    struct rusage usage;
    struct timespec now;
    char line[256];
    if (!s->options.stats || ish_kernel_get_statistics(s->kernel, &stats))
        return;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_MONOTONIC, &now);
    double wall =
        (double)(now.tv_sec - s->started.tv_sec) + (double)(now.tv_nsec - s->started.tv_nsec) / 1e9;
    snprintf(line, sizeof line,
             "%.3f s elapsed, %.3f s user, %.3f s system, %ld KiB resident, %" PRIu64 " forks",
             wall, seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss,
             stats.processes_made);
    log_line(s, "stats", line);
}

// --- Signals -------------------------------------------------------------------------------------

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
static const int outside_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH, SIGTSTP, SIGCONT};

static void on_crash(int sig)
{
    host_terminal_restore();
    // The disposition is the default one again (SA_RESETHAND): returning repeats the fault, and a
    // signal somebody sent is sent once more.
    raise(sig);
}

static void outside_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof outside_signals / sizeof *outside_signals; i++)
        sigaddset(set, outside_signals[i]);
}

static void set_up_signals(void)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_ONSTACK};
    sigset_t set;
    for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
        sigaction(crash_signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of write(2), also the guest's
    outside_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    atexit(host_terminal_restore);
}

// Ends ish by this signal, so that whoever waits for it sees why.
static void die_by(int sig)
{
    sigset_t set;
    host_terminal_restore();
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(EXIT_SIGNAL_BASE + sig);
}

// The machine is switched off: the main thread sees the end of the program and cleans up. Told
// twice, or before anything runs, ish goes at once.
static void end_by(struct session *s, int sig)
{
    pthread_mutex_lock(&s->lock);
    bool at_once = s->ended_by || !s->process;
    s->ended_by = sig;
    if (!at_once)
        ish_process_signal(s->process, LINUX_SIGKILL);
    pthread_mutex_unlock(&s->lock);
    if (at_once)
        die_by(sig);
}

// A key of the host's terminal before the guest has it, or a signal sent to ish: the guest's
// terminal makes of it what it makes of the key; without one the program gets the signal.
static void interrupt(struct session *s, char key, int linux_signal)
{
    if (s->terminal) {
        host_terminal_type(s->terminal, key);
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (s->process)
        ish_process_signal_group(s->process, linux_signal);
    pthread_mutex_unlock(&s->lock);
}

static void stop(struct session *s)
{
    if (s->terminal)
        host_terminal_suspend(s->terminal);
    kill(getpid(), SIGSTOP);
}

// One signal from outside, or 0 when the session is over.
static int next_signal(struct session *s, const sigset_t *set)
{
    int sig;
    while (sigwait(set, &sig))
        continue;
    pthread_mutex_lock(&s->lock);
    bool over = s->over;
    pthread_mutex_unlock(&s->lock);
    if (over && sig != SIGWINCH)
        kill(getpid(), sig); // for whoever unblocks it
    return over ? 0 : sig;
}

static void *signals_main(void *arg)
{
    struct session *s = arg;
    sigset_t set;
    int sig;
    outside_set(&set);
    while ((sig = next_signal(s, &set)) != 0) {
        switch (sig) {
        case SIGINT:
            interrupt(s, KEY_INTERRUPT, LINUX_SIGINT);
            break;
        case SIGQUIT:
            interrupt(s, KEY_QUIT, LINUX_SIGQUIT);
            break;
        case SIGTSTP:
            stop(s);
            break;
        case SIGCONT:
            if (s->terminal)
                host_terminal_resume(s->terminal);
            break;
        case SIGWINCH:
            if (s->terminal)
                host_terminal_resized(s->terminal);
            break;
        default:
            end_by(s, sig);
            break;
        }
    }
    return NULL;
}

// Ends signals_main(). Not by cancelling it: that makes libc load its unwinder.
static void end_signals(struct session *s, pthread_t signals)
{
    pthread_mutex_lock(&s->lock);
    s->over = true;
    pthread_mutex_unlock(&s->lock);
    pthread_kill(signals, SIGWINCH);
    pthread_join(signals, NULL);
}

// --- The guest -----------------------------------------------------------------------------------

static bool is_error(int err, const char *name)
{
    const char *is = ish_error_name(err);
    return is && !strcmp(is, name);
}

// The host's resolv.conf; false when it has none, or none that makes sense to pass on.
static bool read_resolver(char text[RESOLVER_MAX])
{
    FILE *file = fopen("/etc/resolv.conf", "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, RESOLVER_MAX, file);
    bool whole = n < RESOLVER_MAX && !ferror(file) && !memchr(text, '\0', n);
    fclose(file);
    text[whole ? n : 0] = '\0';
    return whole;
}

static bool make_kernel(struct session *s)
{
    const struct cli_options *o = &s->options;
    char why[WHY_MAX] = "", channels[512], resolver[RESOLVER_MAX];
    const char *list = o->log_channels ? o->log_channels : "error,warn";
    snprintf(channels, sizeof channels, "%s%s", list, o->strace ? ",strace" : "");
    const ish_kernel_config config = {
        .size = sizeof config,
        .root_kind = o->root_kind,
        .root_path = o->root,
        .memory_limit = o->memory,
        .cpu_count = o->cpus,
        .hostname = o->hostname,
        .log_channels = channels,
        .log = log_line,
        .log_context = s,
        .strace_calls = o->strace_calls,
        .why = why,
        .why_size = sizeof why,
        .resolver = read_resolver(resolver) ? resolver : NULL,
    };
    int err = ish_kernel_create(&config, &s->kernel);
    if (!err)
        return true;
    cli_complain("%s", *why ? why : ish_error_text(err));
    bool none = o->root_kind == ISH_ROOT_FAKEFS && is_error(err, "ENOENT");
    if (none && access(o->root, F_OK))
        fprintf(stderr, "Make a root with 'fakefsify ARCHIVE %s'.\n", o->root);
    else if (none)
        fputs("Make a root with 'fakefsify ARCHIVE DIR', or use a folder as it is with -r.\n",
              stderr);
    return false;
}

static bool make_binds(struct session *s)
{
    for (size_t i = 0; i < s->options.bind_count; i++) {
        const struct cli_bind *bind = &s->options.binds[i];
        int err = ish_kernel_find_directory(s->kernel, bind->guest);
        if (err) {
            cli_complain("cannot bind to '%s' of the guest: %s", bind->guest, ish_error_text(err));
            return false;
        }
        err = ish_kernel_bind(s->kernel, bind->host, bind->guest, bind->read_only);
        if (err) {
            cli_complain("cannot bind '%s' of the host: %s", bind->host, ish_error_text(err));
            return false;
        }
    }
    int err = ish_kernel_find_directory(s->kernel, s->options.workdir);
    if (err)
        cli_complain("cannot start in '%s': %s", s->options.workdir, ish_error_text(err));
    return !err;
}

// Returns 0 or the exit status for the failure.
static int start_program(struct session *s, ish_terminal *guest, const bool is_terminal[3])
{
    const struct cli_options *o = &s->options;
    ish_spawn spawn = {
        .size = sizeof spawn,
        .path = o->argv[0],
        .argv = (const char *const *)o->argv,
        .envp = (const char *const *)o->env,
        .cwd = o->workdir,
        .uid = o->uid,
        .gid = o->gid,
        .terminal = guest,
    };
    for (int i = 0; i < 3; i++) {
        bool open = fcntl(i, F_GETFD) >= 0;
        spawn.descriptors[i] = is_terminal[i] ? ISH_FD_TERMINAL : open ? i : ISH_FD_CLOSED;
    }
    int gdb = o->gdb ? gdb_socket_accept(o->gdb) : -1;
    if (o->gdb && gdb < 0)
        return EXIT_OWN_FAILURE;
    spawn.debugger = o->gdb ? &gdb : NULL;
    pthread_mutex_lock(&s->lock);
    int err = ish_process_start(s->kernel, &spawn, &s->process);
    pthread_mutex_unlock(&s->lock);
    if (gdb >= 0)
        close(gdb);
    if (!err)
        return 0;
    host_terminal_restore();
    bool sought = is_error(err, "ENOENT") && !strchr(o->argv[0], '/');
    cli_complain("cannot run '%s': %s", o->argv[0],
                 sought ? "not found along the guest's PATH" : ish_error_text(err));
    if (is_error(err, "ENOENT"))
        return EXIT_NOT_FOUND;
    return is_error(err, "ENOMEM") ? EXIT_OWN_FAILURE : EXIT_CANNOT_RUN;
}

static int wait_for_program(struct session *s)
{
    int status = 0;
    int err = ish_process_wait(s->process, &status);
    pthread_mutex_lock(&s->lock);
    ish_process *process = s->process;
    s->process = NULL;
    pthread_mutex_unlock(&s->lock);
    ish_process_release(process);
    if (err) {
        cli_complain("cannot wait for the program: %s", ish_error_text(err));
        return EXIT_OWN_FAILURE;
    }
    return WIFSIGNALED(status) ? EXIT_SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_guest(struct session *s)
{
    bool is_terminal[3];
    ish_terminal *guest = NULL;
    pthread_t signals;
    s->terminal = host_terminal_find(is_terminal);
    int err = s->terminal ? host_terminal_attach(s->terminal, s->kernel, &guest) : 0;
    if (err) {
        cli_complain("cannot make a terminal: %s", ish_error_text(err));
        return EXIT_OWN_FAILURE;
    }
    err = pthread_create(&signals, NULL, signals_main, s);
    if (err) {
        cli_complain("cannot start a thread: %s", strerror(err));
        return EXIT_OWN_FAILURE;
    }
    if (is_terminal[0] && is_terminal[1])
        host_terminal_take_over(s->terminal, false);
    int status = start_program(s, guest, is_terminal);
    if (!status)
        status = wait_for_program(s);
    if (s->terminal)
        host_terminal_end(s->terminal);
    end_signals(s, signals);
    host_terminal_free(s->terminal);
    // The terminal is as it was: what comes from now on may end ish as it would end anybody.
    sigset_t set;
    outside_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return status;
}

int main(int argc, char **argv)
{
    struct session s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int status;
    clock_gettime(CLOCK_MONOTONIC, &s.started);
    if (!cli_parse(argc, argv, &s.options, &status)) {
        cli_options_free(&s.options);
        return status;
    }
    set_up_signals();
    status = EXIT_OWN_FAILURE;
    if (open_log(&s) && make_kernel(&s)) {
        if (make_binds(&s))
            status = run_guest(&s);
        log_statistics(&s);
        ish_kernel_destroy(s.kernel);
    }
    cli_options_free(&s.options);
    if (s.log && s.log != stderr)
        fclose(s.log);
    if (s.ended_by)
        die_by(s.ended_by);
    return status;
}
