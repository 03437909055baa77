// Path walks, permissions, names and attributes behave as on Linux, whatever holds the files.
#include "fs/fakefs/fakefs.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"

static void test_walk(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct path p;
    char name[256], deep[LINUX_PATH_MAX + 2];
    CHECK(t, env_mkdir(c, "/a", 0755) == 0 && env_mkdir(c, "/a/b", 0755) == 0, "mkdir makes");
    CHECK(t, env_mkdir(c, "/a", 0755) == -LINUX_EEXIST, "mkdir of what is there is EEXIST");
    CHECK(t, env_mkdir(c, "/a/..", 0755) == -LINUX_EEXIST, "mkdir of .. is EEXIST");
    CHECK(t, env_mkdir(c, "/", 0755) == -LINUX_EEXIST, "mkdir of / is EEXIST");
    CHECK(t, env_mkdir(c, "/no/x", 0755) == -LINUX_ENOENT, "a missing parent is ENOENT");
    CHECK(t, env_mkdir(c, "/a/c/", 0755) == 0, "mkdir takes a trailing slash");
    CHECK(t, env_put(c, "/a/f", "hello", 0644) == 0, "open creates");
    CHECK(t, env_holds(c, "/a/b/../f", "hello"), ".. goes to the parent");
    CHECK(t, env_holds(c, "/../../a//./f", "hello"), ".. stops at the root");
    CHECK(t, env_try_open(c, "/a/f/", LINUX_O_RDONLY, 0) == -LINUX_ENOTDIR,
          "a slash after a file is ENOTDIR");
    CHECK(t, env_try_open(c, "/a/f/.", LINUX_O_RDONLY, 0) == -LINUX_ENOTDIR, "so is /.");
    CHECK(t, env_try_open(c, "/a/new/", LINUX_O_WRONLY | LINUX_O_CREAT, 0644) == -LINUX_EISDIR,
          "O_CREAT with a trailing slash is EISDIR");
    CHECK(t, env_try_open(c, "", LINUX_O_RDONLY, 0) == -LINUX_ENOENT, "no name is ENOENT");
    memset(name, 'x', sizeof name - 1);
    name[0] = '/', name[255] = 0;
    CHECK(t, env_mkdir(c, name, 0755) == 0, "a name may have 254 bytes");
    char longer[300];
    memset(longer, 'y', sizeof longer);
    longer[0] = '/', longer[257] = 0;
    CHECK(t, env_mkdir(c, longer, 0755) == -LINUX_ENAMETOOLONG, "256 bytes are ENAMETOOLONG");
    memset(deep, '/', sizeof deep);
    deep[LINUX_PATH_MAX + 1] = 0;
    CHECK(t, path_walk(c, NULL, deep, 0, &p) == -LINUX_ENAMETOOLONG, "so is a path of 4097");
    deep[LINUX_PATH_MAX - 1] = 0;
    CHECK(t, path_walk(c, NULL, deep, 0, &p) == 0, "4095 bytes are not");
    path_put(&p);
}

