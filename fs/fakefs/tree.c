#include "fs/fakefs/tree.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Names of one directory, sorted.
struct names {
    struct dir_sink sink;
    char **name;
    size_t count, room;
    bool failed;
};

static bool collect(struct dir_sink *sink, const char *name, size_t name_len, uint64_t ino,
                    uint8_t d_type, uint64_t next_pos)
{
    (void)ino, (void)d_type, (void)next_pos;
    struct names *n = CONTAINER_OF(sink, struct names, sink);
    if (name_len <= 2 && memcmp(name, "..", name_len) == 0)
        return true;
    if (n->count == n->room) {
        size_t room = n->room ? n->room * 2 : 64;
        void *grown = realloc(n->name, room * sizeof *n->name);
        n->failed = !grown;
        if (n->failed)
            return false;
        n->name = grown;
        n->room = room;
    }
    n->name[n->count] = strndup(name, name_len);
    n->failed = !n->name[n->count];
    if (!n->failed)
        n->count++;
    return !n->failed;
}

static void free_names(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_dir(const struct vfs_caller *c, const struct path *dir, struct names *n)
{
    *n = (struct names){.sink = {collect}};
    struct file *file;
    int err = vfs_open_path(c, dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, &file);
    if (err)
        return err;
    err = file_readdir(file, &n->sink);
    file_put(file);
    if (!err && n->failed)
        err = -LINUX_ENOMEM;
    if (err)
        free_names(n);
    else if (n->count > 0)
        qsort(n->name, n->count, sizeof *n->name, compare_names);
    return err;
}

// A directory being walked; a list of them instead of recursion, because trees are deep.
struct level {
    struct level *up;
    struct path dir;
    struct names names;
    size_t next;
    char *name; // of the directory, "" or "a/b"
};

// Takes over `name`.
static int enter(const struct tree_walk *w, struct level **top, const struct path *dir, char *name)
{
    struct level *l = calloc(1, sizeof *l);
    int err = l && name ? list_dir(w->caller, dir, &l->names) : -LINUX_ENOMEM;
    if (err) {
        err = w->failed(w->ctx, err, name ? name : "");
        free(l);
        free(name);
        return err;
    }
    path_get(dir);
    l->dir = *dir;
    l->name = name;
    l->up = *top;
    *top = l;
    return 0;
}

static const char *last_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static int leave(const struct tree_walk *w, struct level **top, bool tell)
{
    struct level *l = *top;
    const struct tree_visit v = {&l->dir, l->name, last_of(l->name), true};
    int err = tell && w->left ? w->left(w->ctx, &v) : 0;
    *top = l->up;
    path_put(&l->dir);
    free_names(&l->names);
    free(l->name);
    free(l);
    return err;
}

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *s = malloc(size);
    if (s)
        snprintf(s, size, "%s%s%s", dir, *dir ? "/" : "", name);
    return s;
}

static int visit_child(const struct tree_walk *w, struct level **top, const char *name)
{
    struct level *l = *top;
    struct path p;
    char *whole = join(l->name, name);
    if (!whole)
        return w->failed(w->ctx, -LINUX_ENOMEM, name);
    int err = path_walk(w->caller, &l->dir, name, 0, &p);
    if (err) {
        err = w->failed(w->ctx, err, whole);
        free(whole);
        return err;
    }
    bool is_dir = path_inode(&p)->type == LINUX_S_IFDIR;
    err = w->visit(w->ctx, &(struct tree_visit){&p, whole, name, is_dir});
    if (!err && is_dir)
        err = enter(w, top, &p, whole);
    else
        free(whole);
    path_put(&p);
    return err > 0 ? 0 : err;
}

int tree_walk(const struct tree_walk *w, const struct path *path)
{
    struct level *top = NULL;
    bool is_dir = path_inode(path)->type == LINUX_S_IFDIR;
    int err = w->visit(w->ctx, &(struct tree_visit){path, "", "", is_dir});
    if (!err && is_dir)
        err = enter(w, &top, path, strdup(""));
    while (err >= 0 && top) {
        if (top->next == top->names.count)
            err = leave(w, &top, true);
        else
            err = visit_child(w, &top, top->names.name[top->next++]);
    }
    while (top)
        (void)leave(w, &top, false);
    return err > 0 ? 0 : err;
}
