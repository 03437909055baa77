// Advisory locks: ranges split and join, conflicts are reported, circles are refused.
#include "tests/unit/tap.h"
#include "tests/unit/vfs_env.h"

static int owner_a, owner_b, owner_c; // addresses are all that counts

static int lock(struct inode *i, const void *owner, uint32_t type, uint64_t start, uint64_t end)
{
    struct vfs_lock want = {start, end, type, owner, 7};
    return vfs_lock_posix(i, &want, NULL, NULL);
}

static uint32_t test(struct inode *i, const void *owner, uint32_t type, uint64_t start,
                     uint64_t end, struct vfs_lock *got)
{
    struct vfs_lock want = {start, end, type, owner, 7};
    vfs_lock_test(i, &want, got);
    return got->type;
}

static void test_ranges(struct tap *t, struct inode *i)
{
    struct vfs_lock got;
    CHECK(t, lock(i, &owner_a, LINUX_F_WRLCK, 0, 99) == 0, "a write lock is had");
    CHECK(t, lock(i, &owner_b, LINUX_F_RDLCK, 50, 60) == -LINUX_EAGAIN, "another owner conflicts");
    CHECK(t, lock(i, &owner_b, LINUX_F_RDLCK, 100, 200) == 0, "not beside it");
    CHECK(t, lock(i, &owner_a, LINUX_F_UNLCK, 40, 59) == 0, "a hole is cut");
    CHECK(t, lock(i, &owner_b, LINUX_F_WRLCK, 40, 59) == 0, "which others may take");
    CHECK(t,
          test(i, &owner_c, LINUX_F_WRLCK, 60, 70, &got) == LINUX_F_WRLCK && got.start == 60 &&
              got.end == 99 && got.owner == &owner_a && got.pid == 7,
          "F_GETLK names the piece in the way");
    CHECK(t,
          lock(i, &owner_b, LINUX_F_UNLCK, 0, UINT64_MAX) == 0 &&
              lock(i, &owner_a, LINUX_F_WRLCK, 40, 59) == 0 &&
              test(i, &owner_c, LINUX_F_RDLCK, 0, 0, &got) == LINUX_F_WRLCK && got.end == 99,
          "touching pieces of one type join");
    CHECK(t,
          lock(i, &owner_a, LINUX_F_RDLCK, 0, UINT64_MAX) == 0 &&
              lock(i, &owner_b, LINUX_F_RDLCK, 5, 6) == 0,
          "a downgrade lets readers in");
    CHECK(t,
          lock(i, &owner_a, LINUX_F_WRLCK, 0, 10) == -LINUX_EAGAIN &&
              test(i, &owner_c, LINUX_F_WRLCK, 300, 300, &got) == LINUX_F_RDLCK,
          "a failed upgrade loses nothing");
    vfs_lock_release_owner(i, &owner_a);
    vfs_lock_release_owner(i, &owner_b);
    CHECK(t, test(i, &owner_c, LINUX_F_WRLCK, 0, UINT64_MAX, &got) == LINUX_F_UNLCK,
          "a release leaves nothing");
}

static void test_deadlock(struct tap *t, struct inode *i)
{
    struct vfs_lock_waiter wa = {0}, wb = {0}, wc = {0};
    struct vfs_lock a2 = {2, 2, LINUX_F_WRLCK, &owner_a, 0},
                    b3 = {3, 3, LINUX_F_WRLCK, &owner_b, 0},
                    c1 = {1, 1, LINUX_F_WRLCK, &owner_c, 0};
    ISH_ASSERT(!lock(i, &owner_a, LINUX_F_WRLCK, 1, 1) && !lock(i, &owner_b, LINUX_F_WRLCK, 2, 2) &&
               !lock(i, &owner_c, LINUX_F_WRLCK, 3, 3));
    CHECK(t,
          vfs_lock_posix(i, &a2, NULL, &wa) == -LINUX_EAGAIN &&
              vfs_lock_posix(i, &b3, NULL, &wb) == -LINUX_EAGAIN,
          "waiting in a row is fine");
    CHECK(t, vfs_lock_posix(i, &c1, NULL, &wc) == -LINUX_EDEADLK, "closing the circle is EDEADLK");
    vfs_lock_waiter_done(&wb);
    CHECK(t, vfs_lock_posix(i, &c1, NULL, &wc) == -LINUX_EAGAIN, "once broken it may wait");
    vfs_lock_release_owner(i, &owner_b);
    CHECK(t, vfs_lock_posix(i, &a2, NULL, &wa) == 0 && !wa.vfs, "and a waiter gets its turn");
    vfs_lock_waiter_done(&wc);
    vfs_lock_release_owner(i, &owner_a);
    vfs_lock_release_owner(i, &owner_c);
}

struct woken {
    struct wait_entry entry;
    int count;
};
static void note_wake(struct wait_entry *entry, uint32_t events)
{
    (void)events;
    CONTAINER_OF(entry, struct woken, entry)->count++;
}

static void test_flock(struct tap *t, struct env *e)
{
    struct file *a = env_open(&e->root, "/f", LINUX_O_RDWR, 0);
    struct file *b = env_open(&e->root, "/f", LINUX_O_RDWR, 0);
    struct inode *i = a->inode;
    struct woken w = {.entry = {.wake = note_wake}};
    wait_queue_add(vfs_lock_queue(i), &w.entry);
    CHECK(t, vfs_lock_flock(i, a, LINUX_F_RDLCK) == 0 && vfs_lock_flock(i, b, LINUX_F_RDLCK) == 0,
          "flock: two may share");
    CHECK(t, vfs_lock_flock(i, a, LINUX_F_WRLCK) == -LINUX_EAGAIN && w.count == 1,
          "a conversion gives the old lock up first");
    CHECK(t, lock(i, &owner_a, LINUX_F_WRLCK, 0, UINT64_MAX) == 0, "ranges are another world");
    vfs_lock_release_owner(i, &owner_a);
    w.count = 0;
    file_put(b);
    CHECK(t, w.count == 1 && vfs_lock_flock(i, a, LINUX_F_WRLCK) == 0,
          "the last close releases and wakes");
    CHECK(t, vfs_lock_flock(i, a, LINUX_F_UNLCK) == 0 && w.count == 2, "an unlock wakes");
    wait_queue_remove(&w.entry);
    file_put(a);
}

int main(void)
{
    struct tap t = {0, 0};
    struct env e;
    struct super *s;
    env_start(&e);
    ISH_ASSERT(!tmpfs_create(e.vfs, 0, 0755, &s));
    env_mount_root(&e, s, "tmpfs");
    ISH_ASSERT(!env_put(&e.root, "/f", "", 0644));
    struct path p;
    ISH_ASSERT(!path_walk(&e.root, NULL, "/f", 0, &p));
    test_ranges(&t, path_inode(&p));
    test_deadlock(&t, path_inode(&p));
    path_put(&p);
    test_flock(&t, &e);
    env_stop(&e);
    return tap_finish(&t);
}