static void test_symlinks(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct path p;
    char buf[64], name[16];
    CHECK(t, vfs_symlink(c, "a/f", NULL, "/rel") == 0 && env_holds(c, "/rel", "hello"),
          "a relative symlink is followed");
    CHECK(t, vfs_symlink(c, "/a", NULL, "/abs") == 0 && env_holds(c, "/abs/f", "hello"),
          "an absolute one too, in the middle");
    CHECK(t,
          vfs_symlink(c, "../../../a/./b/../f", NULL, "/up") == 0 && env_holds(c, "/up", "hello"),
          "dots inside a symlink work");
    CHECK(t, vfs_symlink(c, "", NULL, "/e") == -LINUX_ENOENT, "an empty target is ENOENT");
    CHECK(t, env_try_open(c, "/rel", LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0) == -LINUX_ELOOP,
          "O_NOFOLLOW on a symlink is ELOOP");
    CHECK(t,
          env_holds(c, "/abs//f", "hello") &&
              env_try_open(c, "/abs/", LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0) == 0,
          "a trailing slash follows all the same");
    CHECK(t,
          path_walk(c, NULL, "/rel", 0, &p) == 0 && vfs_readlink(c, &p, buf, sizeof buf) == 3 &&
              !memcmp(buf, "a/f", 3),
          "readlink gives the text");
    CHECK(t, vfs_readlink(c, &p, buf, 2) == 2, "cut to the buffer");
    path_put(&p);
    CHECK(t,
          vfs_symlink(c, "self", NULL, "/self") == 0 &&
              env_try_open(c, "/self", LINUX_O_RDONLY, 0) == -LINUX_ELOOP,
          "a link to itself is ELOOP");
    CHECK(t, vfs_symlink(c, "/a/f", NULL, "/l0") == 0, "a chain begins");
    for (int i = 1; i <= 40; i++) {
        char target[16];
        snprintf(target, sizeof target, "l%d", i - 1);
        snprintf(name, sizeof name, "/l%d", i);
        ISH_ASSERT(!vfs_symlink(c, target, NULL, name));
    }
    CHECK(t, env_holds(c, "/l39", "hello"), "40 links are followed");
    CHECK(t, env_try_open(c, "/l40", LINUX_O_RDONLY, 0) == -LINUX_ELOOP, "41 are ELOOP");
    CHECK(t,
          vfs_symlink(c, "/a/made", NULL, "/dangling") == 0 &&
              env_try_open(c, "/dangling", LINUX_O_RDONLY, 0) == -LINUX_ENOENT,
          "a dangling link is ENOENT");
    CHECK(t,
          env_try_open(c, "/dangling", LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL, 0644) ==
              -LINUX_EEXIST,
          "O_EXCL does not follow it");
    CHECK(t, env_put(c, "/dangling", "x", 0644) == 0 && env_holds(c, "/a/made", "x"),
          "O_CREAT makes what it points to");
}

static void test_resolve_flags(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct path base, p;
    ISH_ASSERT(!path_walk(c, NULL, "/a", 0, &base));
    ISH_ASSERT(!vfs_symlink(c, "../a/f", NULL, "/a/out") && !vfs_symlink(c, "/f", NULL, "/a/top"));
    CHECK(t, path_walk(c, &base, "b/../f", WALK_BENEATH, &p) == 0, "BENEATH allows .. inside");
    path_put(&p);
    CHECK(t, path_walk(c, &base, "../a/f", WALK_BENEATH, &p) == -LINUX_EXDEV, "not out of it");
    CHECK(t, path_walk(c, &base, "/a/f", WALK_BENEATH, &p) == -LINUX_EXDEV, "nor absolute names");
    CHECK(t, path_walk(c, &base, "out", WALK_BENEATH | WALK_FOLLOW, &p) == -LINUX_EXDEV,
          "nor by a symlink");
    CHECK(t, path_walk(c, &base, "/../f", WALK_IN_ROOT, &p) == 0, "IN_ROOT is a root of its own");
    path_put(&p);
    CHECK(t, path_walk(c, &base, "top", WALK_IN_ROOT | WALK_FOLLOW, &p) == 0,
          "for symlinks as well");
    path_put(&p);
    CHECK(t, path_walk(c, &base, "out", WALK_NO_SYMLINKS | WALK_FOLLOW, &p) == -LINUX_ELOOP,
          "NO_SYMLINKS is ELOOP");
    CHECK(t, path_walk(c, &base, "", WALK_EMPTY, &p) == 0 && path_inode(&p) == path_inode(&base),
          "an empty path can mean the base");
    path_put(&p);
    struct vfs_caller jailed = *c;
    jailed.root = jailed.cwd = base;
    CHECK(t, env_holds(&jailed, "/../../f", "hello"), "chroot holds ..");
    path_put(&base);
}

