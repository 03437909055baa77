// A loss of power takes what was not synced of the tree and of its metadata, and only that:
// test_fakefs_power_tree [ROUNDS [SEED]].
//
// A child runs a random program of calls on a root whose host (lossy_host.h) and whose database
// (lossy_vfs.h) forget what was not synced. The power fails at a random moment, and any part of the
// rest is lost. Then, after fsck, every name must lead to what it may lead to since its directory
// was synced last, everything found must be as it was at some time since it was itself synced last,
// and no name may be taken by what cannot be seen.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/fsck.h"
#include "tests/unit/lossy_host.h"
#include "tests/unit/lossy_vfs.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum {
    ROUNDS_DEFAULT = 25,
    TICKS_MAX = 1200,
    OBJECTS = 4096,
    TOPS = 3,       // directories that stay
    FILE_NAMES = 6, // in each directory
    NAMES = 8,      // the rest are directories
    PAST = 24,
    CONTENT = 600,
};

// What something was since it was last synced; the last is what it is.
struct past {
    uint32_t was[PAST];
    unsigned count;
    bool anything; // there was more
};

struct object {
    uint64_t ino;
    bool is_dir, synced;
    uint32_t parent, slot;          // directory: where it is
    struct past uid, mode, x, text; // x: a user attribute; text: the byte it is full of
    struct past names[NAMES];       // directory: objects, 0 for none
};

// Seen by both processes. Object 0 is none; 1 to TOPS stay.
struct shared {
    struct object objects[OBJECTS];
    uint32_t count;
    uint32_t making, slot; // the directory and the name something new is being made at; 0: nowhere
    unsigned calls, syncs, seed;
};

static struct test {
    struct shared *sh;
    struct env e;
    struct lossy *lossy;
    struct temp_dir dir;
    char root[300];
    int data, tmp, grave;
    unsigned wrong;
} t;

static uint32_t now(const struct past *p)
{
    return p->was[p->count - 1];
}

static void set(struct past *p, uint32_t value)
{
    if (p->count == PAST) {
        p->anything = true;
        p->count--;
    }
    p->was[p->count++] = value;
}

static void settle(struct past *p)
{
    *p = (struct past){{now(p)}, 1, false};
}

static bool was(const struct past *p, uint32_t value)
{
    bool found = p->anything;
    for (unsigned i = 0; i < p->count; i++)
        found |= p->was[i] == value;
    return found;
}

// Of a change that was not synced, the bits the host has and the others may part; `own` are those
// the host always has.
static bool was_mode(const struct past *p, uint32_t mode, uint32_t own)
{
    bool bits = p->anything, others = p->anything;
    for (unsigned i = 0; i < p->count; i++) {
        bits |= ((p->was[i] ^ mode) & 0777) == 0;
        bits |= p->count > 1 && (((p->was[i] | own) ^ mode) & 0777) == 0;
        others |= ((p->was[i] ^ mode) & 07000) == 0;
    }
    return bits && others;
}

static struct object *object(uint32_t id)
{
    return &t.sh->objects[id];
}

static uint32_t new_object(bool is_dir, uint32_t uid, uint32_t mode)
{
    ISH_ASSERT(t.sh->count < OBJECTS);
    uint32_t id = t.sh->count++;
    struct object *o = object(id);
    *o = (struct object){.is_dir = is_dir};
    set(&o->uid, uid);
    set(&o->mode, mode);
    set(&o->x, 0);
    set(&o->text, 0);
    for (unsigned n = 0; n < NAMES; n++)
        set(&o->names[n], 0);
    return id;
}

static unsigned pick(unsigned n)
{
    return (unsigned)rand_r(&t.sh->seed) % n;
}

static void path_of(char out[256], uint32_t dir, int slot)
{
    char up[256], name[16] = "";
    if (slot >= 0)
        snprintf(name, sizeof name, "/%c%d", slot < FILE_NAMES ? 'f' : 's', slot);
    if (dir <= TOPS) {
        snprintf(out, 256, "/d%u%s", dir, name);
        return;
    }
    path_of(up, object(dir)->parent, (int)object(dir)->slot);
    snprintf(out, 256, "%.200s%s", up, name);
}

