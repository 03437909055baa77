// A folder of the host for one test, removed at its end.
#ifndef TESTS_UNIT_TEMP_DIR_H
#define TESTS_UNIT_TEMP_DIR_H

#include "platform/base/log.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir {
    char path[256];
};

static inline void temp_dir_make(struct temp_dir *t)
{
    const char *base = getenv("TMPDIR");
    snprintf(t->path, sizeof t->path, "%s/ish-test-XXXXXX", base ? base : "/tmp");
    ISH_ASSERT(mkdtemp(t->path));
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type,
                                      struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void temp_dir_remove(struct temp_dir *t)
{
    nftw(t->path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// The path of `name` inside, in one of a few rotating buffers.
static inline const char *temp_path(const struct temp_dir *t, const char *name)
{
    static char buffers[8][512];
    static unsigned next;
    char *buf = buffers[next++ % 8];
    snprintf(buf, sizeof buffers[0], "%s/%s", t->path, name);
    return buf;
}

static inline void temp_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ISH_ASSERT(f);
    fputs(text, f);
    fclose(f);
}

#endif