static void test_names(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct path p, a;
    char buf[64];
    ISH_ASSERT(!env_mkdir(c, "/n", 0755) && !env_mkdir(c, "/n/m", 0755));
    ISH_ASSERT(!path_walk(c, NULL, "/n/m", 0, &p) && !path_walk(c, NULL, "/a", 0, &a));
    CHECK(t, path_name(&p, &c->root, buf, sizeof buf) == 4 && !strcmp(buf, "/n/m"),
          "a place has its name");
    CHECK(t, path_name(&c->root, &c->root, buf, sizeof buf) == 1 && !strcmp(buf, "/"), "so has /");
    CHECK(t, path_name(&p, &c->root, buf, 4) == -LINUX_ERANGE, "a small buffer is ERANGE");
    CHECK(t,
          path_name(&p, &a, buf, sizeof buf) == -LINUX_ENOENT && !strcmp(buf, "(unreachable)/n/m"),
          "what is not below the root says so");
    ISH_ASSERT(!env_rename(c, "/n", "/renamed", 0));
    CHECK(t, path_name(&p, &c->root, buf, sizeof buf) > 0 && !strcmp(buf, "/renamed/m"),
          "the name follows a rename above");
    ISH_ASSERT(!vfs_rmdir(c, NULL, "/renamed/m"));
    CHECK(t,
          path_name(&p, &c->root, buf, sizeof buf) == -LINUX_ENOENT &&
              !strcmp(buf, "/renamed/m (deleted)"),
          "a deleted one says so");
    struct vfs_caller inside = *c;
    inside.cwd = p;
    CHECK(t, env_mkdir(&inside, "x", 0755) == -LINUX_ENOENT, "nothing is made in a removed dir");
    CHECK(t, env_exists(&inside, "."), "it still is");
    path_put(&p);
    path_put(&a);
}

static void test_permissions(struct tap *t, struct env *e)
{
    const struct vfs_caller *r = &e->root, *u = &e->user;
    ISH_ASSERT(!env_mkdir(r, "/p", 0755) && !env_put(r, "/p/f", "x", 0640));
    CHECK(t, env_try_open(u, "/p/f", LINUX_O_RDONLY, 0) == -LINUX_EACCES, "others may not read");
    ISH_ASSERT(!env_chown(r, "/p/f", 0, 50));
    CHECK(t, env_try_open(u, "/p/f", LINUX_O_RDONLY, 0) == 0, "a supplementary group may");
    CHECK(t, env_try_open(u, "/p/f", LINUX_O_RDWR, 0) == -LINUX_EACCES, "but not write");
    ISH_ASSERT(!env_chown(r, "/p/f", 1000, 50) && !env_chmod(r, "/p/f", 0044));
    CHECK(t, env_try_open(u, "/p/f", LINUX_O_RDONLY, 0) == -LINUX_EACCES,
          "the owner's bits decide for the owner");
    CHECK(t, env_put(u, "/p/new", "", 0644) == -LINUX_EACCES, "creating needs a writable dir");
    CHECK(t, vfs_unlink(u, NULL, "/p/f") == -LINUX_EACCES, "so does removing");
    ISH_ASSERT(!env_chmod(r, "/p", 01777));
    CHECK(t, env_put(u, "/p/mine", "", 0666) == 0 && env_mode(u, "/p/mine") == 0100644,
          "umask applies");
    CHECK(t, env_put(r, "/p/his", "", 0666) == 0 && vfs_unlink(u, NULL, "/p/his") == -LINUX_EPERM,
          "sticky: not what another owns");
    CHECK(t, env_rename(u, "/p/his", "/p/x", 0) == -LINUX_EPERM, "nor rename it");
    CHECK(t, vfs_unlink(u, NULL, "/p/mine") == 0, "one's own is fine");
    ISH_ASSERT(!env_mkdir(r, "/q", 0700));
    CHECK(t, env_try_open(u, "/q/x", LINUX_O_RDONLY, 0) == -LINUX_EACCES, "search needs x");
    CHECK(t, env_chmod(u, "/p/his", 0777) == -LINUX_EPERM, "chmod is the owner's");
    CHECK(t, env_chown(u, "/p/f", 0, 0) == -LINUX_EPERM, "chown away is not allowed");
    CHECK(t, env_setattr(u, "/p/f", &(struct vfs_setattr){.mask = ATTR_GID, .gid = 1000}) == 0,
          "chgrp to one's own group is");
    struct path p;
    ISH_ASSERT(!env_put(r, "/p/prog", "", 0644) && !path_walk(r, NULL, "/p/prog", 0, &p));
    CHECK(t, vfs_permission(r, &p, LINUX_X_OK) == -LINUX_EACCES, "root needs one x to execute");
    CHECK(t, vfs_permission(r, &p, LINUX_R_OK | LINUX_W_OK) == 0, "and nothing to read and write");
    path_put(&p);
}

