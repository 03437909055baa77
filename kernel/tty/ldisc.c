// See ldisc.h. Authority: termios(3), ioctl_tty(2), and what a Linux pty does where those are
// silent.
#include "kernel/tty/ldisc.h"
#include <string.h>

enum { INPUT_MASK = LDISC_INPUT_SIZE - 1, ECHO_MASK = LDISC_ECHO_SIZE - 1 };

// Longest expansion of one byte by output processing (a tab).
enum { OUTPUT_BYTE_MAX = 8 };

// --- Character classes ---------------------------------------------------------------------------

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

// Letters and digits; above ASCII those of Latin-1, which also makes every lead byte of a UTF-8
// letter part of a word.
static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

// Case in Latin-1, as Linux has it: to_upper makes 0xbf of a sharp s.
static uint8_t to_lower(uint8_t c)
{
    bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
    return upper ? (uint8_t)(c + 32) : c;
}

static uint8_t to_upper(uint8_t c)
{
    bool lower = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);
    return lower ? (uint8_t)(c - 32) : c;
}

static bool has_iflag(const struct ldisc *ld, uint32_t flag)
{
    return ld->termios.c_iflag & flag;
}

static bool has_oflag(const struct ldisc *ld, uint32_t flag)
{
    return ld->termios.c_oflag & flag;
}

static bool has_lflag(const struct ldisc *ld, uint32_t flag)
{
    return ld->termios.c_lflag & flag;
}

// Is `c` the control character with this index? A disabled one matches nothing.
static bool is_cc(const struct ldisc *ld, unsigned index, uint8_t c)
{
    return c != LINUX_VDISABLE && ld->termios.c_cc[index] == c;
}

// A byte that continues a UTF-8 sequence, when the terminal is told to look at those.
static bool is_continuation(const struct ldisc *ld, uint8_t c)
{
    return has_iflag(ld, LINUX_IUTF8) && (c & 0xc0) == 0x80;
}

// --- Input ring ----------------------------------------------------------------------------------

static void mark_set(uint64_t *marks, uint32_t at)
{
    at &= INPUT_MASK;
    marks[at / 64] |= 1ull << (at % 64);
}

static void mark_clear(uint64_t *marks, uint32_t at)
{
    at &= INPUT_MASK;
    marks[at / 64] &= ~(1ull << (at % 64));
}

static bool mark_test(const uint64_t *marks, uint32_t at)
{
    at &= INPUT_MASK;
    return marks[at / 64] >> (at % 64) & 1;
}

static uint32_t input_used(const struct ldisc *ld)
{
    return ld->head - ld->tail;
}

static void input_put(struct ldisc *ld, uint8_t c)
{
    if (input_used(ld) < LDISC_INPUT_SIZE)
        ld->input[ld->head++ & INPUT_MASK] = c;
}

// An 0377 that is data is doubled under PARMRK, to tell it from the mark of a damaged byte.
static void input_put_data(struct ldisc *ld, uint8_t c)
{
    if (c == 0xff && has_iflag(ld, LINUX_PARMRK))
        input_put(ld, c);
    input_put(ld, c);
}

void ldisc_flush_input(struct ldisc *ld)
{
    ld->tail = ld->canon = ld->head = 0;
    memset(ld->line_end, 0, sizeof ld->line_end);
    memset(ld->line_eof, 0, sizeof ld->line_eof);
    ld->erasing = false;
    ld->literal_next = false;
}

size_t ldisc_input_room(const struct ldisc *ld)
{
    size_t keep = has_iflag(ld, LINUX_PARMRK) ? 2 : 1;
    size_t used = input_used(ld);
    return used + keep < LDISC_INPUT_SIZE ? LDISC_INPUT_SIZE - keep - used : 0;
}

// Makes room for one more byte, or says that typing has to wait for a reader. A line longer than
// the buffer loses its last byte instead, because nobody can read it before it ends.
static bool input_make_room(struct ldisc *ld)
{
    if (ldisc_input_room(ld))
        return true;
    if (!has_lflag(ld, LINUX_ICANON) || ld->canon != ld->tail)
        return false;
    if (input_used(ld) == LDISC_INPUT_SIZE)
        ld->head--;
    return true;
}

// --- Output processing and echo ------------------------------------------------------------------

