// The line discipline does with typed bytes what a Linux pty does: rows L01-L11 of the terminal
// table and the editing rules of termios(3).
#include "kernel/tty/ldisc.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <string.h>

static struct tap t;
static struct ldisc ld;
static unsigned seen; // events since fresh()

static char echo_text[LDISC_ECHO_SIZE + 1];

static void fresh(void)
{
    ldisc_init(&ld);
    seen = 0;
}

static void set_flags(uint32_t iflag_on, uint32_t iflag_off, uint32_t lflag_on, uint32_t lflag_off)
{
    struct linux_termios2 tio = ld.termios;
    tio.c_iflag = (tio.c_iflag | iflag_on) & ~iflag_off;
    tio.c_lflag = (tio.c_lflag | lflag_on) & ~lflag_off;
    seen |= ldisc_set_termios(&ld, &tio);
}

static void set_oflags(uint32_t on, uint32_t off)
{
    struct linux_termios2 tio = ld.termios;
    tio.c_oflag = (tio.c_oflag | on) & ~off;
    seen |= ldisc_set_termios(&ld, &tio);
}

static void set_cc(unsigned index, uint8_t value)
{
    struct linux_termios2 tio = ld.termios;
    tio.c_cc[index] = value;
    seen |= ldisc_set_termios(&ld, &tio);
}

// Types all of it; returns what was taken before the discipline ran out of room.
static size_t type_bytes(const void *bytes, size_t n)
{
    size_t done = 0;
    while (done < n) {
        unsigned events;
        size_t taken = ldisc_receive(&ld, (const uint8_t *)bytes + done, n - done, &events);
        seen |= events;
        if (!taken)
            break;
        done += taken;
    }
    return done;
}

static size_t type(const char *text)
{
    return type_bytes(text, strlen(text));
}

// The echo so far, as a string.
static const char *echo(void)
{
    size_t n = ldisc_echo_take(&ld, (uint8_t *)echo_text, LDISC_ECHO_SIZE);
    echo_text[n] = 0;
    return echo_text;
}

static bool echo_is(const char *text)
{
    const char *got = echo();
    if (!strcmp(got, text))
        return true;
    printf("# echo differs:");
    for (; *got; got++)
        printf(" %02x", (unsigned char)*got);
    printf("\n");
    return false;
}

static char line[LDISC_INPUT_SIZE + 1];
static bool line_end;

static size_t get(size_t n)
{
    size_t got = ldisc_read(&ld, (uint8_t *)line, n, &line_end);
    line[got] = 0;
    return got;
}

static bool reads(const char *text)
{
    return get(LDISC_INPUT_SIZE) == strlen(text) && !strcmp(line, text);
}

static bool outputs(const char *in, const char *want)
{
    uint8_t out[256];
    size_t made;
    size_t taken = ldisc_output(&ld, (const uint8_t *)in, strlen(in), out, sizeof out, &made);
    return taken == strlen(in) && made == strlen(want) && !memcmp(out, want, made);
}

static void test_defaults(void)
{
    fresh();
    const struct linux_termios2 *tio = &ld.termios;
    CHECK(&t,
          tio->c_iflag == 0x500 && tio->c_oflag == 0x5 && tio->c_cflag == 0xbf &&
              tio->c_lflag == 0x8a3b,
          "L01: a new terminal has the modes of a Linux pty");
    CHECK(
        &t,
        !memcmp(tio->c_cc, "\003\034\177\025\004\000\001\000\021\023\032\000\022\017\027\026", 16),
        "L01: and its control characters");
}