static void test_setid(struct tap *t, struct env *e)
{
    const struct vfs_caller *r = &e->root, *u = &e->user;
    ISH_ASSERT(!env_mkdir(r, "/g", 0755) && !env_chown(r, "/g", 1000, 50) &&
               !env_chmod(r, "/g", 02775));
    struct vfs_stat st;
    ISH_ASSERT(!env_put(u, "/g/f", "", 0644) && !env_stat(u, "/g/f", &st));
    CHECK(t, st.gid == 50, "a set-gid directory gives its group");
    ISH_ASSERT(!env_mkdir(u, "/g/d", 0755) && !env_stat(u, "/g/d", &st));
    CHECK(t, st.gid == 50 && st.mode == 042755, "and directories inherit the bit");
    ISH_ASSERT(!env_chmod(r, "/g/f", 06755));
    CHECK(t, env_mode(r, "/g/f") == 0106755, "chmod sets both bits");
    struct file *f = env_open(u, "/g/f", LINUX_O_WRONLY, 0);
    CHECK(t, f && env_write(f, "x") == 1 && env_mode(r, "/g/f") == 0100755,
          "a write by an ordinary user clears them");
    file_put(f);
    ISH_ASSERT(!env_chmod(r, "/g/f", 06755) && !env_chown(r, "/g/f", 1000, 50));
    CHECK(t, env_mode(r, "/g/f") == 0100755, "so does chown, even root's");
    ISH_ASSERT(!env_chmod(r, "/g/f", 04755) && !env_put(r, "/g/f", "y", 0));
    CHECK(t, env_mode(r, "/g/f") == 0104755, "root's write does not");
    ISH_ASSERT(!env_chown(r, "/g/f", 1000, 77));
    CHECK(t, env_chmod(u, "/g/f", 02755) == 0 && env_mode(u, "/g/f") == 0100755,
          "set-gid is dropped for a group one is not in");
}