// What one byte of output becomes. Returns its length, 0 for a byte that is swallowed.
static size_t process_output(struct ldisc *ld, uint8_t c, uint8_t out[OUTPUT_BYTE_MAX])
{
    out[0] = c;
    if (!has_oflag(ld, LINUX_OPOST))
        return 1;
    switch (c) {
    case '\n':
        if (has_oflag(ld, LINUX_ONLCR)) {
            ld->column = ld->canon_column = 0;
            memcpy(out, "\r\n", 2);
            return 2;
        }
        if (has_oflag(ld, LINUX_ONLRET))
            ld->column = 0;
        ld->canon_column = ld->column;
        return 1;
    case '\r':
        if (has_oflag(ld, LINUX_ONOCR) && !ld->column)
            return 0;
        if (has_oflag(ld, LINUX_OCRNL)) {
            out[0] = '\n';
            if (!has_oflag(ld, LINUX_ONLRET))
                return 1;
        }
        ld->column = ld->canon_column = 0;
        return 1;
    case '\t': {
        uint32_t spaces = 8 - (ld->column & 7);
        ld->column += spaces;
        if ((ld->termios.c_oflag & LINUX_TABDLY) != LINUX_XTABS)
            return 1;
        memset(out, ' ', spaces);
        return spaces;
    }
    case '\b':
        if (ld->column)
            ld->column--;
        return 1;
    default:
        if (is_control(c))
            return 1;
        if (has_oflag(ld, LINUX_OLCUC))
            out[0] = to_upper(c);
        if (!is_continuation(ld, c))
            ld->column++;
        return 1;
    }
}

size_t ldisc_output(struct ldisc *ld, const uint8_t *in, size_t n, uint8_t *out, size_t room,
                    size_t *produced)
{
    if (!has_oflag(ld, LINUX_OPOST)) {
        *produced = n < room ? n : room;
        memcpy(out, in, *produced);
        return *produced;
    }
    size_t taken = 0, made = 0;
    for (; taken < n; taken++) {
        uint8_t bytes[OUTPUT_BYTE_MAX];
        uint32_t column = ld->column, canon_column = ld->canon_column;
        size_t len = process_output(ld, in[taken], bytes);
        if (len > room - made) {
            ld->column = column;
            ld->canon_column = canon_column;
            break;
        }
        memcpy(out + made, bytes, len);
        made += len;
    }
    *produced = made;
    return taken;
}

static void echo_put(struct ldisc *ld, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ld->echo_head - ld->echo_tail == LDISC_ECHO_SIZE)
            ld->echo_tail++;
        ld->echo[ld->echo_head++ & ECHO_MASK] = bytes[i];
    }
}

// Echoes a byte as it is, through output processing; 0377 passes by that on Linux.
static void echo_raw(struct ldisc *ld, uint8_t c)
{
    uint8_t bytes[OUTPUT_BYTE_MAX];
    if (c == 0xff) {
        echo_put(ld, &c, 1);
        ld->column++;
        return;
    }
    echo_put(ld, bytes, process_output(ld, c, bytes));
}

// Echoes a typed byte: control characters in the form ^X under ECHOCTL, but for the tab.
static void echo_char(struct ldisc *ld, uint8_t c)
{
    if (!has_lflag(ld, LINUX_ECHOCTL) || !is_control(c) || c == '\t') {
        echo_raw(ld, c);
        return;
    }
    echo_put(ld, (const uint8_t[]){'^', c ^ 0100}, 2);
    ld->column += 2;
}

bool ldisc_echo_pending(const struct ldisc *ld)
{
    return ld->echo_head != ld->echo_tail;
}

size_t ldisc_echo_take(struct ldisc *ld, uint8_t *buf, size_t n)
{
    size_t i;
    for (i = 0; i < n && ldisc_echo_pending(ld); i++)
        buf[i] = ld->echo[ld->echo_tail++ & ECHO_MASK];
    if (!ldisc_echo_pending(ld)) {
        ld->sent_column = ld->column;
        ld->sent_canon_column = ld->canon_column;
    }
    return i;
}

// The cursor goes back to where it was before the echo that nobody will see.
static void echo_drop(struct ldisc *ld)
{
    if (!ldisc_echo_pending(ld))
        return;
    ld->echo_tail = ld->echo_head;
    ld->column = ld->sent_column;
    ld->canon_column = ld->sent_canon_column;
}

// --- Editing -------------------------------------------------------------------------------------

// ECHOPRT shows erased text between '\' and '/'.
static void finish_erasing(struct ldisc *ld)
{
    if (ld->erasing)
        echo_raw(ld, '/');
    ld->erasing = false;
}

