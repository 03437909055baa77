// Random programs of file-system calls from four threads, each call judged by a model in memory
// (fs_model.h), the whole tree compared at the end. The same program runs on the host's Linux, so
// the model is judged, too.
//   fs_model DIR CALLS SEED [plain]     plain: nothing that only root may do, no files without
//   names,
//                                       no FIFOs
// First the threads take turns in one tree, a few calls each; then each has a tree of its own, all
// at once.
#include "tests/guest/fs_model.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { THREADS = 4, SLOTS = 4 };

struct world {
    struct m_node *root;
    int fd;
};

struct slot {
    int fd; // -1: none
    int flags;
    struct m_node *node;
};

struct thread {
    unsigned number;
    uint32_t random;
    struct m_cred cred;
    struct world *world;
    struct slot slot[SLOTS];
    unsigned char *map; // of map_node, M_SIZE_MAX bytes
    struct m_node *map_node;
    long calls;
    char what[200];
};

static struct {
    bool plain;
    long calls; // of all threads
    uint32_t seed;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    unsigned turn;
    bool done[THREADS];
    _Atomic unsigned wrong;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};

static unsigned pick(struct thread *t, unsigned n)
{
    t->random = t->random * 1664525u + 1013904223u;
    return (t->random >> 8) % n;
}

static mode_t pick_mode(struct thread *t)
{
    static const mode_t modes[] = {0644, 0755, 0700, 0777, 0600, 01777, 02775, 0070,  0,     0555,
                                   0444, 0640, 0711, 0666, 0222, 04755, 02755, 06755, 02745, 0111};
    mode_t mode = modes[pick(t, sizeof modes / sizeof modes[0])];
    return run.plain ? (mode & 0777) | 0700 : mode;
}

// --- Judging -------------------------------------------------------------------------------------

static void complain(struct thread *t, const char *what, long got, long want)
{
    if (atomic_fetch_add(&run.wrong, 1) < 12)
        printf("# call %ld of thread %u as %u: %s%s: %ld, and must be %ld\n", t->calls, t->number,
               t->cred.uid, t->what, what, got, want);
}

static void judge(struct thread *t, long got, long want)
{
    if (got < 0)
        got = -errno;
    if (got != want)
        complain(t, "", got, want);
}

static void same(struct thread *t, const char *what, long got, long want)
{
    if (got != want)
        complain(t, what, got, want);
}

#define SAY(t, ...) snprintf((t)->what, sizeof(t)->what, __VA_ARGS__)

// --- Names ---------------------------------------------------------------------------------------

struct place {
    int fd;
    struct m_node *node;
    char path[64];
};

static void pick_path(struct thread *t, char out[64])
{
    unsigned parts = 1 + pick(t, 4);
    size_t len = 0;
    for (unsigned i = 0; i < parts; i++) {
        unsigned kind = pick(t, 20);
        if (i > 0)
            out[len++] = '/';
        if (kind == 0)
            len += (size_t)snprintf(out + len, 64 - len, "..");
        else if (kind == 1)
            out[len++] = '.';
        else
            out[len++] = (char)('a' + pick(t, M_NAMES));
    }
    if (pick(t, 16) == 0)
        out[len++] = '/';
    out[len] = 0;
}

static void pick_place(struct thread *t, struct place *p)
{
    struct slot *s = &t->slot[pick(t, SLOTS)];
    bool relative = s->fd >= 0 && pick(t, 4) == 0;
    p->fd = relative ? s->fd : t->world->fd;
    p->node = relative ? s->node : t->world->root;
    pick_path(t, p->path);
}

static struct slot *pick_slot(struct thread *t)
{
    for (unsigned i = 0, n = pick(t, SLOTS); i < SLOTS; i++)
        if (t->slot[(n + i) % SLOTS].fd >= 0)
            return &t->slot[(n + i) % SLOTS];
    return NULL;
}

// --- Calls on names ------------------------------------------------------------------------------

