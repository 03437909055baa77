#include "tools/host_terminal.h"
#include "tools/cli_options.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { OUTPUT_SIZE = 65536, INPUT_SIZE = 4096 };

// What a signal handler needs to give the terminal back: the one thing here that cannot be reached
// through an argument.
static struct {
    int fd;
    struct termios modes;
    _Atomic int raw;
} saved;

struct host_terminal {
    int in_fd, out_fd; // both the same terminal
    ish_terminal *guest;
    int wake[2]; // a byte wakes the input thread
    pthread_t input_thread, output_thread;

    pthread_mutex_t modes_lock; // one change of modes at a time

    pthread_mutex_t lock;
    pthread_cond_t changed;
    // Guarded by lock.
    bool taken;        // the terminal is ours: raw, and read
    bool lent;         // it was, until we were stopped; comes back in the foreground, not before
    bool wanted;       // the guest asked for it
    bool ending;       // threads are to end
    bool writing;      // the output thread is in write(2)
    bool refused;      // output was refused; say when it is taken again
    bool dead;         // the terminal is gone: output is dropped
    size_t tail, used; // of output
    char output[OUTPUT_SIZE];
};

// --- Modes ---------------------------------------------------------------------------------------

void host_terminal_restore(void)
{
    int error = errno;
    if (atomic_exchange(&saved.raw, 0))
        tcsetattr(saved.fd, TCSANOW, &saved.modes);
    errno = error;
}

bool host_terminal_is_raw(void)
{
    return atomic_load(&saved.raw);
}

static bool in_foreground(const struct host_terminal *t)
{
    return tcgetpgrp(t->in_fd) == getpgrp();
}

// A process in the background that wants to change its terminal is stopped until it may. False when
// nobody could continue it.
static bool wait_for_foreground(const struct host_terminal *t)
{
    while (!in_foreground(t)) {
        if (tcdrain(t->in_fd) && errno != EINTR)
            return false;
    }
    return true;
}

// The modes to give back are those found at this moment: a shell may have changed them since, also
// while we were stopped without a chance to say so.
static void set_raw(struct host_terminal *t)
{
    struct termios raw;
    if (tcgetattr(t->in_fd, &raw))
        return;
    if (atomic_load(&saved.raw) && !(raw.c_lflag & (tcflag_t)(ICANON | ISIG | ECHO)))
        return;
    atomic_store(&saved.raw, 0);
    saved.fd = t->in_fd;
    saved.modes = raw;
    cfmakeraw(&raw);
    raw.c_iflag &= ~(tcflag_t)(IXOFF | IXANY);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    atomic_store(&saved.raw, 1);
    while (tcsetattr(t->in_fd, TCSADRAIN, &raw) && errno == EINTR) {
    }
}

static void wake_input(const struct host_terminal *t)
{
    char byte = 0;
    ssize_t n = write(t->wake[1], &byte, 1);
    (void)n; // a full pipe wakes as well
}

void host_terminal_take_over(struct host_terminal *t, bool wait)
{
    if (wait ? !wait_for_foreground(t) : !in_foreground(t))
        return;
    pthread_mutex_lock(&t->modes_lock);
    set_raw(t);
    pthread_mutex_unlock(&t->modes_lock);
    pthread_mutex_lock(&t->lock);
    t->taken = true;
    t->lent = false;
    pthread_mutex_unlock(&t->lock);
    host_terminal_resized(t);
    wake_input(t);
}

bool host_terminal_taken(struct host_terminal *t)
{
    pthread_mutex_lock(&t->lock);
    bool taken = t->taken;
    pthread_mutex_unlock(&t->lock);
    return taken;
}

// Stops reading the terminal, until host_terminal_resume() finds us in the foreground.
static void lend(struct host_terminal *t)
{
    pthread_mutex_lock(&t->lock);
    t->lent = t->lent || t->taken;
    t->taken = false;
    pthread_mutex_unlock(&t->lock);
    wake_input(t);
}

void host_terminal_suspend(struct host_terminal *t)
{
    lend(t);
    pthread_mutex_lock(&t->modes_lock);
    host_terminal_restore();
    pthread_mutex_unlock(&t->modes_lock);
}

void host_terminal_resume(struct host_terminal *t)
{
    lend(t);
    pthread_mutex_lock(&t->lock);
    bool take = t->lent;
    pthread_mutex_unlock(&t->lock);
    if (!in_foreground(t))
        atomic_store(&saved.raw, 0); // whoever has the terminal now has set its modes
    else if (take)
        host_terminal_take_over(t, false);
    host_terminal_resized(t);
}