// Moves the cursor back over a tab that was erased: as far as the text before it, counted from the
// tab before or from where the line started, leaves to the next stop.
static void echo_erase_tab(struct ldisc *ld)
{
    uint32_t columns = 0;
    bool after_tab = false;
    for (uint32_t at = ld->head; at != ld->canon && !after_tab;) {
        uint8_t c = ld->input[--at & INPUT_MASK];
        if (c == '\t')
            after_tab = true;
        else if (is_control(c))
            columns += has_lflag(ld, LINUX_ECHOCTL) ? 2 : 0;
        else if (!is_continuation(ld, c))
            columns++;
    }
    if (!after_tab)
        columns += ld->canon_column;
    for (uint32_t back = 8 - (columns & 7); back; back--) {
        echo_put(ld, (const uint8_t[]){'\b'}, 1);
        if (ld->column)
            ld->column--;
    }
}

static void echo_rub_out(struct ldisc *ld)
{
    echo_raw(ld, '\b');
    echo_raw(ld, ' ');
    echo_raw(ld, '\b');
}

// Shows that the `count` bytes at ring position `at`, one character, were erased.
static void echo_erase(struct ldisc *ld, uint32_t at, uint32_t count, bool one)
{
    uint8_t c = ld->input[at & INPUT_MASK];
    if (has_lflag(ld, LINUX_ECHOPRT)) {
        if (!ld->erasing)
            echo_raw(ld, '\\');
        ld->erasing = true;
        echo_char(ld, c);
        while (--count) {
            echo_raw(ld, ld->input[++at & INPUT_MASK]);
            if (ld->column)
                ld->column--;
        }
    } else if (one && !has_lflag(ld, LINUX_ECHOE)) {
        echo_char(ld, ld->termios.c_cc[LINUX_VERASE]);
    } else if (c == '\t') {
        echo_erase_tab(ld);
    } else if (!is_control(c)) {
        echo_rub_out(ld);
    } else if (has_lflag(ld, LINUX_ECHOCTL)) {
        echo_rub_out(ld);
        echo_rub_out(ld);
    }
}

// Where the last character of the line being typed starts; ld->head when only the rest of one is
// left, which is not erased in part.
static uint32_t last_char(const struct ldisc *ld)
{
    uint32_t at = ld->head;
    while (at != ld->canon) {
        if (!is_continuation(ld, ld->input[--at & INPUT_MASK]))
            return at;
    }
    return ld->head;
}

enum erase_kind { ERASE_CHAR, ERASE_WORD, ERASE_LINE };

// True when a whole line can be erased on the screen, character by character.
static bool kill_is_visible(const struct ldisc *ld)
{
    const uint32_t all = LINUX_ECHOK | LINUX_ECHOKE | LINUX_ECHOE;
    return (ld->termios.c_lflag & all) == all;
}

static void kill_line_blindly(struct ldisc *ld)
{
    ld->head = ld->canon;
    if (!has_lflag(ld, LINUX_ECHO))
        return;
    finish_erasing(ld);
    echo_char(ld, ld->termios.c_cc[LINUX_VKILL]);
    if (has_lflag(ld, LINUX_ECHOK))
        echo_raw(ld, '\n');
}

static void erase(struct ldisc *ld, enum erase_kind kind)
{
    if (ld->head == ld->canon)
        return;
    if (kind == ERASE_LINE && (!has_lflag(ld, LINUX_ECHO) || !kill_is_visible(ld))) {
        kill_line_blindly(ld);
        return;
    }
    bool in_word = false;
    while (ld->head != ld->canon) {
        uint32_t at = last_char(ld), count = ld->head - at;
        if (!count)
            break;
        if (kind == ERASE_WORD) {
            if (is_word(ld->input[at & INPUT_MASK]))
                in_word = true;
            else if (in_word)
                break;
        }
        ld->head = at;
        if (has_lflag(ld, LINUX_ECHO))
            echo_erase(ld, at, count, kind == ERASE_CHAR);
        if (kind == ERASE_CHAR)
            break;
    }
    if (ld->head == ld->canon && has_lflag(ld, LINUX_ECHO))
        finish_erasing(ld);
}

static void reprint(struct ldisc *ld, uint8_t c)
{
    finish_erasing(ld);
    echo_char(ld, c);
    echo_raw(ld, '\n');
    for (uint32_t at = ld->canon; at != ld->head; at++)
        echo_char(ld, ld->input[at & INPUT_MASK]);
}