static void call_make(struct thread *t)
{
    struct place p;
    mode_t mode = pick_mode(t), type = S_IFDIR;
    char target[64] = "";
    dev_t rdev = 0;
    unsigned kind = pick(t, 8);
    pick_place(t, &p);
    if (kind >= 4 && kind < 6) {
        type = S_IFLNK;
        pick_path(t, target);
        target[M_TEXT - 1] = 0;
    } else if (kind == 6) {
        type = run.plain ? S_IFREG : S_IFIFO;
    } else if (kind == 7) {
        type = pick(t, 2) ? S_IFCHR : S_IFREG;
        if (run.plain)
            type = S_IFREG;
        rdev = S_ISCHR(type) ? makedev(1 + pick(t, 200), pick(t, 3000)) : 0;
    }
    SAY(t, "make %o %s mode %o %s", type, p.path, mode, target);
    mode_t given = type == S_IFDIR ? mode & 01777 : type == S_IFLNK ? 0777 : mode;
    int want = m_make(&t->cred, p.node, p.path, type | given, target, rdev);
    if (want == M_SKIP)
        return;
    int got = type == S_IFDIR   ? mkdirat(p.fd, p.path, mode)
              : type == S_IFLNK ? symlinkat(target, p.fd, p.path)
                                : mknodat(p.fd, p.path, type | mode, rdev);
    judge(t, got, want);
}

static void call_link(struct thread *t)
{
    struct place a, b;
    struct m_node *node = NULL;
    bool follow = pick(t, 2);
    pick_place(t, &a);
    pick_place(t, &b);
    SAY(t, "link %s %s follow %d", a.path, b.path, follow);
    int want = m_find(&t->cred, a.node, a.path, follow, &node);
    if (!want)
        want = m_link(&t->cred, node, b.node, b.path);
    if (want != M_SKIP)
        judge(t, linkat(a.fd, a.path, b.fd, b.path, follow ? AT_SYMLINK_FOLLOW : 0), want);
}

static void call_remove(struct thread *t)
{
    struct place p;
    bool dir = pick(t, 3) == 0;
    pick_place(t, &p);
    SAY(t, "%s %s", dir ? "rmdir" : "unlink", p.path);
    int want = dir ? m_rmdir(&t->cred, p.node, p.path) : m_unlink(&t->cred, p.node, p.path);
    if (want != M_SKIP)
        judge(t, unlinkat(p.fd, p.path, dir ? AT_REMOVEDIR : 0), want);
}

static void call_rename(struct thread *t)
{
    static const unsigned all_flags[] = {0,
                                         0,
                                         0,
                                         RENAME_NOREPLACE,
                                         RENAME_EXCHANGE,
                                         RENAME_EXCHANGE | RENAME_NOREPLACE,
                                         RENAME_WHITEOUT,
                                         RENAME_WHITEOUT | RENAME_NOREPLACE};
    struct place a, b;
    unsigned flags = all_flags[!run.plain && pick(t, 8) == 0 ? 5 + pick(t, 3) : pick(t, 5)];
    pick_place(t, &a);
    pick_place(t, &b);
    SAY(t, "rename %s %s flags %u", a.path, b.path, flags);
    int want = m_rename(&t->cred, a.node, a.path, b.node, b.path, flags);
    if (want != M_SKIP)
        judge(t, syscall(SYS_renameat2, a.fd, a.path, b.fd, b.path, flags), want);
}

static void compare_stat(struct thread *t, const struct stat *st, const struct m_node *n)
{
    same(t, " mode", st->st_mode, n->mode);
    same(t, " links", (long)st->st_nlink, m_is_dir(n) && !n->dead ? 2 + n->subdirs : n->nlink);
    same(t, " uid", st->st_uid, n->uid);
    same(t, " gid", st->st_gid, n->gid);
    if (S_ISREG(n->mode))
        same(t, " size", st->st_size, (long)n->size);
    if (S_ISLNK(n->mode))
        same(t, " size", st->st_size, (long)strlen(n->target));
    if (S_ISCHR(n->mode))
        same(t, " device", (long)st->st_rdev, (long)n->rdev);
}

