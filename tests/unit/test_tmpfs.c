// tmpfs: sparse contents coherent with mapped pages, seals, limits, directories that can be read
// while they change.
#include "platform/abi/fcntl.h"
#include "tests/unit/tap.h"
#include "tests/unit/vfs_env.h"

struct revoked {
    uint64_t first, end;
    unsigned calls;
    bool truncated;
};

static void note_revoke(void *ctx, struct inode *inode, uint64_t first, uint64_t end,
                        bool truncated)
{
    (void)inode;
    *(struct revoked *)ctx = (struct revoked){first, end, 1, truncated};
}

static void test_contents(struct tap *t, struct env *e, struct revoked *rev)
{
    const struct vfs_caller *c = &e->root;
    struct file *f = env_open(c, "/f", LINUX_O_RDWR | LINUX_O_CREAT, 0600);
    struct vfs_stat st;
    char buf[8192];
    struct frame *page = NULL, *again = NULL;
    CHECK(t,
          env_pwrite(f, "end", 3, 1 << 20) == 3 && !vfs_getattr(c, &f->path, &st) &&
              st.size == (1 << 20) + 3 && st.blocks == 8,
          "a hole takes no memory");
    CHECK(t, env_pread(f, buf, 8192, 0) == 8192 && buf[0] == 0 && buf[8191] == 0,
          "and reads as zeros");
    CHECK(t,
          file_seek(f, 0, LINUX_SEEK_DATA) == 1 << 20 && file_seek(f, 0, LINUX_SEEK_HOLE) == 0 &&
              file_seek(f, 1 << 20, LINUX_SEEK_HOLE) == (1 << 20) + 3,
          "SEEK_DATA and SEEK_HOLE see it");
    CHECK(t, file_get_page(f, 1, &page) == 0 && file_get_page(f, 1, &again) == 0 && page == again,
          "a page has one frame");
    frame_put(again);
    memcpy(page->host, "mapped", 6);
    CHECK(t, env_pread(f, buf, 6, 4096) == 6 && !memcmp(buf, "mapped", 6),
          "a store to the page is read");
    CHECK(t, env_pwrite(f, "WR", 2, 4096) == 2 && !memcmp(page->host, "WRpped", 6),
          "a write is seen in the page");
    CHECK(t, page->shared && file_get_page(f, 257, &again) == -LINUX_EFAULT,
          "past the end there is no page");
    uint32_t epoch = atomic_load(&f->inode->page_epoch);
    CHECK(t,
          file_fallocate(f->cred, f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 4097,
                         1) == 0 &&
              !memcmp(page->host, "W\0pped", 6) && atomic_load(&f->inode->page_epoch) == epoch,
          "punching one byte zeroes it");
    rev->calls = 0;
    CHECK(t,
          file_fallocate(f->cred, f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 4096,
                         4096) == 0 &&
              rev->calls == 1 && rev->first == 1 && rev->end == 2 && !rev->truncated &&
              env_pread(f, buf, 6, 4096) == 6 && buf[2] == 0,
          "punching a page revokes it");
    frame_put(page);
    CHECK(t,
          file_fallocate(f->cred, f, LINUX_FALLOC_FL_PUNCH_HOLE, 0, 1) == -LINUX_EOPNOTSUPP &&
              file_fallocate(f->cred, f, 0, 0, 0) == -LINUX_EINVAL,
          "fallocate's argument errors are Linux's");
    CHECK(t,
          file_fallocate(f->cred, f, LINUX_FALLOC_FL_KEEP_SIZE, 2 << 20, 4096) == 0 &&
              !vfs_getattr(c, &f->path, &st) && st.size == (1 << 20) + 3,
          "KEEP_SIZE keeps the size");
    CHECK(t,
          env_truncate(c, "/f", 10) == 0 && rev->first == 1 && rev->end == UINT64_MAX &&
              rev->truncated && atomic_load(&f->inode->page_epoch) > epoch,
          "truncation revokes the rest");
    CHECK(t, env_truncate(c, "/f", 4096) == 0 && env_pread(f, buf, 4096, 0) == 4096 && buf[10] == 0,
          "what comes back is zero");
    CHECK(t, env_pwrite(f, "x", 1, INT64_MAX - 1) < 0 || !env_truncate(c, "/f", 0),
          "the far end of the offsets is harmless");
    file_put(f);
}