static void end_line(struct ldisc *ld, uint8_t c, bool eof, unsigned *events)
{
    if (input_used(ld) == LDISC_INPUT_SIZE)
        ld->head--; // only a doubled 0377 can have taken the place kept for this
    mark_set(ld->line_end, ld->head);
    if (eof)
        mark_set(ld->line_eof, ld->head);
    else
        mark_clear(ld->line_eof, ld->head);
    input_put(ld, c);
    ld->canon = ld->head;
    *events |= LDISC_READABLE;
}

static void echo_typed(struct ldisc *ld, uint8_t c)
{
    if (ld->canon == ld->head)
        ld->canon_column = ld->column;
    echo_char(ld, c);
}

// --- Typed bytes ---------------------------------------------------------------------------------

static void start_output(struct ldisc *ld, unsigned *events)
{
    if (!ld->stopped || ld->stopped_by_call)
        return;
    ld->stopped = false;
    *events |= LDISC_STARTED;
}

static void stop_output(struct ldisc *ld, unsigned *events)
{
    if (ld->stopped)
        return;
    ld->stopped = true;
    *events |= LDISC_STOPPED;
}

static unsigned signal_of(const struct ldisc *ld, uint8_t c)
{
    if (is_cc(ld, LINUX_VINTR, c))
        return LDISC_INTR;
    if (is_cc(ld, LINUX_VQUIT, c))
        return LDISC_QUIT;
    return is_cc(ld, LINUX_VSUSP, c) ? LDISC_SUSP : 0;
}

static void receive_signal(struct ldisc *ld, uint8_t c, unsigned signal, unsigned *events)
{
    *events |= signal;
    if (!has_lflag(ld, LINUX_NOFLSH)) {
        ldisc_flush_input(ld);
        echo_drop(ld);
        *events |= LDISC_FLUSHED;
    }
    if (has_iflag(ld, LINUX_IXON))
        start_output(ld, events);
    if (has_lflag(ld, LINUX_ECHO))
        echo_char(ld, c);
}

// The bytes with a meaning in canonical mode. Returns false for an ordinary one.
static bool receive_canonical(struct ldisc *ld, uint8_t c, unsigned *events)
{
    bool extended = has_lflag(ld, LINUX_IEXTEN), echo = has_lflag(ld, LINUX_ECHO);
    bool word = is_cc(ld, LINUX_VWERASE, c), all = is_cc(ld, LINUX_VKILL, c);
    if (is_cc(ld, LINUX_VERASE, c)) {
        erase(ld, ERASE_CHAR);
    } else if (all || (word && extended)) {
        erase(ld, word ? ERASE_WORD : ERASE_LINE); // one character for both erases a word
    } else if (extended && is_cc(ld, LINUX_VLNEXT, c)) {
        ld->literal_next = true;
        if (echo) {
            finish_erasing(ld);
            if (has_lflag(ld, LINUX_ECHOCTL)) {
                echo_raw(ld, '^');
                echo_raw(ld, '\b');
            }
        }
    } else if (extended && echo && is_cc(ld, LINUX_VREPRINT, c)) {
        reprint(ld, c);
    } else if (c == '\n') {
        if (echo || has_lflag(ld, LINUX_ECHONL))
            echo_raw(ld, '\n');
        end_line(ld, c, false, events);
    } else if (is_cc(ld, LINUX_VEOF, c)) {
        end_line(ld, '\0', true, events);
    } else if (is_cc(ld, LINUX_VEOL, c) || (extended && is_cc(ld, LINUX_VEOL2, c))) {
        if (echo)
            echo_typed(ld, c);
        if (c == 0xff && has_iflag(ld, LINUX_PARMRK))
            input_put(ld, c);
        end_line(ld, c, false, events);
    } else {
        return false;
    }
    return true;
}