static void test_lines(void)
{
    fresh();
    type("abc");
    CHECK(&t, !ldisc_readable(&ld, false), "L02: an unfinished line is not readable");
    CHECK(&t, echo_is("abc"), "typed text is echoed");
    type("\r");
    CHECK(&t, ldisc_readable(&ld, false) && seen & LDISC_READABLE, "L02: CR ends the line");
    CHECK(&t, echo_is("\r\n"), "L03: and is echoed as CR NL");
    type("second\n");
    CHECK(&t, ldisc_input_count(&ld) == 11, "FIONREAD counts complete lines");
    CHECK(&t, get(2) == 2 && !line_end && reads("c\n") && line_end,
          "a short read leaves the rest of the line");
    CHECK(&t, reads("second\n"), "L06: one line a read");
    CHECK(&t, get(10) == 0 && !line_end, "then nothing is left");

    fresh();
    set_flags(LINUX_IGNCR, 0, 0, 0);
    type("a\rb\n");
    CHECK(&t, reads("ab\n"), "IGNCR drops CR");
    fresh();
    set_flags(LINUX_INLCR, LINUX_ICRNL, 0, 0);
    type("a\nb");
    CHECK(&t, !ldisc_readable(&ld, false) && echo_is("a^Mb"), "INLCR makes NL a CR");
    fresh();
    set_flags(LINUX_IUCLC | LINUX_ISTRIP, 0, 0, 0);
    type("AB\xe1\n");
    CHECK(&t, reads("aba\n"), "ISTRIP clears bit 7, IUCLC lowers");
    fresh();
    set_cc(LINUX_VEOL, ';');
    set_cc(LINUX_VEOL2, '#');
    type("ab;cd#e");
    CHECK(&t, reads("ab;") && reads("cd#") && !ldisc_readable(&ld, false),
          "VEOL and VEOL2 end lines and stay in them");
}

static void test_eof(void)
{
    fresh();
    type("\004");
    CHECK(&t, ldisc_readable(&ld, false) && get(10) == 0 && line_end,
          "L05: VEOF on an empty line is an end of file");
    CHECK(&t, get(10) == 0 && !line_end, "which is read once");
    type("abc\004");
    CHECK(&t, ldisc_input_count(&ld) == 3 && reads("abc") && line_end,
          "L05: VEOF after text hands the text over");
    CHECK(&t, !ldisc_readable(&ld, false), "and is no end of file itself");
    type("abc\004");
    CHECK(&t, get(3) == 3 && !ldisc_readable(&ld, false),
          "also when the text fills the reader's buffer");
    type("\004\004x\n");
    CHECK(&t, get(5) == 0 && line_end && get(5) == 0 && line_end && reads("x\n"),
          "each VEOF is an end of file of its own");
    CHECK(&t, echo_is("abcabcx\r\n"), "VEOF is not echoed");
}

static void test_erase(void)
{
    fresh();
    type("ab\177c\n");
    CHECK(&t, reads("ac\n"), "VERASE takes the last character back");
    CHECK(&t, echo_is("ab\b \bc\r\n"), "L04: and echoes BS SP BS");
    type("\177\177x\n");
    CHECK(&t, reads("x\n") && echo_is("x\r\n"), "VERASE on an empty line does nothing");
    type("\001\177\n");
    CHECK(&t, echo_is("^A\b \b\b \b\r\n"), "a control character takes two columns");

    fresh();
    type("\xc3\xa9\177\n");
    CHECK(&t, reads("\xc3\n"), "without IUTF8 a byte is a character");
    fresh();
    set_flags(LINUX_IUTF8, 0, 0, 0);
    type("a\xe2\x82\xac\177\n");
    CHECK(&t, reads("a\n") && echo_is("a\xe2\x82\xac\b \b\r\n"), "IUTF8: VERASE takes all of one");

    fresh();
    type("a\tb\177\177x\n");
    CHECK(&t, reads("ax\n") && echo_is("a\tb\b \b\b\b\b\b\b\b\bx\r\n"),
          "erasing a tab moves back to the text before it");
    fresh();
    CHECK(&t, outputs("$ ", "$ "), "a prompt");
    type("\t\177");
    CHECK(&t, echo_is("\t\b\b\b\b\b\b"),
          "a tab behind a prompt is as wide as the prompt leaves it");

    fresh();
    set_flags(0, 0, 0, LINUX_ECHOE);
    type("ab\177");
    CHECK(&t, echo_is("ab^?"), "without ECHOE the erase character is echoed");
    fresh();
    set_flags(0, 0, LINUX_ECHOPRT, 0);
    type("ab\177\177c");
    CHECK(&t, echo_is("ab\\ba/c"), "ECHOPRT shows what was erased");
}

