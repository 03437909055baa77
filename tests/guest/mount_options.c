// What file systems take as options, by mount(2) and by fsconfig(2): every option with values that
// are right, wrong, too large and missing, and what a mount then is like.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

enum { FSOPEN = 430, FSCONFIG, FSMOUNT };
enum { FLAG, STRING, BINARY, PATH, PATH_EMPTY, FD, CREATE, RECONFIGURE };

static void own_tree(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("work", "/tmp", "tmpfs", 0, "mode=755,size=1m");
    mkdir("/tmp/a", 0755);
}

// A mount as its options made it.
static void try_options(const char *type, const char *options)
{
    char name[128];
    struct stat st;
    struct statfs fs;
    snprintf(name, sizeof name, "%s, %s", type, options);
    int result = mount("source", "/tmp/a", type, 0, options);
    show_call(name, result);
    if (result)
        return;
    if ((!strcmp(type, "tmpfs") || !strcmp(type, "ramfs")) && !stat("/tmp/a", &st) &&
        !statfs("/tmp/a", &fs))
        // A share of memory, or no limit, is the machine's.
        SHOW("...", "mode %o owner %u:%u blocks %lu", st.st_mode & 07777, st.st_uid, st.st_gid,
             !strcmp(type, "tmpfs") && !strncmp(options, "size=", 5) && !strstr(options, "%") &&
                     strcmp(options, "size=k")
                 ? (unsigned long)fs.f_blocks
                 : 0);
    show_call("... unmounted", umount("/tmp/a"));
}

static const char *const tmpfs[] = {
    "size=4096",
    "size=5000",
    "size=0x2000",
    "size=010000",
    "size=4k",
    "size=4K",
    "size=1m",
    "size=1g",
    "size=10%",
    "size=10%%",
    "size=10%x",
    "size=4kb",
    "size=4 k",
    "size=k",
    "size=",
    "size",
    "size=20e",
    "size=9x",
    "nr_blocks=3",
    "nr_blocks=1k",
    "nr_blocks=3x",

    "nr_blocks=",
    "nr_blocks",
    "nr_blocks=7",
    "nr_inodes=5",
    "nr_inodes=1k",
    "nr_inodes=x",
    "nr_inodes=",
    "nr_inodes",
    "mode=1750",
    "mode=17777",
    "mode=8",
    "mode=",
    "mode",
    "mode=-1",
    "mode= 7",
    "mode=77777777777777",
    "uid=5",
    "uid=0x10",
    "uid=-1",
    "uid=x",
    "uid=",
    "uid",
    "uid=4294967295",
    "uid=4294967296",
    "gid=6",
    "gid=x",
    "gid",
    "gid=4294967295",
    "ro",
    "rw",
    "ro,rw",
    "sync",
    "async",
    "dirsync",
    "lazytime",
    "nolazytime",
    ",,",
    "=5",
    ",mode=700,",
    "unknown",
    "unknown=1",
    "source=x",
    "mode=700,uid=1,gid=2,size=8k",
};
static const char *const others[][2] = {
    {"ramfs", "mode=700"},
    {"ramfs", "mode=8"},
    {"ramfs", "unknown=5"},
    {"ramfs", "size=1"},
    {"ramfs", ""},
    {"proc", ""},
    {"proc", "hidepid=0"},
    {"proc", "hidepid=off"},
    {"proc", "hidepid=9"},
    {"proc", "hidepid=x"},
    {"proc", "hidepid="},
    {"proc", "hidepid"},
    {"proc", "gid=0"},
    {"proc", "gid=x"},
    {"proc", "gid"},
    {"proc", "unknown"},
    {"sysfs", ""},
    {"sysfs", "unknown"},
    {"devpts", ""},
    {"devpts", "mode=620"},
    {"devpts", "mode=9"},
    {"devpts", "mode"},
    {"devpts", "uid=0"},
    {"devpts", "uid=x"},
    {"devpts", "gid=5"},
    {"devpts", "gid=x"},
    {"devpts", "ptmxmode=666"},
    {"devpts", "ptmxmode=8"},
    {"devpts", "max=10"},
    {"devpts", "max=x"},
    {"devpts", "newinstance"},
    {"devpts", "unknown=1"},
    {"no-such-fs", ""},
};