static void call_stat(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    struct stat st;
    bool follow = pick(t, 2);
    pick_place(t, &p);
    SAY(t, "stat %s follow %d", p.path, follow);
    int want = m_find(&t->cred, p.node, p.path, follow, &node);
    if (want == M_SKIP)
        return;
    int got = fstatat(p.fd, p.path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    judge(t, got, want);
    if (!got && !want)
        compare_stat(t, &st, node);
}

static void call_readlink(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    char text[100];
    pick_place(t, &p);
    SAY(t, "readlink %s", p.path);
    int want = m_find(&t->cred, p.node, p.path, false, &node);
    if (want == M_SKIP)
        return;
    if (!want)
        want = S_ISLNK(node->mode) ? (int)strlen(node->target) : -EINVAL;
    ssize_t got = readlinkat(p.fd, p.path, text, sizeof text);
    judge(t, got, want);
    if (got > 0 && got == want)
        same(t, " text", memcmp(text, node->target, (size_t)got), 0);
}

static void call_access(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    unsigned mask = pick(t, 8);
    pick_place(t, &p);
    SAY(t, "access %s mask %u", p.path, mask);
    int want = m_find(&t->cred, p.node, p.path, true, &node);
    if (want == M_SKIP)
        return;
    if (!want)
        want = m_may(&t->cred, node, mask);
    judge(t, syscall(439 /* faccessat2 */, p.fd, p.path, mask, AT_EACCESS), want);
}

static void call_chmod(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    mode_t mode = pick_mode(t);
    pick_place(t, &p);
    SAY(t, "chmod %s %o", p.path, mode);
    int want = m_find(&t->cred, p.node, p.path, true, &node);
    if (!want && node == t->world->root)
        return; // everybody keeps a way in
    if (!want)
        want = m_chmod(&t->cred, node, mode);
    if (want != M_SKIP)
        judge(t, fchmodat(p.fd, p.path, mode, 0), want);
}

static void call_chown(struct thread *t)
{
    static const unsigned ids[] = {0, 1000, 1001, 50, (unsigned)-1};
    struct place p;
    struct m_node *node = NULL;
    bool follow = pick(t, 2);
    uid_t uid = ids[pick(t, 5)];
    gid_t gid = ids[pick(t, 5)];
    pick_place(t, &p);
    if (run.plain)
        return;
    SAY(t, "chown %s %d:%d follow %d", p.path, (int)uid, (int)gid, follow);
    int want = m_find(&t->cred, p.node, p.path, follow, &node);
    if (!want)
        want = m_chown(&t->cred, node, uid, gid);
    if (want != M_SKIP)
        judge(t, fchownat(p.fd, p.path, uid, gid, follow ? 0 : AT_SYMLINK_NOFOLLOW), want);
}

static void call_times(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    struct stat st;
    const time_t before = time(NULL);
    const struct timespec times[2] = {{1000000 + pick(t, 1000), (long)pick(t, 1000000000)},
                                      {2000000 + pick(t, 1000), (long)pick(t, 1000000000)}};
    pick_place(t, &p);
    SAY(t, "utimensat %s", p.path);
    int want = m_find(&t->cred, p.node, p.path, false, &node);
    if (want == M_SKIP)
        return;
    if (!want && t->cred.uid != 0 && t->cred.uid != node->uid)
        want = -EPERM;
    // A path may lead through the very symlink it names ("a/../a"). Asking for the times then reads
    // it first, which moves its access time as relatime has it, or not (noatime).
    unsigned crossed = node ? node->crossed : 0;
    if (!want)
        want = m_find(&t->cred, p.node, p.path, false, &node);
    int got = utimensat(p.fd, p.path, times, AT_SYMLINK_NOFOLLOW);
    judge(t, got, want);
    if (got || want || fstatat(p.fd, p.path, &st, AT_SYMLINK_NOFOLLOW))
        return;
    same(t, " seconds", st.st_mtim.tv_sec, times[1].tv_sec);
    same(t, " nanoseconds", st.st_mtim.tv_nsec, times[1].tv_nsec);
    if (node->crossed == crossed) {
        same(t, " access", st.st_atim.tv_nsec, times[0].tv_nsec);
    } else if (st.st_atim.tv_sec != times[0].tv_sec) {
        same(t, " read now", st.st_atim.tv_sec >= before - 1, true);
    }
}

static void call_truncate(struct thread *t)
{
    struct slot *s = pick_slot(t);
    size_t size = pick(t, 4) ? pick(t, M_SIZE_MAX) : pick(t, 10) * 4096u / 2;
    if (!s)
        return;
    SAY(t, "ftruncate %zu", size);
    if (s->flags & O_PATH) {
        judge(t, ftruncate(s->fd, (off_t)size), -EBADF);
    } else if (!S_ISREG(s->node->mode) || (s->flags & O_ACCMODE) == O_RDONLY) {
        judge(t, ftruncate(s->fd, (off_t)size), -EINVAL);
    } else {
        m_resize(s->node, size);
        m_kill_setid(&t->cred, s->node);
        judge(t, ftruncate(s->fd, (off_t)size), 0);
    }
}

// --- Directories ---------------------------------------------------------------------------------

static unsigned char type_of(const struct m_node *n)
{
    return (unsigned char)((n->mode & S_IFMT) >> 12);
}

static void compare_list(struct thread *t, int fd, const struct m_node *dir)
{
    struct dirent *e;
    unsigned seen = 0, there = 0;
    DIR *d = fdopendir(fd);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        unsigned n = (unsigned)(e->d_name[0] - 'a');
        if (n >= M_NAMES || e->d_name[1] || seen & 1u << n || !dir->child[n])
            complain(t, " lists a name it must not", n, -1);
        else if (e->d_type != type_of(dir->child[n]) && e->d_type != DT_UNKNOWN)
            complain(t, " type", e->d_type, type_of(dir->child[n]));
        seen |= 1u << n;
    }
    for (unsigned i = 0; i < M_NAMES; i++)
        there |= dir->child[i] ? 1u << i : 0;
    same(t, " names", seen, there);
    closedir(d);
}

