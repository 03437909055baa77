#include "kernel/proc/node.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct proc_text *t, size_t n)
{
    enum { FIRST = 1024 };
    if (t->failed)
        return false;
    if (t->room - t->len >= n)
        return true;
    size_t room = t->room ? t->room : (size_t)FIRST;
    while (room - t->len < n)
        room *= 2;
    char *buf = realloc(t->buf, room);
    if (!buf) {
        t->failed = true;
        return false;
    }
    t->buf = buf;
    t->room = room;
    return true;
}

void proc_append(struct proc_text *t, const void *bytes, size_t n)
{
    if (!make_room(t, n))
        return;
    memcpy(t->buf + t->len, bytes, n);
    t->len += n;
}

void proc_printf(struct proc_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !make_room(t, (size_t)n + 1))
        return;
    va_start(args, fmt);
    vsnprintf(t->buf + t->len, (size_t)n + 1, fmt, args);
    va_end(args);
    t->len += (size_t)n;
}