static void by_text(void)
{
    own_tree();
    for (size_t i = 0; i < sizeof tmpfs / sizeof *tmpfs; i++)
        try_options("tmpfs", tmpfs[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        try_options(others[i][0], others[i][1]);
    show_call("options at 8", mount("x", "/tmp/a", "tmpfs", 0, (void *)8));
    show_call("type at 8", mount("x", "/tmp/a", (void *)8, 0, NULL));
    show_call("source at 8", mount((void *)8, "/tmp/a", "tmpfs", 0, NULL));
    show_call("place at 8", mount("x", (void *)8, "tmpfs", 0, NULL));
    show_call("no type", mount("x", "/tmp/a", NULL, 0, NULL));
    show_call("no place", mount("x", "/tmp/none", "tmpfs", 0, NULL));
    show_call("no options", mount("x", "/tmp/a", "tmpfs", 0, NULL));
    show_call("changed: smaller", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=8k"));
    int fd = open("/tmp/a/f", O_CREAT | O_RDWR, 0600);
    static char text[8192];
    show_call("... full", write(fd, text, sizeof text));
    show_call("changed: smaller than it is", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=4k"));
    show_call("changed: fewer than there are",
              mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "nr_inodes=1"));
    show_call("changed: wrong", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=x"));
    show_call("changed: read-only while written",
              mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_RDONLY, ""));
    close(fd);
    show_call("changed: read-only", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_RDONLY, ""));
    show_call("... write", open("/tmp/a/f", O_WRONLY));
    umount("/tmp/a");
    mount("x", "/tmp/a", "tmpfs", MS_NOEXEC, "");
    fd = open("/tmp/a/f", O_CREAT | O_RDWR, 0700);
    ftruncate(fd, 4096);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    show_call("code where there is none", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    show_call("... made of data", mprotect(p, 4096, PROT_READ | PROT_EXEC));
    show_call("changed: nothing mounted", mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_BIND, ""));
}

static int config(int fd, unsigned cmd, const void *key, const void *value, int aux)
{
    return (int)syscall(FSCONFIG, fd, cmd, key, value, aux);
}

static void by_steps(void)
{
    static const char *const types[] = {"tmpfs", "ramfs", "proc", "sysfs", "devpts"};
    char longer[400];
    own_tree();
    memset(longer, 'x', sizeof longer);
    longer[399] = 0;
    for (size_t i = 0; i < 5; i++) {
        int fd = (int)syscall(FSOPEN, types[i], 0);
        SHOW(types[i], "%d", fd >= 0);
        show_call("... flag ro", config(fd, FLAG, "ro", NULL, 0));
        show_call("... flag rw", config(fd, FLAG, "rw", NULL, 0));
        show_call("... flag unknown", config(fd, FLAG, "unknown", NULL, 0));
        show_call("... flag with a value", config(fd, FLAG, "ro", "1", 0));
        show_call("... flag with a number", config(fd, FLAG, "ro", NULL, 1));
        show_call("... flag that is a value's", config(fd, FLAG, "mode", NULL, 0));
        show_call("... value that is a flag's", config(fd, STRING, "ro", "1", 0));
        show_call("... unknown value", config(fd, STRING, "unknown", "1", 0));
        show_call("... value of no name", config(fd, STRING, NULL, "1", 0));
        show_call("... value at NULL", config(fd, STRING, "mode", NULL, 0));
        show_call("... value at 8", config(fd, STRING, "mode", (void *)8, 0));
        show_call("... name at 8", config(fd, STRING, (void *)8, "1", 0));
        show_call("... empty name", config(fd, STRING, "", "1", 0));
        show_call("... empty value", config(fd, STRING, "mode", "", 0));
        show_call("... value with a number", config(fd, STRING, "mode", "700", 1));
        show_call("... value too long", config(fd, STRING, "mode", longer, 0));
        show_call("... name too long", config(fd, STRING, longer, "1", 0));
        show_call("... bytes", config(fd, BINARY, "mode", "700", 3));
        show_call("... no bytes", config(fd, BINARY, "mode", "700", 0));
        show_call("... file", config(fd, FD, "mode", NULL, 0));
        show_call("... file that is none", config(fd, FD, "mode", NULL, 99));
        show_call("... path", config(fd, PATH, "mode", "/tmp", AT_FDCWD));
        show_call("... unknown command", config(fd, 77, NULL, NULL, 0));
        show_call("... source", config(fd, STRING, "source", "here", 0));
        show_call("... another source", config(fd, STRING, "source", "there", 0));
        show_call("... create with a name", config(fd, CREATE, "x", NULL, 0));
        show_call("... changed before", config(fd, RECONFIGURE, NULL, NULL, 0));
        show_call("... mounted before", syscall(FSMOUNT, fd, 0, 0));
        close(fd);
    }
    int fd = (int)syscall(FSOPEN, "tmpfs", 0), failed = (int)syscall(FSOPEN, "tmpfs", 0);
    show_call("create", config(fd, CREATE, NULL, NULL, 0));
    show_call("create again", config(fd, CREATE, NULL, NULL, 0));
    show_call("value after", config(fd, STRING, "mode", "700", 0));
    show_done("mount", syscall(FSMOUNT, fd, 0, 0));
    show_call("mount again", syscall(FSMOUNT, fd, 0, 0));
    show_call("bad value", config(failed, STRING, "size", "x", 0));
    show_call("created all the same", config(failed, CREATE, NULL, NULL, 0));
    show_call("no descriptor", config(99, CREATE, NULL, NULL, 0));
    show_call("a file", config(open("/tmp", O_RDONLY), CREATE, NULL, NULL, 0));
    show_call("O_PATH", config(open("/tmp", O_PATH), CREATE, NULL, NULL, 0));
}

static void body(void)
{
    IN_CHILD("by text", by_text());
    IN_CHILD("by steps", by_steps());
}

static int has_mounts(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           syscall(FSOPEN, "tmpfs", 0) >= 0;
}

int main(void)
{
    probe_needs(has_mounts, "mounts by descriptors");
    return run_as_child(body);
}
