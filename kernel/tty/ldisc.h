// The N_TTY line discipline as a pure machine: typed bytes in, edited input and echo out. Layer 4.
//
// No locks, no I/O, no tasks: the terminal that owns it (kernel/tty/tty.c) calls it under its own
// lock, moves the echo to the far end, and turns the events into signals and wake-ups. Behaviour is
// that of termios(3) on Linux; parity and breaks do not exist here, so INPCK, IGNPAR and BRKINT
// have nothing to act on, and IXOFF sends nothing, as on a Linux pty.
#ifndef KERNEL_TTY_LDISC_H
#define KERNEL_TTY_LDISC_H

#include "platform/abi/tty.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    // Typed but unread bytes. The last one is kept for the end of a line, so that a line can always
    // be ended: it is at most 4095 bytes and a newline; what is typed beyond is echoed and lost.
    LDISC_INPUT_SIZE = 4096,
    // Echo waiting for the far end. Erasing a full line of tabs takes 8 bytes for each of them, so
    // one typed byte never makes more echo than this. On overflow the oldest echo is lost.
    LDISC_ECHO_SIZE = 32768,
};

// What a typed byte caused beyond input and echo.
enum ldisc_event {
    LDISC_INTR = 1 << 0,     // SIGINT, SIGQUIT, SIGTSTP for the foreground group
    LDISC_QUIT = 1 << 1,     //
    LDISC_SUSP = 1 << 2,     //
    LDISC_FLUSHED = 1 << 3,  // with a signal: input was dropped; output is to be dropped too
    LDISC_READABLE = 1 << 4, // readers should look again
    LDISC_STOPPED = 1 << 5,  // output was stopped by VSTOP
    LDISC_STARTED = 1 << 6,  // output may go on
};

struct ldisc {
    struct linux_termios2 termios; // changed by ldisc_set_termios only

    // Input ring. Counters run freely; tail <= canon <= head <= tail + LDISC_INPUT_SIZE.
    uint32_t tail;  // next byte to read
    uint32_t canon; // canonical mode: end of the last complete line
    uint32_t head;  // next byte typed
    uint8_t input[LDISC_INPUT_SIZE];
    uint64_t line_end[LDISC_INPUT_SIZE / 64]; // the byte here ends a line
    uint64_t line_eof[LDISC_INPUT_SIZE / 64]; // ... and is a VEOF, which readers do not see

    bool literal_next; // VLNEXT was typed
    bool erasing;      // ECHOPRT: between '\' and '/'
    bool stopped;      // output is held, by VSTOP or TCXONC
    bool stopped_by_call;

    uint32_t column;                         // of the cursor, as far as output processing can know
    uint32_t canon_column;                   // where the line being typed started
    uint32_t sent_column, sent_canon_column; // the same when echo last went out completely

    uint32_t echo_tail, echo_head;
    uint8_t echo[LDISC_ECHO_SIZE];
};

// The modes of a new Linux pty slave: cooked, 38400 baud.
void ldisc_init(struct ldisc *ld);

// Takes typed bytes, and returns how many: fewer than `n` when unread input fills the buffer, after
// a byte that caused a signal, or when the caller should first move echo on. Returns 0 (for n > 0)
// only when there is no room. `*events` gets ldisc_event bits.
size_t ldisc_receive(struct ldisc *ld, const uint8_t *bytes, size_t n, unsigned *events);

// Is there something for read(2)? With `poll`, VMIN counts as poll(2) does it.
bool ldisc_readable(const struct ldisc *ld, bool poll);
// Moves input to a reader: in canonical mode at most one line (or its rest). *line_end is set when
// a line was finished, so that a result of 0 with it set is an end of file.
size_t ldisc_read(struct ldisc *ld, uint8_t *buf, size_t n, bool *line_end);
// FIONREAD: complete lines in canonical mode, every byte otherwise.
size_t ldisc_input_count(const struct ldisc *ld);
// Bytes ldisc_receive would take now without losing any.
size_t ldisc_input_room(const struct ldisc *ld);
void ldisc_flush_input(struct ldisc *ld);

// Output processing: takes bytes of `in`, puts what the far end should get to `out`. Returns the
// bytes taken; stops when the next one does not fit. *produced: bytes put to `out`.
size_t ldisc_output(struct ldisc *ld, const uint8_t *in, size_t n, uint8_t *out, size_t room,
                    size_t *produced);
// Takes echo for the far end; goes before anything given to ldisc_output later.
size_t ldisc_echo_take(struct ldisc *ld, uint8_t *buf, size_t n);
bool ldisc_echo_pending(const struct ldisc *ld);

// Installs new modes; returns ldisc_event bits (STARTED, READABLE).
unsigned ldisc_set_termios(struct ldisc *ld, const struct linux_termios2 *termios);
// TCXONC of TCOOFF and TCOON. Returns STOPPED or STARTED when something changed.
unsigned ldisc_hold_output(struct ldisc *ld, bool hold);

static inline bool ldisc_canonical(const struct ldisc *ld)
{
    return (ld->termios.c_lflag & (LINUX_ICANON | LINUX_EXTPROC)) == LINUX_ICANON;
}

#endif