static void test_words_and_lines(void)
{
    fresh();
    type("one two.. \027x\n");
    CHECK(&t, reads("one x\n"), "VWERASE takes the last word and what follows it");
    fresh();
    type("abc\025de\n");
    CHECK(&t, reads("de\n") && echo_is("abc\b \b\b \b\b \bde\r\n"), "VKILL wipes the line");
    fresh();
    set_flags(0, 0, 0, LINUX_ECHOKE);
    type("abc\025de\n");
    CHECK(&t, reads("de\n") && echo_is("abc^U\r\nde\r\n"),
          "ECHOK without ECHOKE: ^U and a new line");
    fresh();
    set_flags(0, 0, 0, LINUX_ECHO);
    type("abc\025d\n");
    CHECK(&t, reads("d\n") && echo_is(""), "VKILL works silently without ECHO");
    fresh();
    set_flags(0, 0, LINUX_ECHONL, LINUX_ECHO);
    type("secret\n");
    CHECK(&t, reads("secret\n") && echo_is("\r\n"), "ECHONL echoes only the newline");
    fresh();
    type("ab\022c\n");
    CHECK(&t, reads("abc\n") && echo_is("ab^R\r\nabc\r\n"), "VREPRINT shows the line again");
    fresh();
    type("a\026\003b\026\177\026\n\n");
    CHECK(&t, reads("a\003b\177\n\n"), "VLNEXT takes the meaning away");
}

static void test_literal(void)
{
    fresh();
    type("a\026\n");
    CHECK(&t, !ldisc_readable(&ld, false), "a literal newline does not end the line");
    CHECK(&t, echo_is("a^\b^J"), "VLNEXT echoes a caret that the character overwrites");
    type("\n");
    CHECK(&t, reads("a\n\n"), "it is data of the line");
    fresh();
    set_flags(0, 0, 0, LINUX_IEXTEN);
    type("a\026b\027\n");
    CHECK(&t, reads("a\026b\027\n"), "without IEXTEN, VLNEXT and VWERASE are data");
    fresh();
    set_flags(0, 0, 0, LINUX_ECHOCTL);
    type("\001\n");
    CHECK(&t, echo_is("\001\r\n"), "without ECHOCTL control characters are echoed as they are");
}

static void test_long_line(void)
{
    static char big[6000];
    memset(big, 'x', sizeof big);
    fresh();
    CHECK(&t, type_bytes(big, sizeof big) == sizeof big, "L07: a line without end is taken");
    CHECK(&t, ldisc_input_room(&ld) == 0, "though there is no room");
    CHECK(&t, strlen(echo()) == sizeof big, "all of it is echoed");
    type("\n");
    CHECK(&t, ldisc_input_count(&ld) == 4096, "L07: 4096 bytes of it are left");
    CHECK(&t, get(4096) == 4096 && line[4094] == 'x' && line[4095] == '\n',
          "L07: 4095 and the newline");
    fresh();
    type("a\n");
    CHECK(&t, type_bytes(big, sizeof big) == 4093,
          "behind a complete line typing waits for a reader");
    CHECK(&t, reads("a\n") && type_bytes(big, 10) == 10, "and goes on when it was read");
    fresh();
    set_flags(0, 0, 0, LINUX_ICANON);
    CHECK(&t, type_bytes(big, sizeof big) == 4095, "raw input is never lost: 4095 bytes wait");
    memset(big, '\t', sizeof big);
    fresh();
    type_bytes(big, 4095);
    echo();
    type("\025");
    CHECK(&t, strlen(echo()) > 8 * 4094 && ld.head == ld.canon,
          "a full line of tabs can be killed");
}