static void test_seals(struct tap *t, struct env *e)
{
    struct file *f = env_open(&e->root, "/s", LINUX_O_RDWR | LINUX_O_CREAT, 0600);
    ISH_ASSERT(env_pwrite(f, "12345678", 8, 0) == 8);
    atomic_store(&f->inode->seals, LINUX_F_SEAL_GROW | LINUX_F_SEAL_SHRINK);
    CHECK(t, env_pwrite(f, "abcd", 4, 6) == 2 && env_pwrite(f, "x", 1, 8) == -LINUX_EPERM,
          "sealed against growing, a write stops at the end");
    CHECK(t,
          env_truncate(&e->root, "/s", 4) == -LINUX_EPERM &&
              env_truncate(&e->root, "/s", 9) == -LINUX_EPERM,
          "and the size stands");
    atomic_store(&f->inode->seals, LINUX_F_SEAL_WRITE);
    CHECK(t,
          env_pwrite(f, "x", 1, 0) == -LINUX_EPERM &&
              file_fallocate(f->cred, f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 0,
                             1) == -LINUX_EPERM,
          "sealed against writing, nothing changes it");
    file_put(f);
}

static void test_limit(struct tap *t, struct env *e)
{
    struct super *s;
    struct path at;
    struct vfs_statfs sf;
    char page[4096];
    memset(page, 7, sizeof page);
    ISH_ASSERT(!env_mkdir(&e->root, "/small", 0755) && !tmpfs_create(e->vfs, 16384, 01777, &s) &&
               !path_walk(&e->root, NULL, "/small", 0, &at) &&
               !vfs_mount(e->vfs, &at, s, "tmp", "tmpfs", 0));
    path_put(&at);
    struct file *f = env_open(&e->root, "/small/f", LINUX_O_RDWR | LINUX_O_CREAT, 0600);
    int written = 0;
    while (env_pwrite(f, page, sizeof page, (uint64_t)written * 4096) == 4096)
        written++;
    CHECK(t, written == 4 && env_pwrite(f, page, 1, 1 << 20) == -LINUX_ENOSPC,
          "a size limit is ENOSPC");
    CHECK(t,
          vfs_statfs(&f->path, &sf) == 0 && sf.blocks == 4 && sf.bfree == 0 &&
              sf.type == LINUX_TMPFS_MAGIC,
          "statfs tells");
    CHECK(t,
          vfs_unlink(&e->root, NULL, "/small/f") == 0 && vfs_statfs(&f->path, &sf) == 0 &&
              sf.bfree == 0,
          "an unlinked open file still takes room");
    file_put(f);
    ISH_ASSERT(!env_put(&e->root, "/small/g", "x", 0600));
    CHECK(t, env_holds(&e->root, "/small/g", "x"), "which its last close gives back");
}

static void test_readdir(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    char name[32];
    ISH_ASSERT(!env_mkdir(c, "/d", 0755));
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "/d/%d", i);
        ISH_ASSERT(!env_put(c, name, "", 0644));
    }
    CHECK(t, env_count(c, "/d") == 1002, "every entry is shown");
    struct file *d = env_open(c, "/d", LINUX_O_RDONLY, 0);
    struct env_list l = {.sink = {env_list_emit}, .limit = 400};
    ISH_ASSERT(!file_readdir(d, &l.sink) && l.count == 400);
    for (int i = 0; i < 1000; i++) { // everything goes away meanwhile
        snprintf(name, sizeof name, "/d/%d", i);
        ISH_ASSERT(!vfs_unlink(c, NULL, name));
    }
    ISH_ASSERT(!env_put(c, "/d/late", "", 0644));
    l.count = 0;
    CHECK(t, file_readdir(d, &l.sink) == 0 && l.count == 1, "reading goes on where it stopped");
    CHECK(t, file_seek(d, 0, LINUX_SEEK_SET) == 0, "a directory is rewound");
    l.count = 0;
    CHECK(t, file_readdir(d, &l.sink) == 0 && l.count == 3, "and read again");
    file_put(d);
}