static unsigned depth(uint32_t dir)
{
    unsigned n = 0;
    for (; dir > TOPS; dir = object(dir)->parent)
        n++;
    return n;
}

static bool is_below(uint32_t dir, uint32_t top)
{
    while (dir != top && dir > TOPS)
        dir = object(dir)->parent;
    return dir == top;
}

// A directory there is.
static uint32_t pick_dir(void)
{
    uint32_t dir = 1 + pick(TOPS);
    while (pick(3) == 0) {
        uint32_t below = now(&object(dir)->names[FILE_NAMES + pick(NAMES - FILE_NAMES)]);
        if (!below)
            break;
        dir = below;
    }
    return dir;
}

static void must(int err, const char *what)
{
    if (!err)
        return;
    printf("# %s: error %d\n", what, err);
    fflush(stdout);
    _exit(4);
}

static void start(void)
{
    char why[FAKEFS_WHY_MAX];
    struct super *s;
    env_start(&t.e);
    int err = fakefs_create(t.e.vfs, t.root, NULL, why, &s);
    if (err) {
        printf("# %s\n", why);
        exit(2);
    }
    env_mount_root(&t.e, s, "fakefs");
    t.e.root.umask = t.e.user.umask = 0;
    t.e.user_cred->cap_effective = 1ull << LINUX_CAP_DAC_OVERRIDE; // makes files everywhere
}

// --- The program ---------------------------------------------------------------------------------

static uint64_t ino_at(const char *path)
{
    struct vfs_stat st;
    must(env_stat(&t.e.root, path, &st), "stat");
    return st.ino;
}

static void make_file(uint32_t dir, unsigned slot, const char *path)
{
    bool users = pick(2);
    const struct vfs_caller *c = users ? &t.e.user : &t.e.root;
    uint32_t mode = pick(3) ? 0640 : 04711;
    t.sh->making = dir;
    t.sh->slot = slot;
    if (pick(6) == 0)
        must(vfs_symlink(c, "target", NULL, path), "symlink");
    else
        must(env_try_open(c, path, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL, mode), "create");
    struct vfs_stat st;
    must(env_stat(&t.e.root, path, &st), "stat");
    uint32_t id = new_object(false, users ? 1000 : 0, st.mode & 07777);
    object(id)->ino = st.ino;
    set(&object(dir)->names[slot], id);
    t.sh->making = 0;
}

static void make_dir(uint32_t dir, unsigned slot, const char *path)
{
    uint32_t mode = pick(2) ? 0755 : 01777;
    if (depth(dir) >= 3)
        return;
    t.sh->making = dir;
    t.sh->slot = slot;
    must(env_mkdir(&t.e.root, path, mode), "mkdir");
    uint32_t id = new_object(true, 0, mode);
    object(id)->ino = ino_at(path);
    object(id)->parent = dir;
    object(id)->slot = slot;
    set(&object(dir)->names[slot], id);
    t.sh->making = 0;
}

static void sync_object(uint32_t id, const char *path)
{
    struct object *o = object(id);
    struct file *f = env_open(&t.e.root, path, LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0);
    if (!f)
        return; // a symlink
    must(file_fsync(f, false), "fsync");
    file_put(f);
    settle(&o->uid);
    settle(&o->mode);
    settle(&o->x);
    settle(&o->text);
    for (unsigned n = 0; n < NAMES; n++)
        settle(&o->names[n]);
    o->synced = true;
    t.sh->syncs++;
}

static void write_text(uint32_t id, const char *path)
{
    char text[CONTENT];
    uint32_t byte = 1 + pick(200);
    struct file *f = env_open(&t.e.root, path, LINUX_O_WRONLY | LINUX_O_NOFOLLOW, 0);
    if (!f)
        return;
    memset(text, (int)byte, sizeof text);
    set(&object(id)->text, byte);
    ISH_ASSERT(env_pwrite(f, text, sizeof text, 0) == CONTENT);
    file_put(f);
}

static void set_x(uint32_t id, const char *path)
{
    struct path p;
    uint32_t x = 1 + pick(1000);
    must(path_walk(&t.e.root, NULL, path, 0, &p), "walk");
    set(&object(id)->x, x);
    must(vfs_setxattr(&t.e.root, &p, "user.x", &x, sizeof x, 0), "setxattr");
    path_put(&p);
}

