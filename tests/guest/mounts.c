// Mounts in a namespace of one's own: binds, moves, flags, sharing, a new root, and what a user
// namespace may do of it. Runs as user 0.
#include "own_mounts.h"
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    write(fd, text, strlen(text));
    close(fd);
}

// The lines of mountinfo below /tmp, without what differs between machines.
static void show_mounts(const char *name)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024], root[256], point[256], options[256], rest[256];
    SHOW(name, "%s", f ? "" : "no mountinfo");
    while (f && fgets(line, sizeof line, f)) {
        *rest = 0;
        if (sscanf(line, "%*d %*d %*s %255s %255s %255s %255[^\n]", root, point, options, rest) < 3)
            continue;
        if (strncmp(point, "/tmp", 4))
            continue;
        char tags[64] = "";
        for (char *all = rest, *w; (w = strsep(&all, " ")) && strcmp(w, "-");) {
            if (!*w)
                continue;
            char *colon = strchr(w, ':'); // numbers of groups are the machine's
            snprintf(tags + strlen(tags), 20, " %.*s", (int)(colon ? colon - w : 20), w);
        }
        SHOW("... mount", "%s %s %s%s", root, point, options, tags);
    }
    if (f)
        fclose(f);
}

static int there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void own_tree(void)
{
    show_call("unshare", unshare(CLONE_NEWNS));
    show_call("private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    clear_tmp();
    show_call("tmpfs", mount("work", "/tmp", "tmpfs", 0, "mode=755"));
    mkdir("/tmp/a", 0755), mkdir("/tmp/b", 0755), mkdir("/tmp/c", 0755);
    put("/tmp/a/f", "f");
}

static void binds(void)
{
    own_tree();
    show_call("bind", mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL));
    SHOW("... shows", "%d", there("/tmp/b/f"));
    show_call("bind of a file on a directory", mount("/tmp/a/f", "/tmp/c", NULL, MS_BIND, NULL));
    show_call("bind of a directory on a file", mount("/tmp/c", "/tmp/a/f", NULL, MS_BIND, NULL));
    show_call("bind of nothing", mount("/tmp/none", "/tmp/c", NULL, MS_BIND, NULL));
    show_call("bind without source", mount(NULL, "/tmp/c", NULL, MS_BIND, NULL));
    mkdir("/tmp/a/deep", 0755);
    show_call("tmpfs inside", mount("deep", "/tmp/a/deep", "tmpfs", MS_NOSUID, NULL));
    put("/tmp/a/deep/g", "g");
    show_call("bind leaves it out", mount("/tmp/a", "/tmp/c", NULL, MS_BIND, NULL));
    SHOW("... shows", "%d", there("/tmp/c/deep/g"));
    show_call("umount", umount2("/tmp/c", 0));
    show_call("bind takes it too", mount("/tmp/a", "/tmp/c", NULL, MS_BIND | MS_REC, NULL));
    SHOW("... shows", "%d", there("/tmp/c/deep/g"));
    show_mounts("all");
    show_call("umount of what holds mounts", umount2("/tmp/c", 0));
    show_call("... lazily", umount2("/tmp/c", MNT_DETACH));
    SHOW("... both gone", "%d", !there("/tmp/c/deep"));
    show_call("umount of no mount", umount2("/tmp/c", 0));
    show_call("umount bad flags", umount2("/tmp/b", 64));
    show_call("umount expire and force", umount2("/tmp/b", MNT_EXPIRE | MNT_FORCE));
    show_call("stacked", mount("top", "/tmp/b", "tmpfs", 0, NULL));
    SHOW("... covers", "%d", !there("/tmp/b/f"));
    show_call("umount top", umount2("/tmp/b", 0));
    SHOW("... uncovers", "%d", there("/tmp/b/f"));
    show_call("unknown type", mount("x", "/tmp/b", "no-such-fs", 0, NULL));
    show_call("no type", mount("x", "/tmp/b", NULL, 0, NULL));
    show_call("bad option", mount("x", "/tmp/b", "tmpfs", 0, "size=abc"));
    show_call("bad pointer", mount((void *)1, "/tmp/b", "tmpfs", 0, NULL));
    int fd = open("/tmp/a/deep/g", O_RDONLY);
    show_call("umount while open", umount2("/tmp/a/deep", 0));
    close(fd);
    show_call("umount after", umount2("/tmp/a/deep", 0));
}