static void window_size(const struct host_terminal *t, struct winsize *size)
{
    if (ioctl(t->out_fd, TIOCGWINSZ, size))
        memset(size, 0, sizeof *size);
}

void host_terminal_resized(struct host_terminal *t)
{
    struct winsize size;
    window_size(t, &size);
    if (t->guest)
        ish_terminal_resize(t->guest, size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
}

// --- Output --------------------------------------------------------------------------------------

static size_t take_output(void *context, const void *bytes, size_t count)
{
    struct host_terminal *t = context;
    pthread_mutex_lock(&t->lock);
    if (!t->dead) {
        size_t room = OUTPUT_SIZE - t->used;
        t->refused = room < count;
        count = room < count ? room : count;
        for (size_t i = 0; i < count; i++)
            t->output[(t->tail + t->used + i) % OUTPUT_SIZE] = ((const char *)bytes)[i];
        t->used += count;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    return count;
}

// Returns the bytes written; 0 when the terminal is gone.
static size_t write_terminal(const struct host_terminal *t, const char *bytes, size_t n)
{
    for (;;) {
        ssize_t done = write(t->out_fd, bytes, n);
        if (done > 0)
            return (size_t)done;
        struct pollfd p = {.fd = t->out_fd, .events = POLLOUT};
        if (done < 0 && errno == EAGAIN) // somebody who shares the terminal made it so
            poll(&p, 1, -1);
        else if (done < 0 && errno != EINTR)
            return 0;
    }
}

// One round of the output thread, with the lock held: writes what lies in one piece.
static void write_piece(struct host_terminal *t)
{
    size_t n = OUTPUT_SIZE - t->tail < t->used ? OUTPUT_SIZE - t->tail : t->used;
    t->writing = true;
    pthread_mutex_unlock(&t->lock);
    size_t done = write_terminal(t, t->output + t->tail, n);
    pthread_mutex_lock(&t->lock);
    t->writing = false;
    t->dead = !done;
    done = done ? done : t->used;
    t->tail = (t->tail + done) % OUTPUT_SIZE;
    t->used -= done;
    bool ready = t->refused, dead = t->dead;
    t->refused = false;
    pthread_cond_broadcast(&t->changed);
    if (!ready && !dead)
        return;
    pthread_mutex_unlock(&t->lock);
    if (ready)
        ish_terminal_output_ready(t->guest);
    if (dead)
        ish_terminal_hangup(t->guest);
    pthread_mutex_lock(&t->lock);
}

static void *output_main(void *arg)
{
    struct host_terminal *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->ending || t->used) {
        if (t->used)
            write_piece(t);
        else
            pthread_cond_wait(&t->changed, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

// --- Input ---------------------------------------------------------------------------------------

static void input_ready(void *context)
{
    wake_input(context);
}

static void attention(void *context)
{
    struct host_terminal *t = context;
    pthread_mutex_lock(&t->lock);
    t->wanted = true;
    pthread_mutex_unlock(&t->lock);
    wake_input(t);
}

void host_terminal_type(struct host_terminal *t, char key)
{
    ish_terminal_input(t->guest, &key, 1);
}

// Waits for a key or a wake-up. Returns false when the thread is to end.
static bool wait_for_input(struct host_terminal *t, bool keys)
{
    struct pollfd p[2] = {{.fd = t->wake[0], .events = POLLIN}, {.fd = t->in_fd, .events = POLLIN}};
    char bytes[64];
    if (poll(p, keys ? 2 : 1, -1) > 0 && p[0].revents) {
        ssize_t n = read(t->wake[0], bytes, sizeof bytes);
        (void)n;
    }
    pthread_mutex_lock(&t->lock);
    bool take = t->wanted && !t->taken && !t->lent, ending = t->ending;
    t->wanted = false;
    pthread_mutex_unlock(&t->lock);
    if (take && !ending)
        host_terminal_take_over(t, true);
    return !ending;
}

// Keys that wait for the guest; `count` of them are left.
struct typed {
    char bytes[INPUT_SIZE];
    size_t at, count;
};

// Returns false when the terminal is gone.
static bool read_keys(struct host_terminal *t, struct typed *typed)
{
    struct pollfd p = {.fd = t->in_fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return true;
    ssize_t n = read(t->in_fd, typed->bytes, sizeof typed->bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    typed->at = 0;
    typed->count = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void *input_main(void *arg)
{
    struct host_terminal *t = arg;
    struct typed typed = {.count = 0};
    bool open = true;
    // Keys the guest has not taken yet keep us from reading more.
    while (wait_for_input(t, open && host_terminal_taken(t) && !typed.count)) {
        if (open && host_terminal_taken(t) && !typed.count) {
            open = read_keys(t, &typed);
            if (!open)
                ish_terminal_hangup(t->guest);
        }
        ptrdiff_t n = ish_terminal_input(t->guest, typed.bytes + typed.at, typed.count);
        size_t done = n < 0 ? typed.count : (size_t)n; // a terminal that is gone takes everything
        typed.at += done;
        typed.count -= done;
    }
    return NULL;
}

// --- Life ----------------------------------------------------------------------------------------

static bool accessible(int fd, int mode)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_ACCMODE) == mode || (flags & O_ACCMODE) == O_RDWR);
}

static bool same_terminal(int a, int b)
{
    struct stat sa, sb;
    return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_rdev == sb.st_rdev;
}

struct host_terminal *host_terminal_find(bool is_terminal[3])
{
    static const int in_order[] = {0, 1, 2}, out_order[] = {1, 2, 0};
    int in = -1, out = -1;
    for (int i = 0; i < 3; i++)
        is_terminal[i] = isatty(i);
    for (int i = 2; i >= 0; i--) {
        if (is_terminal[in_order[i]] && accessible(in_order[i], O_RDONLY))
            in = in_order[i];
    }
    for (int i = 2; i >= 0; i--) {
        int fd = out_order[i];
        if (in >= 0 && is_terminal[fd] && accessible(fd, O_WRONLY) && same_terminal(in, fd))
            out = fd;
    }
    for (int i = 0; i < 3; i++)
        is_terminal[i] = is_terminal[i] && out >= 0 && same_terminal(i, in);
    if (out < 0)
        return NULL;
    struct host_terminal *t = calloc(1, sizeof *t);
    if (!t || pipe(t->wake)) {
        cli_complain("%s", strerror(errno));
        exit(EXIT_OWN_FAILURE);
    }
    for (int i = 0; i < 2; i++) {
        fcntl(t->wake[i], F_SETFD, FD_CLOEXEC);
        fcntl(t->wake[i], F_SETFL, O_NONBLOCK);
    }
    t->in_fd = in;
    t->out_fd = out;
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->modes_lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    return t;
}

// The threads take only the signals that stop a process which uses its terminal in the background.
static int start_threads(struct host_terminal *t)
{
    sigset_t mask, old;
    sigfillset(&mask);
    sigdelset(&mask, SIGTTIN);
    sigdelset(&mask, SIGTTOU);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    int err = pthread_create(&t->output_thread, NULL, output_main, t);
    if (!err)
        err = pthread_create(&t->input_thread, NULL, input_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        cli_complain("cannot start a thread: %s", strerror(err));
        exit(EXIT_OWN_FAILURE);
    }
    return 0;
}

int host_terminal_attach(struct host_terminal *t, ish_kernel *kernel, ish_terminal **out)
{
    struct winsize size;
    window_size(t, &size);
    const ish_terminal_config config = {
        .size = sizeof config,
        .rows = size.ws_row,
        .columns = size.ws_col,
        .pixel_width = size.ws_xpixel,
        .pixel_height = size.ws_ypixel,
        .context = t,
        .output = take_output,
        .input_ready = input_ready,
        .attention = attention,
    };
    int err = ish_terminal_create(kernel, &config, &t->guest);
    *out = t->guest;
    return err ? err : start_threads(t);
}

void host_terminal_end(struct host_terminal *t)
{
    if (t->guest) {
        ish_terminal_drain(t->guest);
        pthread_mutex_lock(&t->lock);
        t->ending = true;
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->lock);
        wake_input(t);
        pthread_join(t->output_thread, NULL);
        pthread_join(t->input_thread, NULL);
    }
    host_terminal_suspend(t);
}

void host_terminal_free(struct host_terminal *t)
{
    if (!t)
        return;
    ish_terminal_release(t->guest);
    close(t->wake[0]);
    close(t->wake[1]);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->modes_lock);
    free(t);
}