static void change(uint32_t id, const char *path)
{
    struct object *o = object(id);
    struct vfs_stat st;
    must(env_stat(&t.e.root, path, &st), "stat");
    bool link = LINUX_S_ISLNK(st.mode);
    switch (pick(5)) {
    case 0:
        if (!o->is_dir)
            write_text(id, path);
        break;
    case 1:
        if (!link)
            set_x(id, path);
        break;
    case 2:
        if (link)
            break;
        set(&o->mode, pick(2) ? 0600 | pick(64) : (o->is_dir ? 01755 : 04755));
        must(env_chmod(&t.e.root, path, now(&o->mode)), "chmod");
        break;
    default:
        set(&o->uid, pick(3) ? 1000 + pick(50) : 0);
        set(&o->mode, now(&o->mode) & (o->is_dir ? 07777 : 01777));
        must(env_setattr(&t.e.root, path,
                         &(struct vfs_setattr){.mask = ATTR_UID, .uid = now(&o->uid)}),
             "chown");
        must(env_stat(&t.e.root, path, &st), "stat");
        set(&o->mode, st.mode & 07777);
    }
}

static bool is_empty(uint32_t dir)
{
    bool empty = true;
    for (unsigned n = 0; n < NAMES; n++)
        empty &= !now(&object(dir)->names[n]);
    return empty;
}

static void remove_it(uint32_t dir, unsigned slot, const char *path)
{
    uint32_t id = now(&object(dir)->names[slot]);
    if (object(id)->is_dir && !is_empty(id))
        return;
    set(&object(dir)->names[slot], 0);
    must(object(id)->is_dir ? vfs_rmdir(&t.e.root, NULL, path) : vfs_unlink(&t.e.root, NULL, path),
         "remove");
}

static void move_it(uint32_t dir, unsigned slot, const char *path)
{
    char to[256];
    struct object *o = object(now(&object(dir)->names[slot]));
    uint32_t id = (uint32_t)(o - t.sh->objects), new_dir = pick_dir();
    unsigned new_slot = o->is_dir ? FILE_NAMES + pick(NAMES - FILE_NAMES) : pick(FILE_NAMES);
    uint32_t there = now(&object(new_dir)->names[new_slot]);
    if (o->is_dir && (is_below(new_dir, id) || depth(new_dir) >= 3))
        return;
    path_of(to, new_dir, (int)new_slot);
    bool swap = there && !o->is_dir && pick(3) == 0;
    if (there == id || (there && o->is_dir && (is_below(dir, there) || !is_empty(there))))
        return;
    if (!there && !o->is_dir && pick(4) == 0) { // another name instead
        set(&object(new_dir)->names[new_slot], id);
        must(env_link(&t.e.root, path, to), "link");
        return;
    }
    set(&object(dir)->names[slot], swap ? there : 0);
    set(&object(new_dir)->names[new_slot], id);
    must(env_rename(&t.e.root, path, to, swap ? LINUX_RENAME_EXCHANGE : 0), "rename");
    o->parent = new_dir;
    o->slot = new_slot;
}

static void one_call(void)
{
    char path[256];
    uint32_t dir = pick_dir();
    unsigned slot = pick(NAMES), what = pick(20);
    if (what == 0) {
        path_of(path, dir, -1);
        sync_object(dir, path);
        return;
    }
    path_of(path, dir, (int)slot);
    uint32_t id = now(&object(dir)->names[slot]);
    t.sh->calls++;
    if (!id && slot < FILE_NAMES)
        make_file(dir, slot, path);
    else if (!id)
        make_dir(dir, slot, path);
    else if (what < 4)
        sync_object(id, path);
    else if (what < 7)
        remove_it(dir, slot, path);
    else if (what < 12)
        move_it(dir, slot, path);
    else
        change(id, path);
}

static void tick(void)
{
    lossy_tick(t.lossy);
}

static void tree_fails(void)
{
    lh_fail(t.data, t.tmp);
}

static void child(void)
{
    t.lossy = calloc(1, sizeof *t.lossy);
    ISH_ASSERT(t.lossy);
    lossy_start(t.lossy, t.sh->seed * 31 + 7, -1);
    t.lossy->also = tree_fails;
    lh_start(t.grave, t.data, t.tmp, &t.lossy->seed, tick);
    start();
    t.lossy->writes_left = pick(TICKS_MAX);
    for (;;)
        one_call();
}