// Everything a byte may be besides data. Returns true when that is all it was; *c may be mapped.
static bool receive_special(struct ldisc *ld, uint8_t *c, unsigned *events)
{
    if (has_iflag(ld, LINUX_IXON)) {
        if (is_cc(ld, LINUX_VSTART, *c)) {
            start_output(ld, events);
            return true;
        }
        if (is_cc(ld, LINUX_VSTOP, *c)) {
            stop_output(ld, events);
            return true;
        }
    }
    unsigned signal = has_lflag(ld, LINUX_ISIG) ? signal_of(ld, *c) : 0;
    if (signal) {
        receive_signal(ld, *c, signal, events);
        return true;
    }
    if (has_iflag(ld, LINUX_IXON) && has_iflag(ld, LINUX_IXANY))
        start_output(ld, events);
    if (*c == '\r') {
        if (has_iflag(ld, LINUX_IGNCR))
            return true;
        if (has_iflag(ld, LINUX_ICRNL))
            *c = '\n';
    } else if (*c == '\n' && has_iflag(ld, LINUX_INLCR)) {
        *c = '\r';
    }
    return has_lflag(ld, LINUX_ICANON) && receive_canonical(ld, *c, events);
}

static void receive_byte(struct ldisc *ld, uint8_t c, unsigned *events)
{
    if (has_iflag(ld, LINUX_ISTRIP))
        c &= 0x7f;
    if (has_iflag(ld, LINUX_IUCLC) && has_lflag(ld, LINUX_IEXTEN))
        c = to_lower(c);
    if (has_lflag(ld, LINUX_EXTPROC)) {
        input_put(ld, c);
        *events |= LDISC_READABLE;
        return;
    }
    bool literal = ld->literal_next, was_return = c == '\r';
    ld->literal_next = false;
    if (literal) {
        if (has_iflag(ld, LINUX_IXON) && has_iflag(ld, LINUX_IXANY))
            start_output(ld, events);
    } else if (receive_special(ld, &c, events)) {
        return;
    }
    if (has_lflag(ld, LINUX_ECHO)) {
        finish_erasing(ld);
        if (c == '\n' && !literal && was_return)
            echo_raw(ld, '\n'); // a newline that was typed as one is a control character here
        else
            echo_typed(ld, c);
    }
    input_put_data(ld, c);
    if (!ldisc_canonical(ld))
        *events |= LDISC_READABLE;
}

// True when typed bytes go to the reader as they are.
static bool is_transparent(const struct ldisc *ld)
{
    const uint32_t iflags = LINUX_ISTRIP | LINUX_IUCLC | LINUX_IGNCR | LINUX_ICRNL | LINUX_INLCR |
                            LINUX_IXON | LINUX_PARMRK;
    return !has_iflag(ld, iflags) && !has_lflag(ld, LINUX_ICANON | LINUX_ISIG | LINUX_ECHO);
}

size_t ldisc_receive(struct ldisc *ld, const uint8_t *bytes, size_t n, unsigned *events)
{
    size_t taken = 0;
    *events = 0;
    if (is_transparent(ld)) {
        size_t room = ldisc_input_room(ld);
        for (; taken < n && taken < room; taken++)
            ld->input[ld->head++ & INPUT_MASK] = bytes[taken];
        if (taken)
            *events = LDISC_READABLE;
        return taken;
    }
    while (taken < n && input_make_room(ld)) {
        receive_byte(ld, bytes[taken++], events);
        if (*events & (LDISC_INTR | LDISC_QUIT | LDISC_SUSP | LDISC_STARTED | LDISC_STOPPED))
            break;
        if (ld->echo_head - ld->echo_tail > LDISC_ECHO_SIZE / 2)
            break;
    }
    return taken;
}

// --- Reading -------------------------------------------------------------------------------------

bool ldisc_readable(const struct ldisc *ld, bool poll)
{
    if (ldisc_canonical(ld))
        return ld->canon != ld->tail;
    const uint8_t *cc = ld->termios.c_cc;
    uint32_t need = poll && !cc[LINUX_VTIME] && cc[LINUX_VMIN] ? cc[LINUX_VMIN] : 1;
    return input_used(ld) >= need;
}

static size_t read_raw(struct ldisc *ld, uint8_t *buf, size_t n, bool *line_end)
{
    // Under EXTPROC the far end edits, and sends a lone VEOF for the end of file.
    if (n && has_lflag(ld, LINUX_EXTPROC) && has_lflag(ld, LINUX_ICANON) && input_used(ld) == 1 &&
        is_cc(ld, LINUX_VEOF, ld->input[ld->tail & INPUT_MASK])) {
        ld->canon = ++ld->tail;
        *line_end = true;
        return 0;
    }
    size_t i;
    for (i = 0; i < n && ld->tail != ld->head; i++)
        buf[i] = ld->input[ld->tail++ & INPUT_MASK];
    ld->canon = ld->tail;
    return i;
}

