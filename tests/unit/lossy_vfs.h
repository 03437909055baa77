// A layer between SQLite and its files that knows what a loss of power would leave of them: what
// was synced, and of the rest any part, in any order, torn at sectors.
#ifndef TESTS_UNIT_LOSSY_VFS_H
#define TESTS_UNIT_LOSSY_VFS_H

#include "platform/base/compiler.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// SQLite moves less than 128 KiB at a time.
enum { LOSSY_SECTOR = 512, LOSSY_CHUNK = 65536 };

struct lossy_write {
    struct lossy_write *next;
    sqlite3_int64 at; // or, without data, the length the file was cut to
    int len;
    unsigned char data[];
};

struct lossy_file {
    sqlite3_file base;
    sqlite3_file *real;
    struct lossy_file *next;
    unsigned char *durable; // contents at the last sync
    size_t durable_size;
    struct lossy_write *first, **last; // since then
};

struct lossy {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods;
    struct lossy_file *files;
    unsigned seed;
    long writes_left;   // the power fails instead of the write after so many; < 0: never
    void (*also)(void); // when it fails; may be NULL
};

static inline struct lossy *lossy_of(void)
{
    return (struct lossy *)(void *)sqlite3_vfs_find("lossy");
}

static inline void *lossy_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    ISH_ASSERT(p);
    return p;
}

static inline int lossy_chunk(sqlite3_int64 at, sqlite3_int64 size)
{
    return (int)(size - at < LOSSY_CHUNK ? size - at : LOSSY_CHUNK);
}

static inline void lossy_settle(struct lossy_file *f)
{
    sqlite3_int64 size = 0;
    for (struct lossy_write *w = f->first, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    f->first = NULL;
    f->last = &f->first;
    free(f->durable);
    f->real->pMethods->xFileSize(f->real, &size);
    f->durable = lossy_alloc((size_t)size);
    f->durable_size = (size_t)size;
    for (sqlite3_int64 at = 0; at < size; at += LOSSY_CHUNK)
        f->real->pMethods->xRead(f->real, f->durable + at, lossy_chunk(at, size), at);
}

static inline void lossy_apply(struct lossy *l, struct lossy_file *f, const struct lossy_write *w)
{
    if (!w->len) {
        f->real->pMethods->xTruncate(f->real, w->at);
        return;
    }
    for (int done = 0; done < w->len;) {
        int n = LOSSY_SECTOR - (int)((w->at + done) % LOSSY_SECTOR);
        if (n > w->len - done)
            n = w->len - done;
        if (rand_r(&l->seed) % 8)
            f->real->pMethods->xWrite(f->real, w->data + done, n, w->at + done);
        done += n;
    }
}

// The power fails: the files become what may be left of them, and the process ends.
static inline void lossy_fail(struct lossy *l)
{
    for (struct lossy_file *f = l->files; f; f = f->next) {
        unsigned kept = (unsigned)rand_r(&l->seed) % 3; // nothing, all but torn, any part
        f->real->pMethods->xTruncate(f->real, 0);
        const sqlite3_int64 size = (sqlite3_int64)f->durable_size;
        for (sqlite3_int64 at = 0; at < size; at += LOSSY_CHUNK)
            f->real->pMethods->xWrite(f->real, f->durable + at, lossy_chunk(at, size), at);
        for (struct lossy_write *w = f->first; w && kept; w = w->next)
            if (kept == 1 || rand_r(&l->seed) % 2)
                lossy_apply(l, f, w);
    }
    if (l->also)
        l->also();
    _exit(0);
}

static inline void lossy_tick(struct lossy *l)
{
    if (l->writes_left >= 0 && l->writes_left-- == 0)
        lossy_fail(l);
}

static inline void lossy_note(struct lossy_file *f, sqlite3_int64 at, const void *data, int len)
{
    struct lossy *l = lossy_of();
    struct lossy_write *w = lossy_alloc(sizeof *w + (size_t)len);
    lossy_tick(l);
    *w = (struct lossy_write){.at = at, .len = len};
    if (len)
        memcpy(w->data, data, (size_t)len);
    *f->last = w;
    f->last = &w->next;
}

#define LOSSY(f) ((struct lossy_file *)(void *)(f))
#define REAL(f)  LOSSY(f)->real

static int lossy_close(sqlite3_file *file)
{
    struct lossy_file *f = LOSSY(file), **at = &lossy_of()->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    lossy_settle(f);
    free(f->durable);
    return f->real->pMethods->xClose(f->real);
}

static int lossy_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
    return REAL(f)->pMethods->xRead(REAL(f), buf, n, at);
}

static int lossy_do_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
    lossy_note(LOSSY(f), at, buf, n);
    return REAL(f)->pMethods->xWrite(REAL(f), buf, n, at);
}

static int lossy_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    lossy_note(LOSSY(f), size, NULL, 0);
    return REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int lossy_sync(sqlite3_file *f, int flags)
{
    (void)flags; // nothing here outlives the machine the test runs on
    lossy_settle(LOSSY(f));
    return SQLITE_OK;
}

static int lossy_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return REAL(f)->pMethods->xFileSize(REAL(f), size);
}

static int lossy_lock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int lossy_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int lossy_reserved(sqlite3_file *f, int *out)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}

static int lossy_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int lossy_sector(sqlite3_file *f)
{
    (void)f;
    return LOSSY_SECTOR;
}

static int lossy_traits(sqlite3_file *f)
{
    (void)f;
    return 0; // no promise that helps
}

static int lossy_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct lossy *l = (struct lossy *)(void *)vfs;
    struct lossy_file *f = LOSSY(file);
    memset(f, 0, sizeof *f);
    f->real = (sqlite3_file *)(void *)(f + 1);
    int rc = l->real->xOpen(l->real, name, f->real, flags, out);
    if (rc != SQLITE_OK)
        return rc;
    f->base.pMethods = &l->methods;
    f->next = l->files;
    l->files = f;
    lossy_settle(f);
    return SQLITE_OK;
}

// Makes it SQLite's way to files from here on.
static inline void lossy_start(struct lossy *l, unsigned seed, long writes)
{
    *l = (struct lossy){.real = sqlite3_vfs_find(NULL), .seed = seed, .writes_left = writes};
    l->vfs = *l->real;
    l->vfs.zName = "lossy";
    l->vfs.szOsFile = (int)sizeof(struct lossy_file) + l->real->szOsFile;
    l->vfs.xOpen = lossy_open;
    l->methods = (sqlite3_io_methods){.iVersion = 1,
                                      .xClose = lossy_close,
                                      .xRead = lossy_read,
                                      .xWrite = lossy_do_write,
                                      .xTruncate = lossy_truncate,
                                      .xSync = lossy_sync,
                                      .xFileSize = lossy_size,
                                      .xLock = lossy_lock,
                                      .xUnlock = lossy_unlock,
                                      .xCheckReservedLock = lossy_reserved,
                                      .xFileControl = lossy_control,
                                      .xSectorSize = lossy_sector,
                                      .xDeviceCharacteristics = lossy_traits};
    ISH_ASSERT(sqlite3_vfs_register(&l->vfs, 1) == SQLITE_OK);
}

#endif
