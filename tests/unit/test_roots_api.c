// The library's functions for roots that do not run: results, progress, cancelling.
#include "include/ish/ish.h"
#include "platform/abi/linux_errno.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct seen {
    unsigned calls, cancel_at; // 0: never
    unsigned lines, names;
    size_t bytes;
};

static int progress(void *context, uint64_t bytes, uint64_t total, uint64_t entries)
{
    struct seen *s = context;
    (void)bytes, (void)total, (void)entries;
    return ++s->calls == s->cancel_at;
}

static void report(void *context, const char *line)
{
    struct seen *s = context;
    s->lines += line[0] != 0;
}

static int sink(void *context, const void *data, size_t size)
{
    struct seen *s = context;
    (void)data;
    s->bytes += size;
    return 0;
}

static int each(void *context, const ish_root_entry *entry)
{
    struct seen *s = context;
    s->names += strcmp(entry->name, "file") == 0 && entry->bytes == 5;
    return 0;
}

static char why[200];

static ish_work work_for(struct seen *s)
{
    *s = (struct seen){0};
    return (ish_work){.size = sizeof(ish_work),
                      .context = s,
                      .progress = progress,
                      .report = report,
                      .why = why,
                      .why_size = sizeof why};
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

int main(void)
{
    struct tap tap = {0, 0};
    struct temp_dir dir;
    struct seen s;
    ish_work w = work_for(&s);
    static const char nothing[10240];
    temp_dir_make(&dir);
    const char *root = temp_path(&dir, "root"), *copy = temp_path(&dir, "copy");
    const char *file = temp_path(&dir, "file"), *archive = temp_path(&dir, "a.tar");
    put(file, "12345");
    int fd = open(archive, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(&tap, fd >= 0 && write(fd, nothing, sizeof nothing) == sizeof nothing, "there is a tar");
    CHECK(&tap, ish_root_import(&w, archive, -1, NULL, root) == 0, "a root is made of it");
    CHECK(&tap, ish_root_import(&w, archive, -1, NULL, root) == -LINUX_ENOTEMPTY && why[0],
          "once, and why not again is told");

    w = work_for(&s);
    CHECK(&tap, ish_root_copy(&w, NULL, file, root, "/") == 0 && w.entries == 1 && s.calls > 0,
          "a file is copied in, and progress told");
    w = work_for(&s);
    s.cancel_at = 1;
    CHECK(&tap,
          ish_root_copy(&w, NULL, file, root, "/second") == -LINUX_ECANCELED &&
              strcmp(why, "cancelled") == 0,
          "a copy can be cancelled");
    w = work_for(&s);
    CHECK(&tap, ish_root_read(&w, root, "/file", sink) == 0 && s.bytes == 5, "its contents come");
    CHECK(&tap, ish_root_list(&w, root, "/", each) == 0 && s.names == 1, "its name is listed");
    CHECK(&tap, ish_root_copy(&w, NULL, file, NULL, dir.path) == -LINUX_EINVAL,
          "what concerns no root is refused");

    w = work_for(&s);
    s.cancel_at = 1;
    CHECK(&tap, ish_root_export(&w, root, fd, ISH_PLAIN) == -LINUX_ECANCELED,
          "an export can be cancelled");
    w = work_for(&s);
    CHECK(&tap,
          !ftruncate(fd, 0) && lseek(fd, 0, SEEK_SET) == 0 &&
              ish_root_export(&w, root, fd, ISH_GZIP) == 0 && w.entries >= 2,
          "or done");
    close(fd);
    w = work_for(&s);
    s.cancel_at = 2;
    CHECK(&tap,
          ish_root_import(&w, archive, -1, NULL, copy) == -LINUX_ECANCELED &&
              access(copy, F_OK) != 0,
          "an import can be cancelled, and nothing is left");
    w = work_for(&s);
    CHECK(&tap,
          ish_root_import(&w, archive, -1, NULL, copy) == 0 &&
              ish_root_list(&w, copy, "/", each) == 0 && s.names == 1,
          "what was exported can be imported");

    ish_root_state state = {.size = sizeof state};
    w = work_for(&s);
    CHECK(&tap, ish_root_check(&w, root, 0, &state) == 0 && state.objects >= 2 && state.left == 0,
          "a root is checked");
    ish_root_state old = {.size = 2 * sizeof(size_t), .rows = 77};
    CHECK(&tap, ish_root_check(&w, root, 0, &old) == 0 && old.objects >= 2 && old.rows == 77,
          "a program of an older header gets what it knows");
    CHECK(&tap, ish_root_check(&w, dir.path, 0, &state) < 0 && why[0] && s.lines > 0,
          "what is no root is refused with a reason");
    w.size = 1;
    CHECK(&tap, ish_root_check(&w, root, 0, &state) == -LINUX_EINVAL, "a size that cannot be, too");
    temp_dir_remove(&dir);
    return tap_finish(&tap);
}