static void test_signals(void)
{
    fresh();
    type("a\nbc\003");
    CHECK(&t, seen & LDISC_INTR && seen & LDISC_FLUSHED, "VINTR is a signal");
    CHECK(&t, ldisc_input_count(&ld) == 0, "that drops what was typed");
    CHECK(&t, echo_is("^C"), "J05: and echoes ^C alone");
    fresh();
    type("\034");
    CHECK(&t, (seen & (LDISC_INTR | LDISC_QUIT | LDISC_SUSP)) == LDISC_QUIT, "VQUIT");
    fresh();
    type("\032");
    CHECK(&t, (seen & (LDISC_INTR | LDISC_QUIT | LDISC_SUSP)) == LDISC_SUSP, "VSUSP");
    fresh();
    set_flags(0, 0, LINUX_NOFLSH, 0);
    type("ab\003c\n");
    CHECK(&t, seen & LDISC_INTR && !(seen & LDISC_FLUSHED) && reads("abc\n"), "NOFLSH keeps it");
    fresh();
    set_flags(0, 0, 0, LINUX_ISIG);
    type("\003\n");
    CHECK(&t, !(seen & LDISC_INTR) && reads("\003\n"), "without ISIG it is data");
    fresh();
    set_cc(LINUX_VINTR, LINUX_VDISABLE);
    unsigned events;
    CHECK(&t,
          ldisc_receive(&ld, (const uint8_t *)"\0\003\n", 3, &events) == 3 &&
              ldisc_input_count(&ld) == 3,
          "a disabled character matches nothing, not even NUL");
    fresh();
    CHECK(&t, ldisc_receive(&ld, (const uint8_t *)"\003x", 2, &events) == 1,
          "a signal is reported before later bytes act");
}

static void test_flow(void)
{
    fresh();
    type("\023");
    CHECK(&t, seen & LDISC_STOPPED && ld.stopped, "VSTOP holds output");
    type("a\n");
    CHECK(&t, reads("a\n") && ld.stopped, "typing goes on");
    seen = 0;
    type("\021");
    CHECK(&t, seen & LDISC_STARTED && !ld.stopped, "VSTART releases it");
    CHECK(&t, echo_is("a\r\n"), "neither is echoed or read");
    type("\023");
    set_flags(LINUX_IXANY, 0, 0, 0);
    type("x");
    CHECK(&t, !ld.stopped, "IXANY: any key releases it");
    fresh();
    type("\023");
    set_flags(0, LINUX_IXON, 0, 0);
    CHECK(&t, !ld.stopped && seen & LDISC_STARTED, "switching IXON off releases it");
    CHECK(&t, ldisc_hold_output(&ld, true) == LDISC_STOPPED, "TCOOFF holds output");
    set_flags(LINUX_IXON, 0, 0, 0);
    type("\021");
    CHECK(&t, ld.stopped, "VSTART does not undo TCOOFF");
    CHECK(&t, ldisc_hold_output(&ld, false) == LDISC_STARTED && !ld.stopped, "TCOON does");
    fresh();
    type("\023\003");
    CHECK(&t, !ld.stopped, "a signal releases output");
}