static void flags(void)
{
    own_tree();
    struct statvfs st;
    show_call("remount of a directory", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND, NULL));
    mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL);
    show_call("remount read-only",
              mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOEXEC, NULL));
    statvfs("/tmp/b", &st);
    SHOW("... flags", "%d %d", !!(st.f_flag & ST_RDONLY), !!(st.f_flag & ST_NOEXEC));
    show_call("... create", open("/tmp/b/new", O_CREAT | O_WRONLY, 0600));
    show_call("... through the other", open("/tmp/a/new", O_CREAT | O_WRONLY, 0600) < 0 ? -1 : 0);
    show_call("noatime", mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL));
    show_mounts("noatime");
    show_call("keeps it", mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
    show_mounts("kept");
    show_call("strict", mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND | MS_STRICTATIME, NULL));
    show_mounts("strict");
    symlink("f", "/tmp/a/link");
    show_call("nosymfollow", mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND | 256, NULL));
    show_call("... open", open("/tmp/b/link", O_RDONLY) < 0 ? -1 : 0);
}

static void moves(void)
{
    own_tree();
    mount("moved", "/tmp/b", "tmpfs", 0, NULL);
    put("/tmp/b/x", "x");
    mkdir("/tmp/b/in", 0755);
    show_call("move", mount("/tmp/b", "/tmp/c", NULL, MS_MOVE, NULL));
    SHOW("... there", "%d %d", there("/tmp/b/x"), there("/tmp/c/x"));
    show_call("move of no mount", mount("/tmp/a", "/tmp/b", NULL, MS_MOVE, NULL));
    show_call("move into itself", mount("/tmp/c", "/tmp/c/in", NULL, MS_MOVE, NULL));
    show_call("move onto a file", mount("/tmp/c", "/tmp/a/f", NULL, MS_MOVE, NULL));
    mount("more", "/tmp/c/in", "tmpfs", 0, NULL);
    put("/tmp/c/in/y", "y");
    show_call("move with a child", mount("/tmp/c", "/tmp/b", NULL, MS_MOVE, NULL));
    SHOW("... there", "%d", there("/tmp/b/in/y"));
    show_mounts("moved");
}

static void sharing(void)
{
    own_tree();
    show_call("two kinds", mount(NULL, "/tmp", NULL, MS_SHARED | MS_SLAVE, NULL));
    show_call("with others", mount(NULL, "/tmp", NULL, MS_SHARED | MS_NOSUID, NULL));
    show_call("of a directory", mount(NULL, "/tmp/a", NULL, MS_SHARED, NULL));
    mount("s", "/tmp/a", "tmpfs", 0, NULL);
    mkdir("/tmp/a/p", 0755);
    show_call("shared", mount(NULL, "/tmp/a", NULL, MS_SHARED, NULL));
    mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL);
    mount("/tmp/a", "/tmp/c", NULL, MS_BIND, NULL);
    show_call("slave", mount(NULL, "/tmp/c", NULL, MS_SLAVE, NULL));
    show_mounts("groups");
    show_call("mount on a peer", mount("t", "/tmp/b/p", "tmpfs", 0, NULL));
    put("/tmp/b/p/z", "z");
    SHOW("... seen by", "%d %d", there("/tmp/a/p/z"), there("/tmp/c/p/z"));
    show_mounts("propagated");
    show_call("umount on a peer", umount2("/tmp/a/p", 0));
    SHOW("... seen by", "%d %d", there("/tmp/b/p/z"), there("/tmp/c/p/z"));
    show_call("mount on the slave", mount("u", "/tmp/c/p", "tmpfs", 0, NULL));
    put("/tmp/c/p/z", "z");
    SHOW("... seen by", "%d %d", there("/tmp/a/p/z"), there("/tmp/b/p/z"));
    show_call("shared slave", mount(NULL, "/tmp/c", NULL, MS_SHARED, NULL));
    show_call("move off a shared", mount("/tmp/c/p", "/tmp/a/p", NULL, MS_MOVE, NULL));
    show_call("unbindable", mount(NULL, "/tmp/b", NULL, MS_UNBINDABLE, NULL));
    mkdir("/tmp/d", 0755);
    show_call("bind of it", mount("/tmp/b", "/tmp/d", NULL, MS_BIND, NULL));
    show_call("private", mount(NULL, "/tmp/a", NULL, MS_PRIVATE, NULL));
    show_mounts("at the end");
    IN_CHILD("a copy", unshare(CLONE_NEWNS); show_mounts("... of the namespace");
             mount("v", "/tmp/d", "tmpfs", 0, NULL); put("/tmp/d/n", "n"));
    SHOW("... mount stays inside", "%d", !there("/tmp/d/n"));
}

