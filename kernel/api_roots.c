// The library's part for roots that do not run. Layer 5. See include/ish/ish.h.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/files.h"
#include "fs/fakefs/fsck.h"
#include "include/ish/ish.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Between the caller's struct and ours --------------------------------------------------------

struct work {
    ish_work *given;
    ish_work known; // what the caller's version has of it
    struct archive_job job;
    char line[ARCHIVE_WHY_MAX]; // the last one reported
};

static bool step(void *ctx, uint64_t bytes, uint64_t total, uint64_t entries)
{
    const ish_work *w = &((struct work *)ctx)->known;
    return !w->progress || w->progress(w->context, bytes, total, entries) == 0;
}

static int begin(struct work *w, ish_work *given)
{
    memset(w, 0, sizeof *w);
    if (!given || given->size < sizeof(size_t))
        return -LINUX_EINVAL;
    w->given = given;
    memcpy(&w->known, given, given->size < sizeof w->known ? given->size : sizeof w->known);
    w->job.step = step;
    w->job.ctx = w;
    return 0;
}

static int end(struct work *w, int err)
{
    const ish_work *k = &w->known;
    if (k->why && k->why_size > 0)
        snprintf(k->why, k->why_size, "%s",
                 !err            ? ""
                 : w->job.why[0] ? w->job.why
                                 : errno_text(-err));
    if (w->given->size >= sizeof *k) {
        w->given->entries = w->job.entries;
        w->given->skipped = w->job.skipped;
    }
    return err;
}

// Reports text line by line; ends it at each.
static void report_lines(const struct work *w, char *text)
{
    for (char *line = text; w->known.report && line && *line;) {
        char *stop = line + strcspn(line, "\n"), *next = *stop ? stop + 1 : stop;
        *stop = 0;
        w->known.report(w->known.context, line);
        line = next;
    }
}

// --- Archives ------------------------------------------------------------------------------------

static int import_path(struct work *w, const char *source, const char *root)
{
    struct host_stat st;
    int fd = host_open_path(source, LINUX_O_RDONLY, 0);
    int err = fd < 0 ? fd : host_fstat(fd, &st);
    if (err)
        snprintf(w->job.why, sizeof w->job.why, "%.900s: %s", source, errno_text(-err));
    else if (LINUX_S_ISDIR(st.mode))
        err = archive_import_dir(&w->job, source, root);
    else
        err = archive_import(&w->job, fd, root);
    host_close(fd);
    return err;
}

int ish_root_import(ish_work *work, const char *source, int descriptor, const char *image,
                    const char *root)
{
    struct work w;
    int err = begin(&w, work);
    if (err)
        return err;
    w.job.image = image;
    err = source ? import_path(&w, source, root) : archive_import(&w.job, descriptor, root);
    if (!err)
        report_lines(&w, w.job.image_report);
    free(w.job.image_report);
    return end(&w, err);
}

int ish_root_export(ish_work *work, const char *root, int descriptor,
                    enum ish_compression compression)
{
    static const enum archive_compression ours[] = {[ISH_PLAIN] = ARCHIVE_PLAIN,
                                                    [ISH_GZIP] = ARCHIVE_GZIP,
                                                    [ISH_XZ] = ARCHIVE_XZ,
                                                    [ISH_ZSTD] = ARCHIVE_ZSTD};
    struct work w;
    int err = begin(&w, work);
    if (!err && compression > ISH_ZSTD)
        err = -LINUX_EINVAL;
    return err ? err : end(&w, archive_export(&w.job, root, descriptor, ours[compression]));
}

int ish_root_convert(ish_work *work, const char *root)
{
    struct work w;
    int err = begin(&w, work);
    return err ? err : end(&w, archive_migrate(&w.job, root));
}

// --- Checking ------------------------------------------------------------------------------------

static void found(void *ctx, bool fixed, const char *line)
{
    struct work *w = ctx;
    snprintf(w->line, sizeof w->line, "%s%s", line, fixed ? " (repaired)" : "");
    if (w->known.report)
        w->known.report(w->known.context, w->line);
}

int ish_root_check(ish_work *work, const char *root, int repair, ish_root_state *out)
{
    struct work w;
    int err = begin(&w, work);
    if (!err && (!out || out->size < sizeof(size_t)))
        err = -LINUX_EINVAL;
    if (err)
        return err;
    struct fsck f = {.repair = repair != 0, .report = found, .step = step, .ctx = &w};
    err = fsck_run(&f, root);
    const ish_root_state state = {out->size, f.objects, f.rows, f.lost, f.fixed, f.left};
    memcpy(out, &state, out->size < sizeof state ? out->size : sizeof state);
    w.job.entries = f.objects;
    if (err == -LINUX_ECANCELED)
        snprintf(w.job.why, sizeof w.job.why, "cancelled");
    else if (err)
        memcpy(w.job.why, w.line, sizeof w.job.why); // it said so last
    return end(&w, err);
}

// --- Files ---------------------------------------------------------------------------------------

int ish_root_copy(ish_work *work, const char *from_root, const char *from, const char *to_root,
                  const char *to)
{
    struct work w;
    int err = begin(&w, work);
    if (!err && !from_root && !to_root)
        err = -LINUX_EINVAL;
    const struct files_place source = {from_root, from}, target = {to_root, to};
    return err ? err : end(&w, files_copy(&w.job, &source, &target));
}

struct reading {
    void *context;
    int (*sink)(void *context, const void *data, size_t size);
};

static int take(void *ctx, const void *data, size_t size)
{
    const struct reading *r = ctx;
    return r->sink(r->context, data, size);
}

int ish_root_read(ish_work *work, const char *root, const char *path,
                  int (*sink)(void *context, const void *data, size_t size))
{
    struct work w;
    int err = begin(&w, work);
    struct reading r = {w.known.context, sink};
    const struct files_place place = {root, path};
    return err ? err : end(&w, files_read(&w.job, &place, take, &r));
}

struct listing {
    void *context;
    int (*each)(void *context, const ish_root_entry *entry);
};

static int tell(void *ctx, const struct files_entry *e)
{
    const struct listing *l = ctx;
    const ish_root_entry entry = {
        .size = sizeof entry,
        .name = e->name,
        .target = e->target,
        .mode = e->st.mode,
        .uid = e->st.uid,
        .gid = e->st.gid,
        .links = e->st.nlink,
        .inode = e->st.ino,
        .device = e->st.rdev,
        .bytes = e->st.size,
        .modified = e->st.mtime,
    };
    return l->each(l->context, &entry);
}

int ish_root_list(ish_work *work, const char *root, const char *path,
                  int (*each)(void *context, const ish_root_entry *entry))
{
    struct work w;
    int err = begin(&w, work);
    struct listing l = {w.known.context, each};
    const struct files_place place = {root, path};
    return err ? err : end(&w, files_list(&w.job, &place, tell, &l));
}