static void test_raw(void)
{
    fresh();
    set_flags(0, LINUX_ICRNL | LINUX_IXON, 0,
              LINUX_ICANON | LINUX_ECHO | LINUX_ISIG | LINUX_IEXTEN);
    set_cc(LINUX_VMIN, 3);
    type("ab");
    CHECK(&t, ldisc_readable(&ld, false) && !ldisc_readable(&ld, true),
          "L09: VMIN=3: poll is not ready at 2 bytes");
    type("\r");
    CHECK(&t, ldisc_readable(&ld, true), "L09: it is at 3");
    CHECK(&t, reads("ab\r") && echo_is(""), "raw bytes pass unchanged and without echo");
    set_cc(LINUX_VTIME, 1);
    type("a");
    CHECK(&t, ldisc_readable(&ld, true), "with VTIME one byte is enough for poll");

    fresh();
    type("abc");
    set_flags(0, 0, 0, LINUX_ICANON);
    CHECK(&t, ldisc_input_count(&ld) == 3 && reads("abc"),
          "leaving canonical mode makes the unfinished line readable");
    type("de");
    set_flags(0, 0, LINUX_ICANON, 0);
    CHECK(&t, ldisc_readable(&ld, false) && reads("de") && line_end,
          "entering it makes a line of what is there");
    fresh();
    type("a\nb\n");
    set_flags(0, 0, 0, LINUX_ICANON);
    set_flags(0, 0, LINUX_ICANON, 0);
    CHECK(&t, reads("a\nb\n"), "earlier line ends are forgotten on the way");
    fresh();
    set_flags(LINUX_PARMRK, 0, 0, 0);
    type("\xff\n");
    CHECK(&t, reads("\xff\xff\n"), "PARMRK doubles 0377");
    fresh();
    type("x\n");
    ldisc_flush_input(&ld);
    CHECK(&t, !ldisc_readable(&ld, false), "flushing drops input");
    fresh();
    set_flags(0, 0, LINUX_EXTPROC, 0);
    type("ab\177\n");
    CHECK(&t, reads("ab\177\n") && echo_is(""), "EXTPROC: the far end edits and echoes");
}

static void test_output(void)
{
    fresh();
    CHECK(&t, outputs("a\nb", "a\r\nb"), "L08: ONLCR");
    fresh();
    set_oflags(LINUX_OCRNL, LINUX_ONLCR);
    CHECK(&t, outputs("a\rb\n", "a\nb\n"), "OCRNL");
    fresh();
    set_oflags(LINUX_ONOCR, 0);
    CHECK(&t, outputs("\ra\r\r", "a\r"), "ONOCR swallows CR in column 0");
    fresh();
    set_oflags(LINUX_ONLRET | LINUX_XTABS, LINUX_ONLCR);
    CHECK(&t, outputs("abc\n\tx", "abc\n        x"), "ONLRET: NL returns the carriage");
    fresh();
    set_oflags(LINUX_XTABS | LINUX_OLCUC, 0);
    CHECK(&t, outputs("ab\tc", "AB      C"), "XTABS expands tabs, OLCUC raises letters");
    fresh();
    set_oflags(0, LINUX_OPOST);
    CHECK(&t, outputs("a\n\tb", "a\n\tb"), "without OPOST nothing changes");
    fresh();
    uint8_t out[4];
    size_t made;
    CHECK(&t, ldisc_output(&ld, (const uint8_t *)"abc\nd", 5, out, 4, &made) == 3 && made == 3,
          "a byte whose expansion does not fit waits whole");
    CHECK(&t,
          ldisc_output(&ld, (const uint8_t *)"\nd", 2, out, 4, &made) == 2 && made == 3 &&
              ld.column == 1,
          "and is not counted twice");
}

// --- Any stream of bytes and mode changes keeps these --------------------------------------------

static uint32_t rng_state = 12345;
static uint32_t rng(uint32_t n)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (rng_state >> 8) % n;
}

static bool sound(void)
{
    uint32_t used = ld.head - ld.tail, canon = ld.canon - ld.tail;
    return used <= LDISC_INPUT_SIZE && canon <= used &&
           ld.echo_head - ld.echo_tail <= LDISC_ECHO_SIZE;
}

static uint8_t random_byte(void)
{
    static const char special[] =
        "\003\004\021\022\023\025\026\027\032\034\177\n\r\t\b;\0\377\xc3\x9f";
    return rng(3) ? (uint8_t)special[rng(sizeof special)] : (uint8_t)rng(256);
}