static void test_remove(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    ISH_ASSERT(!env_mkdir(c, "/r", 0755) && !env_mkdir(c, "/r/d", 0755) &&
               !env_put(c, "/r/f", "text", 0644));
    CHECK(t, vfs_unlink(c, NULL, "/r/d") == -LINUX_EISDIR, "unlink of a directory is EISDIR");
    CHECK(t, vfs_rmdir(c, NULL, "/r/f") == -LINUX_ENOTDIR, "rmdir of a file is ENOTDIR");
    CHECK(t, vfs_rmdir(c, NULL, "/r") == -LINUX_ENOTEMPTY, "rmdir of a full one is ENOTEMPTY");
    CHECK(t,
          vfs_rmdir(c, NULL, "/r/d/.") == -LINUX_EINVAL &&
              vfs_rmdir(c, NULL, "/r/d/..") == -LINUX_ENOTEMPTY &&
              vfs_rmdir(c, NULL, "/") == -LINUX_EBUSY,
          "dots and the root have errors of their own");
    CHECK(t,
          vfs_unlink(c, NULL, "/r/f/") == -LINUX_ENOTDIR &&
              vfs_unlink(c, NULL, "/r/no/") == -LINUX_ENOENT,
          "so have slashes");
    struct file *f = env_open(c, "/r/f", LINUX_O_RDWR, 0);
    struct vfs_stat st;
    char buf[8];
    CHECK(t, vfs_unlink(c, NULL, "/r/f") == 0 && !env_exists(c, "/r/f"), "unlink removes");
    CHECK(t, env_pread(f, buf, 8, 0) == 4 && env_pwrite(f, "more", 4, 4) == 4,
          "an open file lives on");
    CHECK(t, vfs_getattr(c, &f->path, &st) == 0 && st.nlink == 0 && st.size == 8, "without a name");
    CHECK(t, vfs_link(c, &f->path, NULL, "/r/back") == -LINUX_ENOENT, "and gets none back");
    CHECK(t, env_put(c, "/r/f", "new", 0644) == 0 && env_pread(f, buf, 8, 0) == 8,
          "a new one of the name is another");
    file_put(f);
    ISH_ASSERT(!env_link(c, "/r/f", "/r/g"));
    CHECK(t,
          env_stat(c, "/r/g", &st) == 0 && st.nlink == 2 && vfs_unlink(c, NULL, "/r/f") == 0 &&
              env_holds(c, "/r/g", "new"),
          "a hard link keeps the object");
    CHECK(t, env_link(c, "/r", "/rr") == -LINUX_EPERM, "directories have none");
    CHECK(t, env_link(c, "/r/g", "/r/d") == -LINUX_EEXIST, "nor over something");
    struct file *tmp = env_open(c, "/r", LINUX_O_TMPFILE | LINUX_O_RDWR, 0600);
    CHECK(t, tmp && env_write(tmp, "unnamed") == 7 && env_count(c, "/r") == 4,
          "O_TMPFILE makes a file without a name");
    CHECK(t,
          tmp && vfs_link(c, &tmp->path, NULL, "/r/named") == 0 &&
              env_holds(c, "/r/named", "unnamed"),
          "that can be given one");
    file_put(tmp);
    tmp = env_open(c, "/r", LINUX_O_TMPFILE | LINUX_O_RDWR | LINUX_O_EXCL, 0600);
    CHECK(t, tmp && vfs_link(c, &tmp->path, NULL, "/r/no") == -LINUX_ENOENT, "unless O_EXCL");
    file_put(tmp);
}

