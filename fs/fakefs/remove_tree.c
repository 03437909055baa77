// Deleting a half-made root. However deep the tree is, few descriptors are open at a time: what is
// too deep is moved up first.
#include "fs/fakefs/archive.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_file.h"
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

struct removal {
    int top;        // the folder being emptied
    unsigned moved; // folders that were too deep, moved to the top
};

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int empty_dir(struct removal *r, int dir_fd, unsigned depth);

static int move_up(struct removal *r, int dir_fd, const char *name)
{
    char to[32];
    int err;
    do {
        snprintf(to, sizeof to, ".deep%u", r->moved++);
        err = host_rename(dir_fd, name, r->top, to, LINUX_RENAME_NOREPLACE);
    } while (err == -LINUX_EEXIST);
    return err;
}

static int remove_dir(struct removal *r, int dir_fd, const char *name, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return move_up(r, dir_fd, name);
    int fd = host_open(dir_fd, name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = empty_dir(r, fd, depth);
    host_close(fd);
    return err ? err : host_rmdir(dir_fd, name);
}

static int remove_entry(struct removal *r, int dir_fd, const char *name, unsigned depth)
{
    int err = host_unlink(dir_fd, name);
    if (err == -LINUX_EISDIR || err == -LINUX_EPERM)
        err = remove_dir(r, dir_fd, name, depth + 1);
    return err;
}

// Leaves dir_fd open.
static int empty_dir(struct removal *r, int dir_fd, unsigned depth)
{
    struct host_dir *dir;
    int fd = host_open(dir_fd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    int err = fd < 0 ? fd : host_dir_open(fd, &dir);
    if (err) {
        host_close(fd);
        return err;
    }
    struct host_dirent e;
    bool any = true;
    while (!err && any) { // until a pass finds nothing: entries may have been moved here
        any = false;
        host_dir_seek(dir, 0);
        int more;
        while (!err && (more = host_dir_next(dir, &e)) > 0) {
            if (is_dots(e.name))
                continue;
            any = true;
            err = remove_entry(r, dir_fd, e.name, depth);
        }
        if (!err && more < 0)
            err = more;
    }
    host_dir_close(dir);
    return err;
}

int host_remove_tree(const char *path)
{
    struct removal r = {.top = host_open_dir_path(path)};
    if (r.top == -LINUX_ENOENT)
        return 0;
    if (r.top < 0)
        return r.top;
    int err = empty_dir(&r, r.top, 0);
    host_close(r.top);
    return err ? err : host_remove_dir_path(path);
}
