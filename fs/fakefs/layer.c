// Layers of a container image: what marks in a layer hide of the layers below it.
//
// A layer is an archive whose entries replace or add, and whose ".wh.NAME" hides NAME and
// ".wh..wh..opq" everything that lower layers have in that directory. Marks say nothing about
// entries of their own layer, wherever in it they stand: those are remembered by name.
#include "fs/fakefs/import.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

#define MARK        ".wh."
#define MARK_OWN    ".wh..wh." // and more: the bookkeeping of a storage driver
#define MARK_OPAQUE ".wh..wh..opq"

enum { SLOTS_MIN = 1024, DEPTH_MAX = LINUX_PATH_MAX };

struct layer_entry {
    uint64_t dir;
    char name[];
};

// An open hash of what the layer made, at most half full.
struct layer {
    struct layer_entry **slots;
    size_t count, room;
};

struct layer *layer_create(void)
{
    return calloc(1, sizeof(struct layer));
}

void layer_free(struct layer *layer)
{
    if (!layer)
        return;
    for (size_t i = 0; i < layer->room; i++)
        free(layer->slots[i]);
    free(layer->slots);
    free(layer);
}

static size_t hash_of(uint64_t dir, const char *name)
{
    uint64_t h = dir * 0x9e3779b97f4a7c15ull;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
    return (size_t)(h ^ h >> 29);
}

// The slot of the entry, or the free one where it would be.
static struct layer_entry **find_slot(const struct layer *layer, uint64_t dir, const char *name)
{
    size_t at = hash_of(dir, name) & (layer->room - 1);
    struct layer_entry *e;
    while ((e = layer->slots[at]) && (e->dir != dir || strcmp(e->name, name) != 0))
        at = (at + 1) & (layer->room - 1);
    return &layer->slots[at];
}

static bool layer_has(const struct layer *layer, uint64_t dir, const char *name)
{
    return layer->room > 0 && *find_slot(layer, dir, name);
}

static int make_slots(struct layer *layer)
{
    struct layer old = *layer;
    if (layer->count < old.room / 2)
        return 0;
    size_t room = old.room ? old.room * 2 : SLOTS_MIN;
    struct layer_entry **slots = calloc(room, sizeof(struct layer_entry *));
    if (!slots)
        return -LINUX_ENOMEM;
    *layer = (struct layer){.slots = slots, .count = old.count, .room = room};
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i])
            *find_slot(layer, old.slots[i]->dir, old.slots[i]->name) = old.slots[i];
    free(old.slots);
    return 0;
}

int layer_note(struct import *im, const char *name)
{
    const uint64_t dir = path_inode(&im->parent)->ino;
    const size_t len = strlen(name);
    if (make_slots(im->layer))
        return import_fail_errno(im, -LINUX_ENOMEM, name);
    struct layer_entry **slot = find_slot(im->layer, dir, name);
    if (*slot)
        return 0;
    *slot = malloc(sizeof(struct layer_entry) + len + 1);
    if (!*slot)
        return import_fail_errno(im, -LINUX_ENOMEM, name);
    (*slot)->dir = dir;
    memcpy((*slot)->name, name, len + 1);
    im->layer->count++;
    return 0;
}

// --- Removing ------------------------------------------------------------------------------------

// The names in a directory, one after the other.
struct names {
    struct dir_sink sink;
    char *text;
    size_t len, room;
    int err;
};

static bool take_name(struct dir_sink *sink, const char *name, size_t name_len, uint64_t ino,
                      uint8_t d_type, uint64_t next_pos)
{
    struct names *n = (struct names *)sink;
    (void)ino, (void)d_type, (void)next_pos;
    if (name_len <= 2 && memcmp(name, "..", name_len) == 0)
        return true;
    if (n->room - n->len < name_len + 1) {
        size_t room = n->room * 2 + name_len + 256;
        char *grown = realloc(n->text, room);
        if (!grown) {
            n->err = -LINUX_ENOMEM;
            return false;
        }
        n->text = grown;
        n->room = room;
    }
    memcpy(n->text + n->len, name, name_len);
    n->text[n->len + name_len] = 0;
    n->len += name_len + 1;
    return true;
}

static int list_names(struct import *im, const struct path *dir, struct names *n)
{
    struct file *file;
    *n = (struct names){.sink = {take_name}};
    int err = vfs_open_path(&im->m.caller, dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, &file);
    if (err)
        return err;
    size_t before;
    do { // each call gives a part
        before = n->len;
        err = file_readdir(file, &n->sink);
        err = err ? err : n->err;
    } while (!err && n->len > before);
    file_put(file);
    return err;
}

static int remove_at(struct import *im, const struct path *dir, const char *name, bool keep,
                     unsigned depth);

// Everything in a directory; `keep`: but what is of this layer.
static int empty_at(struct import *im, const struct path *dir, bool keep, unsigned depth)
{
    struct names n;
    int err = depth > DEPTH_MAX ? -LINUX_ENAMETOOLONG : list_names(im, dir, &n);
    if (depth > DEPTH_MAX)
        return err;
    for (size_t at = 0; !err && at < n.len; at += strlen(n.text + at) + 1)
        err = remove_at(im, dir, n.text + at, keep, depth);
    free(n.text);
    return err;
}

static int remove_at(struct import *im, const struct path *dir, const char *name, bool keep,
                     unsigned depth)
{
    const struct vfs_caller *c = &im->m.caller;
    const bool own = keep && layer_has(im->layer, path_inode(dir)->ino, name);
    struct path p;
    int err = path_walk(c, dir, name, 0, &p);
    if (err)
        return err;
    const bool is_dir = path_inode(&p)->type == LINUX_S_IFDIR;
    if (is_dir)
        err = empty_at(im, &p, keep, depth + 1);
    path_put(&p);
    if (err || own)
        return err;
    err = is_dir ? vfs_rmdir(c, dir, name) : vfs_unlink(c, dir, name);
    return is_dir && keep && err == -LINUX_ENOTEMPTY ? 0 : err; // a way to something that stays
}

int layer_remove(struct import *im, const struct path *dir, const char *name)
{
    int err = remove_at(im, dir, name, false, 0);
    return err ? import_fail_errno(im, err, name) : 0;
}

int layer_whiteout(struct import *im, const char *whole, const char *name, bool *done)
{
    *done = strncmp(name, MARK, strlen(MARK)) == 0;
    if (!*done)
        return 0;
    int err = 0;
    const char *hidden = name + strlen(MARK);
    if (strcmp(name, MARK_OPAQUE) == 0)
        err = empty_at(im, &im->parent, true, 0);
    else if (strncmp(name, MARK_OWN, strlen(MARK_OWN)) == 0)
        return 0;
    else if (!hidden[0] || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return import_fail(im, -LINUX_EINVAL, "%s hides nothing that has a name", whole);
    else
        err = remove_at(im, &im->parent, hidden, true, 0);
    return err && err != -LINUX_ENOENT ? import_fail_errno(im, err, whole) : 0;
}