static void test_rename(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    ISH_ASSERT(!env_mkdir(c, "/m", 0755) && !env_mkdir(c, "/m/d", 0755) &&
               !env_mkdir(c, "/m/e", 0755) && !env_put(c, "/m/1", "one", 0644) &&
               !env_put(c, "/m/2", "two", 0644) && !env_put(c, "/m/d/f", "deep", 0644));
    CHECK(t,
          env_rename(c, "/m/1", "/m/d/1", 0) == 0 && env_holds(c, "/m/d/1", "one") &&
              !env_exists(c, "/m/1"),
          "a rename moves across directories");
    CHECK(t, env_rename(c, "/m/d/1", "/m/2", LINUX_RENAME_NOREPLACE) == -LINUX_EEXIST,
          "NOREPLACE does not replace");
    CHECK(t,
          env_rename(c, "/m/d/1", "/m/2", LINUX_RENAME_EXCHANGE) == 0 &&
              env_holds(c, "/m/2", "one") && env_holds(c, "/m/d/1", "two"),
          "EXCHANGE swaps");
    CHECK(t, env_rename(c, "/m/d/1", "/m/2", 0) == 0 && env_holds(c, "/m/2", "two"),
          "a plain one replaces");
    CHECK(t, env_rename(c, "/m/d", "/m/d/x", 0) == -LINUX_EINVAL, "not into itself");
    CHECK(t,
          env_rename(c, "/m/2", "/m/d", 0) == -LINUX_EISDIR &&
              env_rename(c, "/m/d", "/m/2", 0) == -LINUX_ENOTDIR,
          "kinds must fit");
    CHECK(t, env_rename(c, "/m/e", "/m/d", 0) == -LINUX_ENOTEMPTY, "the target must be empty");
    CHECK(t, env_rename(c, "/m/d/f", "/m", 0) == -LINUX_ENOTEMPTY, "an ancestor is never empty");
    CHECK(t,
          env_rename(c, "/m/d", "/m/e", 0) == 0 && env_holds(c, "/m/e/f", "deep") &&
              env_holds(c, "/m/e/../2", "two"),
          "an empty directory is replaced, .. is right");
    CHECK(t, env_rename(c, "/m/2", "/m/2", 0) == 0, "onto itself is nothing");
    ISH_ASSERT(!env_link(c, "/m/2", "/m/3"));
    CHECK(t, env_rename(c, "/m/2", "/m/3", 0) == 0 && env_exists(c, "/m/2"),
          "onto another name of the same object is nothing");
    CHECK(t,
          env_rename(c, "/m/2", "/m/x/", 0) == -LINUX_ENOTDIR &&
              env_rename(c, "/m/e/", "/m/y/", 0) == 0,
          "slashes are for directories");
    CHECK(t,
          env_rename(c, "/m/.", "/m/z", 0) == -LINUX_EBUSY &&
              env_rename(c, "/m/y", "/m/..", 0) == -LINUX_EBUSY,
          "dots are EBUSY");
    CHECK(t, env_rename(c, "/m/nope", "/m/z", 0) == -LINUX_ENOENT, "nothing is ENOENT");
    struct vfs_stat st;
    CHECK(t,
          env_rename(c, "/m/2", "/m/z", LINUX_RENAME_WHITEOUT) == 0 && !env_stat(c, "/m/2", &st) &&
              (st.mode & LINUX_S_IFMT) == LINUX_S_IFCHR && st.rdev == 0,
          "WHITEOUT leaves a device 0:0 behind, as tmpfs and ext4 do");
}

static void test_mounts(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct super *s;
    struct path at, p;
    char buf[64];
    ISH_ASSERT(!env_mkdir(c, "/mnt", 0755) && !env_put(c, "/mnt/under", "u", 0644) &&
               !tmpfs_create(e->vfs, 0, 0755, &s) && !path_walk(c, NULL, "/mnt", 0, &at));
    CHECK(t, vfs_mount(e->vfs, &at, s, "tmp", "tmpfs", 0) == 0 && !env_exists(c, "/mnt/under"),
          "a mount covers its point");
    ISH_ASSERT(!env_put(c, "/mnt/f", "inner", 0644));
    CHECK(t, env_holds(c, "/mnt/../mnt/f", "inner"), ".. leads out of a mount");
    ISH_ASSERT(!path_walk(c, NULL, "/mnt/f", 0, &p));
    CHECK(t, path_name(&p, &c->root, buf, sizeof buf) > 0 && !strcmp(buf, "/mnt/f"),
          "names cross mounts");
    path_put(&p);
    CHECK(t,
          env_rename(c, "/mnt/f", "/f", 0) == -LINUX_EXDEV &&
              env_link(c, "/mnt/f", "/f") == -LINUX_EXDEV,
          "rename and link do not");
    CHECK(t, path_walk(c, NULL, "/mnt/f", WALK_NO_XDEV, &p) == -LINUX_EXDEV, "nor NO_XDEV");
    CHECK(t, vfs_rmdir(c, NULL, "/mnt") == -LINUX_EBUSY, "a mount point is busy");
    struct path root, bind;
    ISH_ASSERT(!env_mkdir(c, "/bind", 0755) && !path_walk(c, NULL, "/bind", 0, &bind) &&
               !path_walk(c, NULL, "/mnt", 0, &root));
    CHECK(t,
          vfs_bind(e->vfs, &root, &bind, MOUNT_RDONLY, false) == 0 &&
              env_holds(c, "/bind/f", "inner"),
          "a bind mount shows the same tree");
    CHECK(t,
          env_put(c, "/bind/g", "", 0644) == -LINUX_EROFS &&
              env_try_open(c, "/bind/f", LINUX_O_RDWR, 0) == -LINUX_EROFS &&
              vfs_unlink(c, NULL, "/bind/f") == -LINUX_EROFS &&
              env_chmod(c, "/bind/f", 0777) == -LINUX_EROFS,
          "a read-only view refuses writes");
    CHECK(t, env_put(c, "/bind/f", "", 0644) == -LINUX_EROFS, "O_CREAT of what is there too");
    struct file *f = env_open(c, "/bind/f", LINUX_O_RDONLY, 0);
    struct path up;
    ISH_ASSERT(!path_walk(c, NULL, "/bind", 0, &up));
    CHECK(t, vfs_umount(e->vfs, &up, false) == -LINUX_EBUSY, "an open file keeps it busy");
    CHECK(t, vfs_umount(e->vfs, &up, true) == 0 && env_count(c, "/bind") == 2,
          "a lazy umount does not wait");
    CHECK(t, env_pread(f, buf, 8, 0) == 5, "and the file stays");
    file_put(f);
    path_put(&up);
    path_put(&bind);
    CHECK(t, vfs_umount(e->vfs, &root, false) == 0 && env_exists(c, "/mnt/under"),
          "umount uncovers");
    path_put(&root);
    path_put(&at);
}