// --- What is left --------------------------------------------------------------------------------

static void complain(const char *path, const char *what, uint32_t is, const struct past *p)
{
    if (t.wrong++ > 8)
        return;
    printf("# %s: %s is %o, and was", path, what, is);
    for (unsigned i = 0; i < p->count; i++)
        printf(" %o", p->was[i]);
    printf("\n");
}

static uint32_t get_x(const char *path)
{
    struct path p;
    uint32_t x = 0;
    must(path_walk(&t.e.root, NULL, path, 0, &p), "walk");
    if (vfs_getxattr(&t.e.root, &p, "user.x", &x, sizeof x) != (ssize_t)sizeof x)
        x = 0;
    path_put(&p);
    return x;
}

// The byte a file is full of; 0: it is empty, 256: neither.
static uint32_t get_text(const char *path)
{
    unsigned char text[CONTENT + 1];
    struct file *f = env_open(&t.e.root, path, LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0);
    if (!f)
        return 0;
    ssize_t n = env_pread(f, text, sizeof text, 0);
    file_put(f);
    uint32_t byte = n == 0 ? 0 : n == CONTENT ? text[0] : 256;
    for (ssize_t i = 1; i < n; i++)
        byte = text[i] == text[0] ? byte : 256;
    return byte;
}

static void check_object(struct object *o, const char *path, const struct vfs_stat *st)
{
    uint32_t mode = st->mode & 07777, x = get_x(path), text = o->is_dir ? 0 : get_text(path);
    if (o->synced) {
        if (!was(&o->uid, st->uid))
            complain(path, "owner", st->uid, &o->uid);
        if (!was_mode(&o->mode, mode, o->is_dir ? 0700 : 0600))
            complain(path, "mode", mode, &o->mode);
        if (!was(&o->x, x))
            complain(path, "attribute", x, &o->x);
        if (o->text.count == 1 && !was(&o->text, text))
            complain(path, "text", text, &o->text);
    }
    set(&o->uid, st->uid);
    set(&o->mode, mode);
    set(&o->x, x);
    set(&o->text, text); // 256: unknown, and will not be asked for
    settle(&o->uid);
    settle(&o->mode);
    settle(&o->x);
    settle(&o->text);
    o->synced = true;
}

static uint32_t find_object(const struct past *p, uint64_t ino)
{
    for (unsigned i = p->count; i-- > 0;)
        if (p->was[i] && object(p->was[i])->ino == ino)
            return p->was[i];
    return 0;
}

static void check_dir(uint32_t dir)
{
    char path[256];
    unsigned seen = 0;
    for (unsigned n = 0; n < NAMES; n++) {
        struct past *p = &object(dir)->names[n];
        struct vfs_stat st;
        path_of(path, dir, (int)n);
        int err = env_stat(&t.e.root, path, &st);
        uint32_t id = err ? 0 : find_object(p, st.ino);
        if (!err && !id && t.sh->making == dir && t.sh->slot == n) {
            id = new_object(LINUX_S_ISDIR(st.mode), st.uid, st.mode & 07777);
            object(id)->ino = st.ino;
            set(p, id);
        }
        if (err && err != -LINUX_ENOENT)
            complain(path, "error", (uint32_t)-err, p);
        if (err ? !was(p, 0) : !id)
            complain(path, "name", id, p);
        seen += !err;
        set(p, id);
        settle(p);
        if (err) {
            err = env_mkdir(&t.e.root, path, 0700);
            if (!err)
                err = vfs_rmdir(&t.e.root, NULL, path);
            if (err && t.wrong++ < 8)
                printf("# %s is not there and cannot be made: error %d\n", path, err);
        } else if (id) {
            check_object(object(id), path, &st);
        }
        if (id && object(id)->is_dir) {
            object(id)->parent = dir;
            object(id)->slot = n;
            check_dir(id);
        }
    }
    path_of(path, dir, -1);
    int listed = env_count(&t.e.root, path);
    if (listed != (int)seen + 2) {
        t.wrong++;
        printf("# %s lists %d, and has %u\n", path, listed, seen);
    }
}

