#include "fs/fakefs/side.h"
#include "fs/hostfs.h"
#include "fs/vfs_core.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int side_fail(struct archive_job *job, int err, const char *fmt, ...)
{
    va_list args;
    if (job->why[0])
        return err;
    va_start(args, fmt);
    vsnprintf(job->why, sizeof job->why, fmt, args);
    va_end(args);
    return err;
}

// --- Names ---------------------------------------------------------------------------------------

// Cuts `path` into the directory and the last name, without slashes at its end. Of "/", "." and
// the like the name is "".
static int split(const char *path, char dir[LINUX_PATH_MAX], char last[LINUX_NAME_MAX + 1])
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len >= LINUX_PATH_MAX)
        return -LINUX_ENAMETOOLONG;
    memcpy(dir, path, len);
    dir[len] = 0;
    last[0] = 0;
    char *slash = strrchr(dir, '/');
    const char *name = slash ? slash + 1 : dir;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0; // the directory as a whole
    if (strlen(name) > LINUX_NAME_MAX)
        return -LINUX_ENAMETOOLONG;
    memcpy(last, name, strlen(name) + 1);
    if (!slash)
        memcpy(dir, ".", 2);
    else
        slash[slash == dir ? 1 : 0] = 0;
    return 0;
}

int side_find(const struct side *side, struct path *out)
{
    return path_walk(&side->caller, &side->caller.root, side->path, WALK_FOLLOW, out);
}

int side_find_last(const struct side *side, struct path *out, char last[LINUX_NAME_MAX + 1])
{
    char dir[LINUX_PATH_MAX];
    int err = split(side->path, dir, last);
    return err ? err
               : path_walk(&side->caller, &side->caller.root, side->path, last[0] ? 0 : WALK_FOLLOW,
                           out);
}

int side_find_parent(const struct side *side, struct path *out, char last[LINUX_NAME_MAX + 1])
{
    char dir[LINUX_PATH_MAX];
    int err = split(side->path, dir, last);
    if (!err)
        err = path_walk(&side->caller, &side->caller.root, dir, WALK_FOLLOW | WALK_DIRECTORY, out);
    return err;
}

// --- Mounts --------------------------------------------------------------------------------------

static int attach(struct sides *s, struct side *side, struct super *super, const char *source,
                  const char *type)
{
    struct path root;
    int err = vfs_detached_mount(s->m.vfs, super, source, type, 0, &root);
    if (err)
        return err;
    side->caller = s->m.caller;
    side->caller.root = side->caller.cwd = root;
    side->mounted = true;
    return 0;
}

// A directory of the host itself, or the one that holds what is named. The target of a copy is a
// directory through symlinks, too.
static int open_host(struct sides *s, struct side *side)
{
    char dir[LINUX_PATH_MAX], last[LINUX_NAME_MAX + 1];
    struct super *super;
    int err = split(side->place->path, dir, last);
    if (err)
        return err;
    int fd = side == &s->to ? host_open_dir_path(side->place->path) : -LINUX_ENOENT;
    host_close(fd);
    if (fd >= 0) {
        memcpy(dir, side->place->path, strlen(side->place->path) + 1);
        last[0] = 0;
    }
    memcpy(side->path, last[0] ? last : ".", strlen(last[0] ? last : ".") + 1);
    err = hostfs_create(s->m.vfs, dir, &super);
    return err ? err : attach(s, side, super, dir, "hostfs");
}

static int open_root(struct sides *s, struct archive_job *job, struct side *side,
                     const struct side *known)
{
    char why[FAKEFS_WHY_MAX];
    struct super *super;
    if (strlen(side->place->path) >= sizeof side->path)
        return -LINUX_ENAMETOOLONG;
    const char *path = side->place->path[0] ? side->place->path : "/";
    memcpy(side->path, path, strlen(path) + 1);
    if (known && known->place->root && strcmp(known->place->root, side->place->root) == 0) {
        side->caller = known->caller;
        return 0;
    }
    int err = fakefs_create(s->m.vfs, side->place->root, NULL, why, &super);
    if (err)
        return side_fail(job, err, "%s", why);
    return attach(s, side, super, side->place->root, "fakefs");
}

static int open_side(struct sides *s, struct archive_job *job, struct side *side,
                     const struct side *known)
{
    int err = side->place->root ? open_root(s, job, side, known) : open_host(s, side);
    return err ? side_fail(job, err, "%s: %s",
                           side->place->root ? side->place->root : side->place->path,
                           errno_text(-err))
               : 0;
}

static void close_side(struct side *side)
{
    if (!side->mounted)
        return;
    mount_detached_done(&side->caller.root);
    path_put(&side->caller.root);
}

int sides_open(struct sides *s, struct archive_job *job, const struct files_place *from,
               const struct files_place *to)
{
    *s = (struct sides){.from = {.place = from}, .to = {.place = to}};
    int err = machine_start_empty(&s->m);
    if (err)
        return side_fail(job, err, "%s", errno_text(-err));
    // Roots first: folders of the host then know what belongs to them.
    if (from->root)
        err = open_side(s, job, &s->from, NULL);
    if (!err && to)
        err = open_side(s, job, &s->to, &s->from);
    if (!err && !from->root)
        err = open_side(s, job, &s->from, NULL);
    if (err)
        sides_close(s);
    return err;
}

void sides_close(struct sides *s)
{
    close_side(&s->to);
    close_side(&s->from);
    machine_stop(&s->m);
}