static void test_devices(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct super *s;
    struct path at;
    ISH_ASSERT(!env_mkdir(c, "/dev", 0755) && !devfs_create(e->vfs, &s) &&
               !path_walk(c, NULL, "/dev", 0, &at) &&
               !vfs_mount(e->vfs, &at, s, "dev", "devtmpfs", 0));
    path_put(&at);
    char buf[64], other[64];
    struct file *f = env_open(&e->user, "/dev/zero", LINUX_O_RDWR, 0);
    memset(buf, 1, sizeof buf);
    memset(other, 0, sizeof other);
    CHECK(t, f && env_pread(f, buf, 64, 0) == 64 && !memcmp(buf, other, 64), "zero gives zeros");
    file_put(f);
    f = env_open(c, "/dev/null", LINUX_O_RDWR, 0);
    CHECK(t, f && env_write(f, "gone") == 4 && env_pread(f, buf, 64, 0) == 0, "null swallows");
    file_put(f);
    f = env_open(c, "/dev/full", LINUX_O_RDWR, 0);
    CHECK(t, f && env_write(f, "x") == -LINUX_ENOSPC, "full is full");
    file_put(f);
    f = env_open(c, "/dev/urandom", LINUX_O_RDONLY, 0);
    CHECK(t, f && env_pread(f, buf, 64, 0) == 64 && memcmp(buf, other, 64), "random is not zero");
    file_put(f);
    CHECK(t,
          vfs_mknod(&e->user, NULL, "/p/dev", LINUX_S_IFCHR | 0666, vfs_makedev(1, 3)) ==
              -LINUX_EPERM,
          "devices are root's to make");
    CHECK(t,
          vfs_mknod(c, NULL, "/p/dev", LINUX_S_IFCHR | 0666, vfs_makedev(200, 7)) == 0 &&
              env_try_open(c, "/p/dev", LINUX_O_RDONLY, 0) == -LINUX_ENXIO,
          "a number nobody serves is ENXIO");
    CHECK(t,
          vfs_mknod(&e->user, NULL, "/p/sock", LINUX_S_IFSOCK | 0666, 0) == 0 &&
              env_try_open(c, "/p/sock", LINUX_O_RDONLY, 0) == -LINUX_ENXIO,
          "so is a socket");
}