static void random_modes(void)
{
    struct linux_termios2 tio = ld.termios;
    if (!rng(4))
        tio.c_lflag ^= LINUX_ICANON;
    tio.c_iflag ^= (1u << rng(15)) & (uint32_t)-(int32_t)(rng(2));
    tio.c_oflag ^= (1u << rng(13)) & (uint32_t)-(int32_t)(rng(2));
    if (!rng(3))
        tio.c_lflag ^= 1u << rng(17);
    if (!rng(3))
        tio.c_cc[rng(17)] = random_byte();
    ldisc_set_termios(&ld, &tio);
}

// Reads one line or less and checks it against what was promised. Returns false on a broken rule.
static bool read_some(void)
{
    static uint8_t buf[LDISC_INPUT_SIZE + 8];
    size_t n = rng(4) ? 1 + rng(40) : LDISC_INPUT_SIZE, count = ldisc_input_count(&ld);
    bool readable = ldisc_readable(&ld, false), end;
    memset(buf, 0xa5, sizeof buf);
    size_t got = ldisc_read(&ld, buf, n, &end);
    if (got > n || got > count || buf[n] != 0xa5)
        return false;
    if (ldisc_input_count(&ld) + got != count && !(ld.termios.c_lflag & LINUX_EXTPROC))
        return false;
    return readable == (got || end); // readable means that read(2) would not wait
}

static bool fuzz_round(void)
{
    uint8_t bytes[64];
    size_t n = 1 + rng(sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = random_byte();
    unsigned events;
    size_t room = ldisc_input_room(&ld), taken = ldisc_receive(&ld, bytes, n, &events);
    if (taken > n || (room && !taken) || !sound())
        return false;
    if (!taken && !ldisc_readable(&ld, false))
        return false; // full, and nobody could ever make room
    uint8_t out[48];
    size_t made, eaten = ldisc_output(&ld, bytes, n, out, sizeof out / 2, &made);
    if (eaten > n || made > sizeof out / 2 || (!eaten && n))
        return false;
    if (!rng(3) && !read_some())
        return false;
    if (!rng(4) && ldisc_echo_take(&ld, out, sizeof out) > sizeof out)
        return false;
    if (!rng(20))
        random_modes();
    if (!rng(500))
        ldisc_flush_input(&ld);
    return sound();
}

static void test_fuzz(void)
{
    fresh();
    long rounds = 400000, i;
    for (i = 0; i < rounds && fuzz_round(); i++)
        continue;
    if (i < rounds)
        printf("# broke in round %ld\n", i);
    CHECK(&t, i == rounds, "no stream of bytes and modes breaks the buffers or blocks for ever");
}

// What goes in raw comes out, whatever the sizes of the pieces.
static void test_conservation(void)
{
    fresh();
    set_flags(0, LINUX_ICRNL | LINUX_IXON, 0, LINUX_ICANON | LINUX_ECHO | LINUX_ISIG);
    uint8_t next_in = 0, next_out = 0;
    bool good = true;
    for (int i = 0; i < 20000 && good; i++) {
        uint8_t bytes[300], got[300];
        size_t n = 1 + rng(sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)(next_in + k);
        unsigned events;
        next_in = (uint8_t)(next_in + ldisc_receive(&ld, bytes, n, &events));
        bool end;
        n = ldisc_read(&ld, got, 1 + rng(sizeof got), &end);
        for (size_t k = 0; k < n; k++)
            good = good && got[k] == next_out++;
    }
    CHECK(&t, good, "raw bytes come out in order, none lost, none doubled");
}

int main(void)
{
    test_defaults();
    test_lines();
    test_eof();
    test_erase();
    test_words_and_lines();
    test_literal();
    test_long_line();
    test_signals();
    test_flow();
    test_raw();
    test_output();
    test_fuzz();
    test_conservation();
    return tap_finish(&t);
}