// Objects that are still there are numbered anew, so that the table does not fill.
static void compact(void)
{
    static struct shared kept;
    uint32_t map[OBJECTS] = {0};
    kept.count = 1;
    for (uint32_t pass = 1; pass <= TOPS; pass++)
        map[pass] = kept.count, kept.objects[kept.count++] = *object(pass);
    for (uint32_t i = 1; i < kept.count; i++) {
        for (unsigned n = 0; kept.objects[i].is_dir && n < NAMES; n++) {
            uint32_t id = now(&kept.objects[i].names[n]);
            if (id && !map[id])
                map[id] = kept.count, kept.objects[kept.count++] = *object(id);
            kept.objects[i].names[n].was[0] = map[id];
            if (id && object(id)->is_dir)
                kept.objects[map[id]].parent = i;
        }
    }
    memcpy(t.sh->objects, kept.objects, sizeof kept.objects);
    t.sh->count = kept.count;
}

static void print_finding(void *ctx, bool fixed, const char *line)
{
    (void)ctx;
    if (!fixed)
        printf("# not repaired: %s\n", line);
}

static bool repaired(void)
{
    struct fsck first = {.repair = true, .report = print_finding}, again = first;
    again.repair = false;
    return !fsck_run(&first, t.root) && !first.left && !fsck_run(&again, t.root) && !again.left;
}

static int open_dir(const char *name)
{
    int fd = open(temp_path(&t.dir, name), O_RDONLY | O_DIRECTORY);
    ISH_ASSERT(fd >= 0);
    return fd;
}

static void prepare(unsigned seed)
{
    char why[FAKEFS_WHY_MAX], name[32];
    t.sh = mmap(NULL, sizeof *t.sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    ISH_ASSERT(t.sh != MAP_FAILED);
    t.sh->seed = seed;
    t.sh->count = 1;
    temp_dir_make(&t.dir);
    snprintf(t.root, sizeof t.root, "%s", temp_path(&t.dir, "root"));
    ISH_ASSERT(!fakefs_format(t.root, why));
    start();
    for (uint32_t d = 1; d <= TOPS; d++) {
        snprintf(name, sizeof name, "/d%u", d);
        ISH_ASSERT(!env_mkdir(&t.e.root, name, 0777) && new_object(true, 0, 0777) == d);
        object(d)->ino = ino_at(name);
        object(d)->synced = true;
    }
    env_stop(&t.e);
    t.data = open_dir("root/data");
    t.tmp = open_dir("root/tmp");
}

// The folder of names to come back, empty.
static void renew_grave(void)
{
    const char *path = temp_path(&t.dir, "grave");
    if (t.grave > 0)
        close(t.grave);
    ISH_ASSERT((access(path, F_OK) || !host_remove_tree(path)) && !mkdir(path, 0700));
    t.grave = open_dir("grave");
}

int main(int argc, char **argv)
{
    struct tap tap = {0, 0};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    unsigned damaged = 0, left = 0;
    prepare(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
    for (long round = 0; round < rounds; round++) {
        int status = 0;
        unsigned before = t.wrong;
        renew_grave();
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            child();
        waitpid(pid, &status, 0);
        t.sh->seed = t.sh->seed * 1103515245 + 12345;
        damaged += status != 0;
        renew_grave(); // what has no name is gone
        left += !repaired();
        start();
        for (uint32_t d = 1; d <= TOPS; d++)
            check_dir(d);
        env_stop(&t.e);
        t.sh->making = 0;
        compact();
        if (t.wrong > before || damaged) {
            printf("# in round %ld\n", round);
            break; // what follows would only be confused
        }
    }
    printf("# %ld losses of power, %u calls, %u fsyncs\n", rounds, t.sh->calls, t.sh->syncs);
    CHECK(&tap, damaged == 0, "until the power fails every call succeeds");
    CHECK(&tap, t.sh->calls > rounds * 10 && t.sh->syncs > rounds, "there was something to lose");
    CHECK(&tap, t.wrong == 0, "what an fsync returned for is there, and nothing is invisible");
    CHECK(&tap, left == 0, "fsck repairs what a loss of power leaves");
    ISH_ASSERT(!host_remove_tree(t.dir.path));
    return tap_finish(&tap);
}