static void call_list(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    pick_place(t, &p);
    SAY(t, "list %s", p.path);
    int want = m_open(&t->cred, p.node, p.path, O_RDONLY | O_DIRECTORY, 0, &node);
    if (want == M_SKIP)
        return;
    int fd = openat(p.fd, p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    judge(t, fd < 0 ? -1 : 0, want);
    if (fd >= 0 && !want)
        compare_list(t, fd, node);
    else if (fd >= 0)
        close(fd);
}

// --- Open files ----------------------------------------------------------------------------------

static void close_slot(struct thread *t, struct slot *s)
{
    if (s->fd < 0)
        return;
    SAY(t, "close");
    judge(t, close(s->fd), 0);
    s->fd = -1;
    s->node->opens--;
    m_drop(s->node);
}

static void keep(struct thread *t, struct slot *s, int fd, int want, int flags, struct m_node *node)
{
    judge(t, fd < 0 ? -1 : 0, want);
    if (fd < 0 || want < 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    *s = (struct slot){fd, flags, node};
    node->opens++;
}

static void call_open(struct thread *t)
{
    static const int kinds[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    struct slot *s = &t->slot[pick(t, SLOTS)];
    struct place p;
    struct m_node *node = NULL;
    int flags = kinds[pick(t, 4)];
    mode_t mode = pick_mode(t);
    if (pick(t, 2))
        flags |= O_CREAT | (pick(t, 4) ? 0 : O_EXCL);
    else if (pick(t, 4) == 0)
        flags = O_PATH;
    else if (pick(t, 4) == 0)
        flags |= O_DIRECTORY;
    if (!(flags & O_PATH))
        flags |= (pick(t, 5) ? 0 : O_TRUNC) | (pick(t, 8) ? 0 : O_APPEND);
    flags |= pick(t, 6) ? 0 : O_NOFOLLOW;
    if (pick(t, 3) == 0)
        flags = (flags & (O_PATH | O_NOFOLLOW)) | O_DIRECTORY; // directories to stand in
    close_slot(t, s);
    pick_place(t, &p);
    SAY(t, "open %s flags %#o mode %o", p.path, flags, mode);
    int want = m_open(&t->cred, p.node, p.path, flags, mode, &node);
    if (want == M_SKIP)
        return;
    keep(t, s, openat(p.fd, p.path, flags | O_CLOEXEC | O_NONBLOCK, mode), want, flags, node);
}

static void call_tmpfile(struct thread *t)
{
    struct slot *s = &t->slot[pick(t, SLOTS)];
    struct place p;
    struct m_node *dir, *node = NULL;
    mode_t mode = pick_mode(t);
    bool linkable = pick(t, 2);
    if (run.plain)
        return;
    int flags = O_RDWR | O_TMPFILE | (linkable ? 0 : O_EXCL);
    close_slot(t, s);
    pick_place(t, &p);
    SAY(t, "tmpfile %s mode %o", p.path, mode);
    int want = m_find(&t->cred, p.node, p.path, true, &dir);
    if (want == M_SKIP || (!want && dir->dead))
        return; // of a dead directory Linux' file systems differ
    if (!want)
        want = m_is_dir(dir) ? m_may(&t->cred, dir, M_WRITE | M_EXEC) : -ENOTDIR;
    if (!want) {
        node = m_new(S_IFREG | mode, 0, 0);
        m_inherit(&t->cred, dir, node);
        node->linkable = linkable;
    }
    keep(t, s, openat(p.fd, p.path, flags | O_CLOEXEC, mode), want, O_RDWR, node);
}

static void call_link_open(struct thread *t)
{
    struct slot *s = pick_slot(t);
    struct place p;
    if (!s || t->cred.uid != 0)
        return;
    pick_place(t, &p);
    SAY(t, "link of a descriptor to %s", p.path);
    int want = m_link(&t->cred, s->node, p.node, p.path);
    if (want == M_SKIP)
        return;
    judge(t, linkat(s->fd, "", p.fd, p.path, AT_EMPTY_PATH), want);
    if (!want)
        s->node->linkable = false;
}

static void call_fstat(struct thread *t)
{
    struct slot *s = pick_slot(t);
    struct stat st;
    if (!s)
        return;
    SAY(t, "fstat");
    int got = fstat(s->fd, &st);
    judge(t, got, 0);
    if (!got)
        compare_stat(t, &st, s->node);
}

static void call_fchmod(struct thread *t)
{
    struct slot *s = pick_slot(t);
    mode_t mode = pick_mode(t);
    if (!s || s->node == t->world->root)
        return;
    SAY(t, "fchmod %o", mode);
    int want = s->flags & O_PATH ? -EBADF : m_chmod(&t->cred, s->node, mode);
    judge(t, fchmod(s->fd, mode), want);
}

static void call_read(struct thread *t)
{
    static __thread unsigned char buf[M_SIZE_MAX];
    struct slot *s = pick_slot(t);
    size_t at = pick(t, M_SIZE_MAX), len = 1 + pick(t, M_SIZE_MAX - 1);
    if (!s)
        return;
    SAY(t, "pread %zu at %zu", len, at);
    struct m_node *n = s->node;
    long want = at >= n->size ? 0 : n->size - at < len ? (long)(n->size - at) : (long)len;
    if (s->flags & O_PATH || (s->flags & O_ACCMODE) == O_WRONLY)
        want = -EBADF;
    else if (m_is_dir(n))
        want = -EISDIR;
    ssize_t got = pread(s->fd, buf, len, (off_t)at);
    judge(t, got, want);
    if (got > 0 && got == want)
        same(t, " contents", memcmp(buf, n->data + at, (size_t)got), 0);
}

static void call_write(struct thread *t)
{
    static __thread unsigned char buf[M_SIZE_MAX];
    struct slot *s = pick_slot(t);
    size_t at = pick(t, M_SIZE_MAX - 1), len = 1 + pick(t, pick(t, 4) ? 300 : 6000);
    unsigned char value = (unsigned char)('A' + pick(t, 26));
    if (!s)
        return;
    bool writes = !(s->flags & O_PATH) && (s->flags & O_ACCMODE) != O_RDONLY;
    if (s->flags & O_APPEND && writes)
        at = s->node->size; // wherever pwrite says, as Linux has it
    if (at + len > M_SIZE_MAX)
        len = M_SIZE_MAX - at;
    if (len == 0)
        return;
    SAY(t, "pwrite %zu at %zu", len, at);
    memset(buf, value, len);
    long want = writes ? m_write(&t->cred, s->node, at, len, value) : -EBADF;
    judge(t, pwrite(s->fd, buf, len, (off_t)at), want);
}

static void call_punch(struct thread *t)
{
    struct slot *s = pick_slot(t);
    size_t at = pick(t, M_SIZE_MAX - 1), len = 1 + pick(t, 9000);
    bool punch = pick(t, 2);
    if (!s || s->flags & O_PATH || (s->flags & O_ACCMODE) == O_RDONLY || s->node->mode & 06000)
        return;
    if (at + len > M_SIZE_MAX)
        len = M_SIZE_MAX - at;
    SAY(t, "fallocate %s %zu at %zu", punch ? "hole" : "room", len, at);
    if (!punch && at + len > s->node->size)
        m_resize(s->node, at + len);
    else if (punch && at < s->node->size)
        memset(s->node->data + at, 0, at + len > s->node->size ? s->node->size - at : len);
    int mode = punch ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0;
    judge(t, fallocate(s->fd, mode, (off_t)at, (off_t)len), 0);
}

static void unmap(struct thread *t)
{
    if (!t->map)
        return;
    munmap(t->map, M_SIZE_MAX);
    t->map = NULL;
    t->map_node->opens--;
    m_drop(t->map_node);
}

static void call_map(struct thread *t)
{
    struct slot *s = pick_slot(t);
    if (!s || !S_ISREG(s->node->mode))
        return;
    unmap(t);
    SAY(t, "mmap");
    void *at = mmap(NULL, M_SIZE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    int want = s->flags & O_PATH ? -EBADF : (s->flags & O_ACCMODE) == O_RDWR ? 0 : -EACCES;
    judge(t, at == MAP_FAILED ? -1 : 0, want);
    if (at == MAP_FAILED)
        return;
    t->map = at;
    t->map_node = s->node;
    s->node->opens++;
}

static void call_map_use(struct thread *t)
{
    size_t size = t->map ? t->map_node->size : 0, at = pick(t, M_SIZE_MAX), len = 1 + pick(t, 5000);
    if (at >= size)
        return;
    if (at + len > size)
        len = size - at;
    SAY(t, "memory of a map %zu at %zu", len, at);
    same(t, " contents", memcmp(t->map + at, t->map_node->data + at, len), 0);
    if (pick(t, 2)) {
        memset(t->map + at, 'a' + (int)(at % 26), len);
        memset(t->map_node->data + at, 'a' + (int)(at % 26), len);
    }
}

// --- Attributes ----------------------------------------------------------------------------------

static int want_set(const struct m_node *n, int flags)
{
    if (flags == XATTR_CREATE && n->attr_len >= 0)
        return -EEXIST;
    return flags == XATTR_REPLACE && n->attr_len < 0 ? -ENODATA : 0;
}

static void call_set_attr(struct thread *t)
{
    struct place p;
    struct m_node *node = NULL;
    char path[100], text[M_TEXT];
    int flags = (int)pick(t, 3), len = snprintf(text, sizeof text, "value %u", pick(t, 1000));
    pick_place(t, &p);
    SAY(t, "setxattr %s flags %d", p.path, flags);
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", p.fd, p.path);
    if (t->cred.uid != 0 || !m_is_dir(p.node) || p.node->dead)
        return; // /proc is root's while a thread is somebody else
    int want = m_find(&t->cred, p.node, p.path, false, &node);
    if (!want)
        want = m_may_attr(&t->cred, node, true);
    if (!want)
        want = want_set(node, flags);
    if (want == M_SKIP)
        return;
    judge(t, lsetxattr(path, "user.t", text, (size_t)len, flags), want);
    if (want)
        return;
    memcpy(node->attr, text, sizeof text);
    node->attr_len = len;
}

static void call_attr_of_open(struct thread *t)
{
    struct slot *s = pick_slot(t);
    char text[M_TEXT];
    unsigned kind = pick(t, 3);
    if (!s)
        return;
    struct m_node *n = s->node;
    SAY(t, "attribute %u of a descriptor", kind);
    int want = s->flags & O_PATH ? -EBADF : m_may_attr(&t->cred, n, kind > 0);
    if (!want && kind != 1)
        want = n->attr_len < 0 ? -ENODATA : kind == 0 ? n->attr_len : 0;
    if (kind == 0) {
        ssize_t got = fgetxattr(s->fd, "user.t", text, sizeof text);
        judge(t, got, want);
        if (got > 0 && got == want)
            same(t, " text", memcmp(text, n->attr, (size_t)got), 0);
        return;
    }
    snprintf(text, sizeof text, "open %u", pick(t, 1000));
    judge(t,
          kind == 1 ? fsetxattr(s->fd, "user.t", text, strlen(text), 0)
                    : fremovexattr(s->fd, "user.t"),
          want);
    if (want < 0)
        return;
    n->attr_len = kind == 1 ? (int)strlen(text) : -1;
    memcpy(n->attr, text, sizeof text);
}

// --- Who -----------------------------------------------------------------------------------------

// System calls, not the library's functions: those change every thread.
static void become(struct thread *t, uid_t uid)
{
    const gid_t gid = uid, group = uid == 1000 ? 50 : uid;
    long err = syscall(SYS_setresuid, 0, 0, 0);
    err |= syscall(SYS_setgroups, 1, &group);
    err |= syscall(SYS_setresgid, gid, gid, gid);
    err |= syscall(SYS_setresuid, -1, uid, -1);
    t->cred = (struct m_cred){uid, gid, group};
    SAY(t, "become %u", uid);
    judge(t, err, 0);
}

static void call_become(struct thread *t)
{
    static const uid_t ids[] = {0, 1000, 1001};
    uid_t uid = ids[pick(t, 3)];
    if (!run.plain)
        become(t, uid);
}

// --- Running -------------------------------------------------------------------------------------

static void one_call(struct thread *t)
{
    static const struct {
        unsigned weight;
        void (*call)(struct thread *t);
    } calls[] = {
        {8, call_make},   {6, call_link},     {5, call_remove},    {9, call_rename},
        {8, call_stat},   {2, call_readlink}, {3, call_access},    {5, call_chmod},
        {5, call_chown},  {2, call_times},    {4, call_truncate},  {3, call_list},
        {12, call_open},  {2, call_tmpfile},  {2, call_link_open}, {4, call_fstat},
        {2, call_fchmod}, {6, call_read},     {8, call_write},     {3, call_punch},
        {2, call_map},    {5, call_map_use},  {2, call_set_attr},  {3, call_attr_of_open},
        {1, call_become},
    };
    unsigned total = 0, at;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        total += calls[i].weight;
    at = pick(t, total);
    for (size_t i = 0;; i++) {
        if (at < calls[i].weight) {
            calls[i].call(t);
            break;
        }
        at -= calls[i].weight;
    }
    t->calls++;
}

static void finish(struct thread *t)
{
    unmap(t);
    for (int i = 0; i < SLOTS; i++)
        close_slot(t, &t->slot[i]);
    if (!run.plain)
        become(t, 0);
}

static void *in_turn(void *arg)
{
    struct thread *t = arg;
    long each = run.calls / 2 / THREADS;
    while (t->calls < each) {
        pthread_mutex_lock(&run.lock);
        while (run.turn != t->number)
            pthread_cond_wait(&run.turned, &run.lock);
        pthread_mutex_unlock(&run.lock);
        for (unsigned n = 1 + pick(t, 8); n > 0 && t->calls < each; n--)
            one_call(t);
        if (t->calls >= each)
            finish(t);
        pthread_mutex_lock(&run.lock);
        run.done[t->number] = t->calls >= each;
        for (int i = 0; i < THREADS && (i == 0 || run.done[run.turn]); i++)
            run.turn = (run.turn + 1) % THREADS;
        pthread_cond_broadcast(&run.turned);
        pthread_mutex_unlock(&run.lock);
    }
    return NULL;
}

static void *at_once(void *arg)
{
    struct thread *t = arg;
    while (t->calls < run.calls / 2 / THREADS)
        one_call(t);
    finish(t);
    return NULL;
}

// --- The tree at the end -------------------------------------------------------------------------

static void compare_file(struct thread *t, int dir, const char *name, const struct m_node *n)
{
    static unsigned char buf[M_SIZE_MAX + 1];
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, buf, sizeof buf);
    judge(t, got, (long)n->size);
    if (got > 0 && (size_t)got == n->size)
        same(t, " contents", memcmp(buf, n->data, n->size), 0);
    close(fd);
}

static unsigned compare_tree(struct thread *t, int fd, const struct m_node *dir)
{
    unsigned count = 0;
    compare_list(t, dup(fd), dir);
    for (unsigned i = 0; i < M_NAMES; i++) {
        const struct m_node *n = dir->child[i];
        const char name[2] = {(char)('a' + i), 0};
        struct stat st;
        if (!n)
            continue;
        count++;
        SAY(t, "at the end, inode %o %s", n->mode, name);
        int err = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW);
        judge(t, err, 0);
        if (err)
            continue;
        compare_stat(t, &st, n);
        if (S_ISREG(n->mode))
            compare_file(t, fd, name, n);
        int sub = m_is_dir(n) ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (sub >= 0)
            count += compare_tree(t, sub, n);
        close(sub);
    }
    return count;
}

static void make_world(struct world *w, int top, const char *name)
{
    if (mkdirat(top, name, 0777) || (w->fd = openat(top, name, O_RDONLY | O_DIRECTORY)) < 0)
        abort();
    fchmod(w->fd, 0777);
    w->root = m_new(S_IFDIR | 0777, 0, 0);
    w->root->nlink = 1;
    struct stat st;
    if (!fstat(w->fd, &st)) {
        w->root->uid = st.st_uid;
        w->root->gid = st.st_gid;
    }
}

static void run_threads(struct world *worlds, bool shared)
{
    struct thread threads[THREADS];
    pthread_t ids[THREADS];
    const struct m_cred me = {geteuid(), getegid(), getegid()};
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.number = i,
                                     .random = run.seed * 31 + i * 7 + shared,
                                     .cred = me,
                                     .world = &worlds[shared ? 0 : i]};
        for (int k = 0; k < SLOTS; k++)
            threads[i].slot[k].fd = -1;
        pthread_create(&ids[i], NULL, shared ? in_turn : at_once, &threads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    unsigned count = 0;
    for (unsigned i = 0; i < (shared ? 1 : THREADS); i++)
        count += compare_tree(&threads[i], worlds[i].fd, worlds[i].root);
    printf("# %u objects at the end\n", count);
}

int main(int argc, char **argv)
{
    struct tap tap = {0, 0};
    struct world shared, apart[THREADS];
    char name[16];
    if (argc < 4)
        return 2;
    run.calls = strtol(argv[2], NULL, 10);
    run.seed = (uint32_t)strtoul(argv[3], NULL, 10);
    run.plain = geteuid() != 0 || (argc > 4 && !strcmp(argv[4], "plain"));
    umask(0);
    int top = open(argv[1], O_RDONLY | O_DIRECTORY);
    if (top < 0)
        return 2;
    make_world(&shared, top, "shared");
    run_threads(&shared, true);
    CHECK(&tap, atomic_exchange(&run.wrong, 0) == 0, "four threads in turns agree with the model");
    for (unsigned i = 0; i < THREADS; i++) {
        snprintf(name, sizeof name, "own%u", i);
        make_world(&apart[i], top, name);
    }
    run_threads(apart, false);
    CHECK(&tap, atomic_load(&run.wrong) == 0, "four threads at once agree with theirs");
    return tap_finish(&tap);
}
