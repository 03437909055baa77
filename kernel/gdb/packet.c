// Framing of gdb's remote protocol: $data#checksum, acknowledged until both sides agree not to.
#include "fs/iter.h"
#include "kernel/gdb/gdb_internal.h"
#include "platform/abi/linux_errno.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

static int digit(char c)
{
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void write_all(struct gdb *g, const char *bytes, size_t n)
{
    char copy[256];
    while (n > 0 && !g->gone) {
        size_t part = n < sizeof copy ? n : sizeof copy;
        struct iter it;
        memcpy(copy, bytes, part);
        iter_kernel(&it, copy, part);
        it.task = g->self;
        ssize_t done = file_write(g->connection, &it, &g->connection->pos);
        if (done <= 0)
            g->gone = true;
        else
            bytes += done, n -= (size_t)done;
    }
}

bool gdb_receive(struct gdb *g)
{
    while (!g->gone && g->in_count < sizeof g->in) {
        struct iter it;
        iter_kernel(&it, g->in + g->in_count, sizeof g->in - g->in_count);
        it.task = g->self;
        it.nonblock = true;
        ssize_t n = file_read(g->connection, &it, &g->connection->pos);
        if (n == -LINUX_EAGAIN)
            return true;
        if (n <= 0)
            g->gone = true;
        else
            g->in_count += (size_t)n;
    }
    return !g->gone;
}

static void drop(struct gdb *g, size_t n)
{
    memmove(g->in, g->in + n, g->in_count - n);
    g->in_count -= n;
}

// A whole packet stands at the beginning, its end at `hash`.
static bool take(struct gdb *g, size_t hash)
{
    unsigned sum = 0;
    g->packet_len = 0;
    for (size_t i = 1; i < hash; i++) {
        char c = g->in[i];
        sum += (uint8_t)c;
        if (c == '}' && i + 1 < hash) {
            c = g->in[++i];
            sum += (uint8_t)c;
            c ^= 0x20;
        }
        if (g->packet_len < GDB_PACKET_MAX)
            g->packet[g->packet_len++] = c;
    }
    g->packet[g->packet_len] = '\0';
    int high = digit(g->in[hash + 1]), low = digit(g->in[hash + 2]);
    bool good = high >= 0 && low >= 0 && (sum & 0xff) == (unsigned)(high * 16 + low);
    drop(g, hash + 3);
    if (!g->no_ack)
        write_all(g, good ? "+" : "-", 1);
    return good || g->no_ack;
}

enum gdb_input gdb_next_packet(struct gdb *g)
{
    while (g->in_count > 0) {
        if (g->in[0] == 3) {
            drop(g, 1);
            return GDB_INTERRUPT;
        }
        if (g->in[0] != '$') { // acknowledgements
            drop(g, 1);
            continue;
        }
        const char *hash = memchr(g->in, '#', g->in_count);
        if (!hash && g->in_count == sizeof g->in)
            drop(g, 1); // longer than was agreed on
        else if (!hash || (size_t)(hash - g->in) + 3 > g->in_count)
            return GDB_NOTHING;
        else if (take(g, (size_t)(hash - g->in)))
            return GDB_PACKET;
    }
    return GDB_NOTHING;
}

// --- Answers -------------------------------------------------------------------------------------

void gdb_print(struct gdb *g, const char *fmt, ...)
{
    size_t room = sizeof g->out - g->out_count;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(g->out + g->out_count, room, fmt, args);
    va_end(args);
    if (n > 0)
        g->out_count += (size_t)n < room ? (size_t)n : room - 1;
}

void gdb_print_hex(struct gdb *g, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n && g->out_count + 2 < sizeof g->out; i++) {
        g->out[g->out_count++] = digits[b[i] >> 4];
        g->out[g->out_count++] = digits[b[i] & 15];
    }
}

void gdb_print_binary(struct gdb *g, const void *bytes, size_t n)
{
    const char *b = bytes;
    for (size_t i = 0; i < n && g->out_count + 2 < sizeof g->out; i++) {
        if (b[i] && strchr("#$}*", b[i])) {
            g->out[g->out_count++] = '}';
            g->out[g->out_count++] = b[i] ^ 0x20;
        } else {
            g->out[g->out_count++] = b[i];
        }
    }
}

void gdb_send(struct gdb *g)
{
    unsigned sum = 0;
    for (size_t i = 0; i < g->out_count; i++)
        sum += (uint8_t)g->out[i];
    const char end[] = {'#', digits[sum >> 4 & 15], digits[sum & 15]};
    write_all(g, "$", 1);
    write_all(g, g->out, g->out_count);
    write_all(g, end, sizeof end);
    g->out_count = 0;
}

// --- Numbers -------------------------------------------------------------------------------------

bool gdb_scan_number(const char **at, uint64_t *out)
{
    const char *p = *at;
    *out = 0;
    for (int d; (d = digit(*p)) >= 0; p++)
        *out = *out << 4 | (uint64_t)d;
    bool any = p != *at;
    *at = p;
    return any;
}

size_t gdb_scan_bytes(const char **at, uint8_t *out, size_t max)
{
    size_t n = 0;
    for (int high, low; n < max && (high = digit((*at)[0])) >= 0 && (low = digit((*at)[1])) >= 0;
         *at += 2)
        out[n++] = (uint8_t)(high * 16 + low);
    return n;
}
