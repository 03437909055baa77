// Every name of a root's tree, without recursion: trees are deep, and descriptors few.
#include "fs/fakefs/root.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A directory still to be read.
struct pending {
    struct pending *next;
    char path[];
};

static int push(struct pending **stack, const char *path)
{
    size_t len = strlen(path);
    struct pending *p = malloc(sizeof *p + len + 1);
    if (!p)
        return -LINUX_ENOMEM;
    memcpy(p->path, path, len + 1);
    p->next = *stack;
    *stack = p;
    return 0;
}

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", dir, *dir ? "/" : "", name);
    return path;
}

static int read_dir(const struct root_dir *r, const char *path, struct pending **stack,
                    root_walk_each *each, void *ctx)
{
    struct host_dir *dir;
    struct host_dirent e;
    int fd = root_open_dir(r, path), copy = fd < 0 ? fd : host_dup(fd);
    int err = copy < 0 ? copy : host_dir_open(copy, &dir);
    if (err) {
        host_close(fd);
        host_close(copy);
        return err;
    }
    while (!err && (err = host_dir_next(dir, &e)) > 0) {
        err = 0;
        if (strcmp(e.name, ".") == 0 || strcmp(e.name, "..") == 0)
            continue;
        bool descend = false;
        char *child = join(path, e.name);
        err = child ? each(ctx, fd, child, &e, &descend) : -LINUX_ENOMEM;
        if (!err && descend)
            err = push(stack, child);
        free(child);
    }
    host_dir_close(dir);
    host_close(fd);
    return err;
}

int root_walk(const struct root_dir *r, root_walk_each *each, void *ctx)
{
    struct pending *stack = NULL;
    int err = push(&stack, "");
    while (stack) {
        struct pending *p = stack;
        stack = p->next;
        if (!err)
            err = read_dir(r, p->path, &stack, each, ctx);
        free(p);
    }
    return err;
}