static void test_open(struct tap *t, struct env *e)
{
    const struct vfs_caller *c = &e->root;
    struct file *f;
    char buf[16];
    ISH_ASSERT(!env_put(c, "/o", "0123456789", 0644));
    CHECK(t, env_try_open(c, "/", LINUX_O_RDWR, 0) == -LINUX_EISDIR,
          "directories: not for writing");
    CHECK(t, env_try_open(c, "/o", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0) == -LINUX_ENOTDIR,
          "O_DIRECTORY wants one");
    CHECK(t, env_try_open(c, "/o", LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL, 0) == -LINUX_EEXIST,
          "O_EXCL wants none");
    CHECK(t, (f = env_open(c, "/new", LINUX_O_RDWR | LINUX_O_CREAT, 0)) && env_write(f, "x") == 1,
          "a file made with mode 0 is open for writing");
    file_put(f);
    f = env_open(c, "/o", LINUX_O_RDWR | LINUX_O_APPEND, 0);
    CHECK(t, env_pwrite(f, "ab", 2, 0) == 2 && env_holds(c, "/o", "0123456789ab"),
          "O_APPEND writes to the end");
    CHECK(t,
          file_seek(f, -2, LINUX_SEEK_END) == 10 && file_seek(f, 3, LINUX_SEEK_CUR) == 13 &&
              file_seek(f, -20, LINUX_SEEK_CUR) == -LINUX_EINVAL,
          "seeks add up");
    CHECK(t,
          file_seek(f, 0, LINUX_SEEK_DATA) == 0 && file_seek(f, 0, LINUX_SEEK_HOLE) == 12 &&
              file_seek(f, 12, LINUX_SEEK_DATA) == -LINUX_ENXIO,
          "data and holes are found");
    file_put(f);
    f = env_open(c, "/o", LINUX_O_PATH, 0);
    CHECK(t, f && env_pread(f, buf, 1, 0) == -LINUX_EBADF && env_write(f, "x") == -LINUX_EBADF,
          "O_PATH moves no data");
    file_put(f);
    f = env_open(c, "/rel", LINUX_O_PATH | LINUX_O_NOFOLLOW, 0);
    CHECK(t, f && LINUX_S_ISLNK(f->inode->type), "with O_NOFOLLOW it opens a symlink itself");
    file_put(f);
    CHECK(t,
          inode_deny_write((f = env_open(c, "/o", LINUX_O_RDONLY, 0))->inode) == 0 &&
              env_try_open(c, "/o", LINUX_O_WRONLY, 0) == -LINUX_ETXTBSY,
          "a running program is ETXTBSY");
    inode_allow_write(f->inode);
    CHECK(t, env_put(c, "/o", "", 0644) == 0 && env_pread(f, buf, 16, 0) == 0, "O_TRUNC empties");
    file_put(f);
}

int main(int argc, char **argv)
{
    struct tap t = {0, 0};
    struct env e;
    struct super *s;
    struct temp_dir dir = {""};
    bool fakefs = argc > 1 && !strcmp(argv[1], "fakefs");
    env_start(&e);
    if (fakefs) {
        char why[FAKEFS_WHY_MAX];
        temp_dir_make(&dir);
        ISH_ASSERT(!fakefs_format(temp_path(&dir, "root"), why));
        ISH_ASSERT(!fakefs_create(e.vfs, temp_path(&dir, "root"), NULL, why, &s));
    } else {
        ISH_ASSERT(!tmpfs_create(e.vfs, 0, 0755, &s));
    }
    env_mount_root(&e, s, argv[1]);
    test_walk(&t, &e);
    test_symlinks(&t, &e);
    test_resolve_flags(&t, &e);
    test_names(&t, &e);
    test_permissions(&t, &e);
    test_setid(&t, &e);
    test_remove(&t, &e);
    test_rename(&t, &e);
    test_mounts(&t, &e);
    test_devices(&t, &e);
    test_open(&t, &e);
    env_stop(&e);
    if (fakefs)
        temp_dir_remove(&dir);
    return tap_finish(&t);
}