// Takes the mark of the byte at the tail, if it has one.
static bool take_line_end(struct ldisc *ld, bool *eof)
{
    bool end = mark_test(ld->line_end, ld->tail);
    *eof = end && mark_test(ld->line_eof, ld->tail);
    mark_clear(ld->line_end, ld->tail);
    mark_clear(ld->line_eof, ld->tail);
    return end;
}

size_t ldisc_read(struct ldisc *ld, uint8_t *buf, size_t n, bool *line_end)
{
    *line_end = false;
    if (!ldisc_canonical(ld))
        return read_raw(ld, buf, n, line_end);
    size_t got = 0;
    bool eof = false;
    while (got < n && ld->tail != ld->canon && !*line_end) {
        *line_end = take_line_end(ld, &eof);
        if (!eof)
            buf[got++] = ld->input[ld->tail & INPUT_MASK];
        ld->tail++;
    }
    // A VEOF right behind text that filled the buffer ended that text, and must not turn into an
    // end of file at the next read.
    if (got && got == n && !*line_end && ld->tail != ld->canon &&
        mark_test(ld->line_eof, ld->tail)) {
        *line_end = take_line_end(ld, &eof);
        ld->tail++;
    }
    return got;
}

size_t ldisc_input_count(const struct ldisc *ld)
{
    if (!ldisc_canonical(ld))
        return input_used(ld);
    size_t count = 0;
    for (uint32_t at = ld->tail; at != ld->canon; at++)
        count += !mark_test(ld->line_eof, at);
    return count;
}

// --- Modes ---------------------------------------------------------------------------------------

void ldisc_init(struct ldisc *ld)
{
    memset(ld, 0, sizeof *ld);
    ld->termios = (struct linux_termios2){
        .c_iflag = LINUX_ICRNL | LINUX_IXON,
        .c_oflag = LINUX_OPOST | LINUX_ONLCR,
        .c_cflag = LINUX_B38400 | LINUX_CS8 | LINUX_CREAD,
        .c_lflag = LINUX_ISIG | LINUX_ICANON | LINUX_ECHO | LINUX_ECHOE | LINUX_ECHOK |
                   LINUX_ECHOCTL | LINUX_ECHOKE | LINUX_IEXTEN,
        .c_cc =
            {
                [LINUX_VINTR] = 003,
                [LINUX_VQUIT] = 034,
                [LINUX_VERASE] = 0177,
                [LINUX_VKILL] = 025,
                [LINUX_VEOF] = 004,
                [LINUX_VMIN] = 1,
                [LINUX_VSTART] = 021,
                [LINUX_VSTOP] = 023,
                [LINUX_VSUSP] = 032,
                [LINUX_VREPRINT] = 022,
                [LINUX_VDISCARD] = 017,
                [LINUX_VWERASE] = 027,
                [LINUX_VLNEXT] = 026,
            },
        .c_ispeed = 38400,
        .c_ospeed = 38400,
    };
}

// Canonical mode was switched: what is unread becomes one line, or stops being lines.
static void reframe_input(struct ldisc *ld)
{
    memset(ld->line_end, 0, sizeof ld->line_end);
    memset(ld->line_eof, 0, sizeof ld->line_eof);
    ld->canon = ld->tail;
    if (has_lflag(ld, LINUX_ICANON) && input_used(ld)) {
        mark_set(ld->line_end, ld->head - 1);
        ld->canon = ld->head;
    }
    ld->erasing = false;
    ld->literal_next = false;
}

unsigned ldisc_set_termios(struct ldisc *ld, const struct linux_termios2 *termios)
{
    unsigned events = LDISC_READABLE;
    struct linux_termios2 old = ld->termios;
    ld->termios = *termios;
    if ((old.c_lflag ^ termios->c_lflag) & (LINUX_ICANON | LINUX_EXTPROC))
        reframe_input(ld);
    // Nobody could restart output that VSTOP had stopped once IXON is off.
    if ((old.c_iflag & LINUX_IXON) && !has_iflag(ld, LINUX_IXON))
        start_output(ld, &events);
    return events;
}

unsigned ldisc_hold_output(struct ldisc *ld, bool hold)
{
    unsigned events = 0;
    if (ld->stopped_by_call == hold)
        return 0;
    ld->stopped_by_call = hold;
    if (hold)
        stop_output(ld, &events);
    else
        start_output(ld, &events);
    return events;
}
