// Packets of gdb's remote protocol that act on the process.
#include "kernel/gdb/gdb_internal.h"
#include <stdlib.h>
#include <string.h>

static void answer_ok(struct gdb *g, bool good)
{
    gdb_print(g, "%s", good ? "OK" : "E01");
}

// --- Registers and memory ------------------------------------------------------------------------

static void read_registers(struct gdb *g)
{
    uint8_t regs[GDB_REGISTERS];
    if (gdb_get_registers(g, regs))
        gdb_print_hex(g, regs, sizeof regs);
    else
        answer_ok(g, false);
}

static void write_registers(struct gdb *g)
{
    uint8_t regs[GDB_REGISTERS];
    const char *at = g->packet + 1;
    size_t n = gdb_scan_bytes(&at, regs, sizeof regs);
    answer_ok(g, n == sizeof regs && gdb_set_registers(g, regs));
}

// Where register `n` of the target description is among them all.
static bool place_of(uint64_t n, size_t *offset, size_t *size)
{
    enum { CPSR = 33, V0 = 34, FPSR = 66, FPCR = 67 };
    const size_t floating = CPSR * 8 + 4;
    if (n > FPCR)
        return false;
    *size = n < CPSR ? 8 : n >= V0 && n < FPSR ? 16 : 4;
    *offset = n <= CPSR  ? (size_t)n * 8
              : n < FPSR ? floating + (size_t)(n - V0) * 16
                         : floating + 32 * 16 + (size_t)(n - FPSR) * 4;
    return true;
}

static void one_register(struct gdb *g, bool write)
{
    uint8_t regs[GDB_REGISTERS];
    const char *at = g->packet + 1;
    uint64_t number;
    size_t offset, size;
    bool good = gdb_scan_number(&at, &number) && place_of(number, &offset, &size) &&
                gdb_get_registers(g, regs);
    if (good && write) {
        at += *at == '=';
        good = gdb_scan_bytes(&at, regs + offset, size) == size && gdb_set_registers(g, regs);
    }
    if (good && !write)
        gdb_print_hex(g, regs + offset, size);
    else
        answer_ok(g, good);
}

static bool scan_range(const char **at, uint64_t *addr, uint64_t *n)
{
    if (!gdb_scan_number(at, addr) || *(*at)++ != ',' || !gdb_scan_number(at, n))
        return false;
    return true;
}

static void read_memory(struct gdb *g)
{
    static const size_t most = GDB_PACKET_MAX / 2;
    const char *at = g->packet + 1;
    uint64_t addr, n;
    uint8_t *bytes = malloc(most);
    size_t got = 0;
    if (bytes && scan_range(&at, &addr, &n))
        got = gdb_read_memory(g, addr, bytes, n < most ? (size_t)n : most);
    if (got)
        gdb_print_hex(g, bytes, got);
    else
        answer_ok(g, false);
    free(bytes);
}

// M has hexadecimal digits, X the bytes themselves.
static void write_memory(struct gdb *g, bool binary)
{
    const char *at = g->packet + 1;
    uint64_t addr, n;
    bool good = scan_range(&at, &addr, &n) && *at++ == ':' && n <= GDB_PACKET_MAX;
    uint8_t *bytes = good ? malloc((size_t)n + 1) : NULL;
    good = bytes != NULL;
    if (good && binary) {
        good = (size_t)(g->packet + g->packet_len - at) == n;
        if (good)
            memcpy(bytes, at, (size_t)n);
    } else if (good) {
        good = gdb_scan_bytes(&at, bytes, (size_t)n) == n;
    }
    answer_ok(g, good && gdb_write_memory(g, addr, bytes, (size_t)n) == n);
    free(bytes);
}

// Only breakpoints in software are offered: watchpoints gdb makes of single steps.
static void breakpoint(struct gdb *g, bool insert)
{
    const char *at = g->packet + 3;
    uint64_t addr, kind;
    if (g->packet[1] != '0' || g->packet[2] != ',')
        return;
    bool good = scan_range(&at, &addr, &kind) && !(addr & 3);
    answer_ok(g,
              good && (insert ? gdb_insert_breakpoint(g, addr) : gdb_remove_breakpoint(g, addr)));
}

// --- Going on ------------------------------------------------------------------------------------

