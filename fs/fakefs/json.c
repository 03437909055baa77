#include "fs/fakefs/json.h"
#include "platform/abi/linux_errno.h"
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_PATH_MAX = 256 };

// The document is parameter 1 of both statements.
static int prepare(struct json *j, const char *sql, const char *text, size_t len,
                   struct sqlite3_stmt **out)
{
    if (sqlite3_prepare_v2(j->db, sql, -1, out, NULL) != SQLITE_OK ||
        sqlite3_bind_text(*out, 1, text, (int)len, SQLITE_TRANSIENT) != SQLITE_OK)
        return -LINUX_ENOMEM;
    return 0;
}

static bool is_valid(struct json *j, const char *text, size_t len)
{
    struct sqlite3_stmt *valid = NULL;
    bool yes = !prepare(j, "SELECT json_valid(?1)", text, len, &valid) &&
               sqlite3_step(valid) == SQLITE_ROW && sqlite3_column_int(valid, 0) == 1;
    sqlite3_finalize(valid);
    return yes;
}

int json_open(struct json *j, const char *text, size_t len)
{
    *j = (struct json){NULL, NULL, NULL};
    if (sqlite3_open(":memory:", &j->db) != SQLITE_OK)
        return -LINUX_ENOMEM;
    if (len > INT32_MAX || memchr(text, 0, len) || !is_valid(j, text, len))
        return -LINUX_EINVAL;
    int err = prepare(j, "SELECT json_extract(?1, ?2)", text, len, &j->get);
    return err ? err : prepare(j, "SELECT json_array_length(?1, ?2)", text, len, &j->count);
}

void json_close(struct json *j)
{
    sqlite3_finalize(j->get);
    sqlite3_finalize(j->count);
    sqlite3_close(j->db);
    *j = (struct json){NULL, NULL, NULL};
}

// Runs a statement for a path; true when it gives a value, which lasts until it is reset.
static bool ask(struct sqlite3_stmt *what, const char *path, va_list args) PRINTF_LIKE(2, 0);
static bool ask(struct sqlite3_stmt *what, const char *path, va_list args)
{
    char text[JSON_PATH_MAX];
    int n = vsnprintf(text, sizeof text, path, args);
    return n > 0 && (size_t)n < sizeof text &&
           sqlite3_bind_text(what, 2, text, n, SQLITE_TRANSIENT) == SQLITE_OK &&
           sqlite3_step(what) == SQLITE_ROW && sqlite3_column_type(what, 0) != SQLITE_NULL;
}

char *json_get(struct json *j, const char *path, ...)
{
    char *copy = NULL;
    va_list args;
    va_start(args, path);
    if (ask(j->get, path, args)) {
        const char *value = (const char *)sqlite3_column_text(j->get, 0);
        copy = value ? strdup(value) : NULL;
    }
    va_end(args);
    sqlite3_reset(j->get);
    return copy;
}

unsigned json_count(struct json *j, const char *path, ...)
{
    unsigned count = 0;
    va_list args;
    va_start(args, path);
    if (ask(j->count, path, args))
        count = (unsigned)sqlite3_column_int(j->count, 0);
    va_end(args);
    sqlite3_reset(j->count);
    return count;
}
