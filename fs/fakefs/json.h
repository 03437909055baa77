// Reading JSON, by SQLite's functions: values by path ("$.config.Env[0]"). Layer 3.
#ifndef FS_FAKEFS_JSON_H
#define FS_FAKEFS_JSON_H

#include "platform/base/compiler.h"
#include <stddef.h>

struct sqlite3;
struct sqlite3_stmt;

struct json {
    struct sqlite3 *db;
    struct sqlite3_stmt *get, *count;
};

// -LINUX_EINVAL: the text is no JSON. Ends with json_close, whatever it returns.
NODISCARD int json_open(struct json *j, const char *text, size_t len);
void json_close(struct json *j);
// The value at a path, to be freed: a string as it is, another value as JSON. NULL: none, or null.
char *json_get(struct json *j, const char *path, ...) PRINTF_LIKE(2, 3);
// Elements of the array at a path; 0 when it is none.
unsigned json_count(struct json *j, const char *path, ...) PRINTF_LIKE(2, 3);

#endif
