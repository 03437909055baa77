// The host's descriptors and stack are a budget, whatever the guest does with its tree: what is not
// in use is not kept open, a full cache of directories stops nobody, and depth costs no stack.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/vfs_core.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <limits.h>
#include <pthread.h>

enum { DIRS = 300, DEPTH = 2000 }; // the cache of directories holds at most 256

static unsigned open_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void start(struct env *e, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct super *super;
    env_start(e);
    ISH_ASSERT(!fakefs_create(e->vfs, root, NULL, why, &super));
    env_mount_root(e, super, "fakefs");
}

static const char *dir_name(char buf[32], const char *format_name, int i)
{
    snprintf(buf, 32, "/%s%d", format_name, i);
    return buf;
}

static void test_refused_removals(struct tap *t, const struct vfs_caller *c)
{
    char name[32], child[64];
    bool fine = true;
    ISH_ASSERT(!env_mkdir(c, "/empty", 0755));
    for (int i = 0; i < DIRS; i++) {
        dir_name(name, "full", i);
        snprintf(child, sizeof child, "%s/child", name);
        ISH_ASSERT(!env_mkdir(c, name, 0755) && !env_mkdir(c, child, 0755));
        fine &= vfs_rmdir(c, NULL, name) == -LINUX_ENOTEMPTY;
        fine &= env_rename(c, "/empty", name, 0) == -LINUX_ENOTEMPTY;
    }
    CHECK(t, fine, "a directory that holds something is not removed, nor replaced");
    CHECK(t, open_fds() < DIRS, "and a refused removal leaves nothing open");
    CHECK(t, !env_put(c, "/full0/child/file", "text", 0644), "the cache still serves");
}

static void test_removed_in_use(struct tap *t, const struct vfs_caller *c)
{
    static struct file *held[DIRS];
    char name[32];
    bool fine = true;
    struct vfs_stat st;
    for (int i = 0; i < DIRS; i++) {
        dir_name(name, "gone", i);
        ISH_ASSERT(!env_mkdir(c, name, 0755));
        held[i] = env_open(c, name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
        ISH_ASSERT(held[i] && !vfs_rmdir(c, NULL, name));
    }
    for (int i = 0; i < DIRS; i++)
        fine &= !vfs_getattr(c, &held[i]->path, &st) && st.nlink == 0;
    CHECK(t, fine, "removed directories that are open can be looked at, however many");
    CHECK(t, env_holds(c, "/full0/child/file", "text") && !env_mkdir(c, "/full1/child/new", 0755),
          "and do not push the others out");
    for (int i = 0; i < DIRS; i++)
        file_put(held[i]);
}

static void test_idle_files(struct tap *t, const struct vfs_caller *c)
{
    char a[32], b[32];
    bool fine = true;
    unsigned before = open_fds();
    for (int i = 0; i < DIRS; i++) {
        dir_name(a, "file", i);
        dir_name(b, "link", i);
        ISH_ASSERT(!vfs_mknod(c, NULL, a, LINUX_S_IFREG | 0644, 0) && !env_truncate(c, a, 100));
        ISH_ASSERT(!env_link(c, a, b) && !vfs_unlink(c, NULL, a));
        fine &= env_exists(c, b);
    }
    CHECK(t, fine && open_fds() < before + 10, "files nobody has open are not open on the host");
}

// A chain of directories, with a file far down that is also known by a name at the top.
static struct file *make_chain(const struct vfs_caller *c)
{
    struct path at;
    path_get(&c->root);
    at = c->root;
    for (int i = 0; i < DEPTH; i++) {
        struct path next;
        ISH_ASSERT(!vfs_mkdir(c, &at, "d", 0755) && !path_walk(c, &at, "d", 0, &next));
        path_put(&at);
        at = next;
    }
    struct path file;
    ISH_ASSERT(!vfs_mknod(c, &at, "f", LINUX_S_IFREG | 0644, 0) &&
               !path_walk(c, &at, "f", 0, &file) && !vfs_link(c, &file, NULL, "/top"));
    path_put(&file);
    path_put(&at);
    return env_open(c, "/top", LINUX_O_RDONLY, 0);
}

struct chain {
    const struct vfs_caller *c;
    struct file *file;
};

static void *let_go(void *arg)
{
    const struct chain *chain = arg;
    file_put(chain->file);
    dentry_prune_super(chain->c->vfs, chain->c->root.mnt->super);
    return NULL;
}

// The names of the one file are all that still knows the chain; its end goes on a small stack.
static void test_depth(struct tap *t, const struct vfs_caller *c)
{
    struct chain chain = {c, make_chain(c)};
    struct vfs_stat st;
    pthread_t thread;
    pthread_attr_t attr;
    dentry_prune_super(c->vfs, c->root.mnt->super);
    ISH_ASSERT(chain.file && !pthread_attr_init(&attr) &&
               !pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 65536));
    ISH_ASSERT(!pthread_create(&thread, &attr, let_go, &chain) && !pthread_join(thread, NULL));
    pthread_attr_destroy(&attr);
    CHECK(t, !env_stat(c, "/top", &st) && st.nlink == 2,
          "a deep tree is let go of without recursion");
}

int main(void)
{
    struct tap t = {0, 0};
    struct temp_dir dir;
    struct env e;
    char root[300], why[FAKEFS_WHY_MAX];
    temp_dir_make(&dir);
    snprintf(root, sizeof root, "%s", temp_path(&dir, "root"));
    ISH_ASSERT(!fakefs_format(root, why));
    start(&e, root);
    test_refused_removals(&t, &e.root);
    test_removed_in_use(&t, &e.root);
    test_idle_files(&t, &e.root);
    test_depth(&t, &e.root);
    env_stop(&e);
    ISH_ASSERT(!host_remove_tree(dir.path));
    return tap_finish(&t);
}