static int pivot(const char *to, const char *old)
{
    return (int)syscall(SYS_pivot_root, to, old);
}

static void pivots(void)
{
    own_tree();
    mkdir("/tmp/b/old", 0755);
    show_call("to no mount", pivot("/tmp/b", "/tmp/b/old"));
    mount("root", "/tmp/b", "tmpfs", 0, NULL);
    mkdir("/tmp/b/old", 0755), mkdir("/tmp/b/old2", 0755), put("/tmp/b/mark", "m");
    show_call("old outside", pivot("/tmp/b", "/tmp/a"));
    show_call("old on the old root", pivot("/tmp/b", "/"));
    show_call("to the root", pivot("/", "/"));
    show_call("to a file", pivot("/tmp/b/mark", "/tmp/b/old"));
    chdir("/");
    show_call("pivot", pivot("/tmp/b", "/tmp/b/old"));
    SHOW("... there", "%d %d %d", there("/mark"), there("mark"), there("/old/tmp/a/f"));
    show_call("umount old while mounted below", umount2("/old", 0));
    show_call("umount old", umount2("/old", MNT_DETACH));
    SHOW("... gone", "%d", !there("/old/tmp"));
    show_call("second", mount("again", "/old2", "tmpfs", 0, NULL));
    put("/old2/mark2", "m");
    chdir("/old2");
    show_call("dot dot", pivot(".", "."));
    show_call("umount of the covering", umount2(".", MNT_DETACH));
    SHOW("... there", "%d %d", there("/mark2"), there("/mark"));
}

static void in_user_namespace(void)
{
    own_tree();
    mount("inner", "/tmp/a", "tmpfs", MS_NOSUID | MS_NODEV, NULL);
    mkdir("/tmp/a/sub", 0777);
    show_call("ro", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV, NULL));
    IN_CHILD("user without", setuid(1000);
             show_call("... mount", mount("x", "/tmp/b", "tmpfs", 0, NULL));
             show_call("... umount", umount2("/tmp/a", 0));
             show_call("... pivot", pivot("/", "/")));
    IN_CHILD("user with", setuid(1000); show_call("...", unshare(CLONE_NEWUSER | CLONE_NEWNS));
             show_call("... tmpfs", mount("x", "/tmp/b", "tmpfs", 0, NULL));
             show_call("... umount it", umount2("/tmp/b", 0));
             show_call("... umount of another's", umount2("/tmp/a", 0));
             show_call("... lazily", umount2("/tmp/a", MNT_DETACH));
             show_call("... bind alone", mount("/tmp", "/tmp/b", NULL, MS_BIND, NULL));
             show_call("... bind all", mount("/tmp", "/tmp/b", NULL, MS_BIND | MS_REC, NULL));
             show_call("... make writable",
                       mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
             show_call("... stricter",
                       mount(NULL, "/tmp/a", NULL,
                             MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOEXEC, NULL));
             show_call("... remount the file system",
                       mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
             show_call("... private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
             show_call("... device", mknod("/tmp/b/null", S_IFCHR | 0666, 0x103)));
    int ns = open("/proc/self/ns/mnt", O_RDONLY);
    IN_CHILD("setns", unshare(CLONE_NEWNS); mount("x", "/tmp/b", "tmpfs", 0, NULL);
             put("/tmp/b/q", "q"); show_call("... back", setns(ns, CLONE_NEWNS));
             SHOW("... there", "%d", there("/tmp/b/q")); chdir("/tmp/b"); show_call(
                 "... shared fs", syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | 17, 0, 0, 0, 0)));
}

static void body(void)
{
    IN_CHILD("binds", binds());
    IN_CHILD("flags", flags());
    IN_CHILD("moves", moves());
    IN_CHILD("sharing", sharing());
    IN_CHILD("pivots", pivots());
    IN_CHILD("users", in_user_namespace());
}

static int has_mounts(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int main(void)
{
    probe_needs(has_mounts, "mounts of one's own");
    return run_as_child(body);
}