// A thread of a packet: a number, 0 for any, -1 for all.
static int32_t scan_thread(const char **at)
{
    uint64_t tid;
    if (**at == '-') {
        *at += 1 + strspn(*at + 1, "0123456789");
        return -1;
    }
    return gdb_scan_number(at, &tid) ? (int32_t)tid : 0;
}

static void choose(struct gdb *g, int32_t tid, bool step, int32_t signo)
{
    struct gdb_thread *t;
    list_for_each (t, &g->threads, link) {
        if (t->go || (tid > 0 && t->tid != tid))
            continue;
        t->go = true;
        t->step = step;
        t->signo = signo ? signo : t->signo;
    }
}

static void begin_choice(struct gdb *g)
{
    struct gdb_thread *t;
    list_for_each (t, &g->threads, link)
        t->go = t->step = false;
}

// vCont;ACTION[:THREAD]...: the first action that names a thread is its.
static void continue_threads(struct gdb *g)
{
    const char *at = g->packet + strlen("vCont");
    begin_choice(g);
    while (*at == ';') {
        char action = at[1];
        uint64_t signal = 0;
        at += 2;
        if (action == 'C' || action == 'S')
            (void)gdb_scan_number(&at, &signal);
        int32_t tid = -1;
        if (*at == ':') {
            at++;
            tid = scan_thread(&at);
        }
        choose(g, tid, action == 's' || action == 'S', gdb_signal_to_linux((int32_t)signal));
    }
    gdb_resume(g);
}

// c, s, C and S of the old protocol: the current thread, and with it all others.
static void continue_one(struct gdb *g)
{
    char action = g->packet[0];
    const char *at = g->packet + 1;
    uint64_t signal = 0;
    if (action == 'C' || action == 'S')
        (void)gdb_scan_number(&at, &signal);
    begin_choice(g);
    choose(g, g->current, action == 's' || action == 'S', gdb_signal_to_linux((int32_t)signal));
    choose(g, -1, false, 0);
    gdb_resume(g);
}

// --- Requests ------------------------------------------------------------------------------------

static bool starts(const struct gdb *g, const char *word)
{
    return !strncmp(g->packet, word, strlen(word));
}

static void select_thread(struct gdb *g)
{
    const char *at = g->packet + 2;
    int32_t tid = scan_thread(&at);
    bool good = tid <= 0 || gdb_thread(g, tid);
    if (good && tid > 0)
        g->current = tid;
    answer_ok(g, good);
}

static void is_alive(struct gdb *g)
{
    const char *at = g->packet + 1;
    answer_ok(g, gdb_thread(g, scan_thread(&at)) != NULL);
}

static void answer_long(struct gdb *g)
{
    if (starts(g, "vCont?"))
        gdb_print(g, "vCont;c;C;s;S");
    else if (starts(g, "vCont;"))
        continue_threads(g);
    else if (starts(g, "vFile:"))
        gdb_answer_file(g);
    else if (starts(g, "vKill")) {
        gdb_kill(g);
        answer_ok(g, true);
    }
}

void gdb_answer(struct gdb *g)
{
    switch (g->packet[0]) {
    case '?':
        gdb_report(g, g->current, 5 << 8 | 0x7f /* SIGTRAP */);
        return;
    case 'g':
        read_registers(g);
        break;
    case 'G':
        write_registers(g);
        break;
    case 'p':
    case 'P':
        one_register(g, g->packet[0] == 'P');
        break;
    case 'm':
        read_memory(g);
        break;
    case 'M':
    case 'X':
        write_memory(g, g->packet[0] == 'X');
        break;
    case 'Z':
    case 'z':
        breakpoint(g, g->packet[0] == 'Z');
        break;
    case 'c':
    case 'C':
    case 's':
    case 'S':
        continue_one(g);
        break;
    case 'H':
        select_thread(g);
        break;
    case 'T':
        is_alive(g);
        break;
    case 'D':
        answer_ok(g, true);
        gdb_send(g);
        g->gone = true;
        return;
    case 'k':
        gdb_kill(g);
        return;
    case 'v':
        answer_long(g);
        break;
    case 'q':
    case 'Q':
        gdb_answer_query(g);
        break;
    default: // an empty answer: not known
        break;
    }
    if (!g->running)
        gdb_send(g);
    g->no_ack |= g->ends_ack;
}