static void test_xattr(struct tap *t, struct env *e)
{
    const struct vfs_caller *r = &e->root, *u = &e->user;
    struct path p;
    char buf[64];
    ISH_ASSERT(!env_put(r, "/x", "", 0644) && !path_walk(r, NULL, "/x", 0, &p));
    CHECK(t, vfs_getxattr(r, &p, "user.a", buf, 64) == -LINUX_ENODATA, "none is ENODATA");
    CHECK(t, vfs_setxattr(r, &p, "user.a", "value", 5, LINUX_XATTR_REPLACE) == -LINUX_ENODATA,
          "REPLACE wants one");
    CHECK(t,
          vfs_setxattr(r, &p, "user.a", "value", 5, 0) == 0 &&
              vfs_getxattr(r, &p, "user.a", buf, 64) == 5 && !memcmp(buf, "value", 5),
          "a value comes back");
    CHECK(t, vfs_setxattr(r, &p, "user.a", "v", 1, LINUX_XATTR_CREATE) == -LINUX_EEXIST,
          "CREATE wants none");
    CHECK(t,
          vfs_getxattr(r, &p, "user.a", NULL, 0) == 5 &&
              vfs_getxattr(r, &p, "user.a", buf, 4) == -LINUX_ERANGE,
          "size query and ERANGE");
    CHECK(t,
          vfs_setxattr(r, &p, "foo.a", "v", 1, 0) == -LINUX_EOPNOTSUPP &&
              vfs_setxattr(r, &p, "", "v", 1, 0) == -LINUX_ERANGE,
          "unknown name space, empty name");
    CHECK(t,
          vfs_setxattr(u, &p, "user.b", "v", 1, 0) == -LINUX_EACCES &&
              vfs_setxattr(u, &p, "trusted.b", "v", 1, 0) == -LINUX_EPERM &&
              vfs_getxattr(u, &p, "trusted.b", buf, 1) == -LINUX_ENODATA,
          "rights are asked for");
    CHECK(t,
          vfs_setxattr(r, &p, "trusted.b", "v", 1, 0) == 0 && vfs_listxattr(r, &p, buf, 64) == 17 &&
              vfs_listxattr(u, &p, buf, 64) == 7,
          "trusted names are listed to root alone");
    CHECK(t,
          vfs_removexattr(r, &p, "user.a") == 0 &&
              vfs_removexattr(r, &p, "user.a") == -LINUX_ENODATA,
          "removal removes");
    path_put(&p);
    ISH_ASSERT(!vfs_symlink(r, "x", NULL, "/ln") && !path_walk(r, NULL, "/ln", 0, &p));
    CHECK(t,
          vfs_setxattr(r, &p, "user.a", "v", 1, 0) == -LINUX_EPERM &&
              vfs_getxattr(r, &p, "user.a", buf, 1) == -LINUX_ENODATA,
          "symlinks have no user attributes");
    path_put(&p);
}

static bool follow(const struct vfs_caller *c, const char *name)
{
    struct path p;
    if (path_walk(c, NULL, name, 0, &p))
        return false;
    path_put(&p);
    return true;
}

static void test_link_times(struct tap *t, struct env *e)
{
    const struct vfs_caller *r = &e->root;
    const struct vfs_setattr set = {.mask = ATTR_ATIME | ATTR_MTIME, .atime = 5, .mtime = 7};
    struct vfs_stat st, first, second;
    struct path p;
    ISH_ASSERT(!env_mkdir(r, "/lt", 0755) && !vfs_symlink(r, ".", NULL, "/lt/ln"));
    ISH_ASSERT(!path_walk(r, NULL, "/lt/ln", 0, &p) && !vfs_setattr(r, &p, &set, false));
    path_put(&p);
    CHECK(t, !env_stat(r, "/lt/ln", &st) && st.atime == 5, "a symlink that is named is not read");
    ISH_ASSERT(follow(r, "/lt/ln/.") && !env_stat(r, "/lt/ln", &first));
    ISH_ASSERT(follow(r, "/lt/ln/.") && !env_stat(r, "/lt/ln", &second));
    CHECK(t, first.atime > first.mtime && second.atime == first.atime,
          "one that is followed is, which shows the first time after a change");
}

int main(void)
{
    struct tap t = {0, 0};
    struct env e;
    struct super *s;
    struct revoked revoked = {0};
    env_start(&e);
    vfs_set_hooks(e.vfs, &(struct vfs_hooks){&revoked, note_revoke});
    ISH_ASSERT(!tmpfs_create(e.vfs, 0, 0755, &s));
    env_mount_root(&e, s, "tmpfs");
    test_contents(&t, &e, &revoked);
    test_seals(&t, &e);
    test_limit(&t, &e);
    test_readdir(&t, &e);
    test_xattr(&t, &e);
    test_link_times(&t, &e);
    env_stop(&e);
    return tap_finish(&t);
}
