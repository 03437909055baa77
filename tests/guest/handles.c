// File handles, secret memory, and the calls about quotas and swap space. Runs as user 0.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

struct handle {
    uint32_t bytes;
    int32_t type;
    uint8_t data[128];
};

static int get(int dir, const char *path, struct handle *h, unsigned flags)
{
    int id = 0;
    h->bytes = 128;
    int result = (int)syscall(SYS_name_to_handle_at, dir, path, h, &id, flags);
    return result < 0 ? result : id > 0 ? 0 : 1;
}
static int by_handle(int mount_fd, struct handle *h, int flags)
{
    return (int)syscall(SYS_open_by_handle_at, mount_fd, h, flags);
}
static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    write(fd, text, strlen(text));
    close(fd);
}
static void show_file(const char *name, int fd)
{
    char text[16] = "";
    if (fd < 0) {
        SHOW(name, "%s", strerrorname_np(errno));
        return;
    }
    read(fd, text, 15);
    SHOW(name, "%s", text);
    close(fd);
}

static void making(void)
{
    struct handle h, other;
    int id;
    show_call("file", get(AT_FDCWD, "/tmp/d/f", &h, 0));
    SHOW("... bytes", "%u", h.bytes);
    show_call("again", get(AT_FDCWD, "/tmp/d/f", &other, 0));
    SHOW("... the same", "%d", h.bytes == other.bytes && !memcmp(h.data, other.data, h.bytes));
    get(AT_FDCWD, "/tmp/d", &other, 0);
    SHOW("another", "%d", !!memcmp(h.data, other.data, h.bytes));
    get(AT_FDCWD, "/tmp/link", &other, 0);
    SHOW("a link is not what it leads to", "%d", !!memcmp(h.data, other.data, h.bytes));
    get(AT_FDCWD, "/tmp/link", &other, AT_SYMLINK_FOLLOW);
    SHOW("... followed it is", "%d", !memcmp(h.data, other.data, h.bytes));
    get(AT_FDCWD, "/tmp/hard", &other, 0);
    SHOW("another name is the same", "%d", !memcmp(h.data, other.data, h.bytes));
    int fd = open("/tmp/d/f", O_PATH);
    show_call("a descriptor", get(fd, "", &other, AT_EMPTY_PATH));
    SHOW("... the same", "%d", !memcmp(h.data, other.data, h.bytes));
    show_call("empty without the flag", get(fd, "", &other, 0));
    show_call("bad flags", get(fd, "x", &other, AT_SYMLINK_NOFOLLOW));
    show_call("nothing", get(AT_FDCWD, "/tmp/none", &other, 0));
    show_call("bad path", get(AT_FDCWD, (char *)8, &other, 0));
    show_call("bad directory", get(99, "x", &other, 0));
    other.bytes = 4;
    show_call("too small", syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/d/f", &other, &id, 0));
    SHOW("... wants", "%d", other.bytes == h.bytes);
    other.bytes = 0;
    show_call("none", syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/d/f", &other, &id, 0));
    other.bytes = 129;
    show_call("too large", syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/d/f", &other, &id, 0));
    show_call("nowhere", syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/d/f", NULL, &id, 0));
    other.bytes = 128;
    show_call("id nowhere", syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/d/f", &other, NULL, 0));
    show_call("in proc", get(AT_FDCWD, "/proc/self/stat", &other, 0));
    int ends[2];
    pipe(ends);
    show_call("of a pipe", get(ends[0], "", &other, AT_EMPTY_PATH));
}

static void opening(void)
{
    struct handle file, dir, link, gone, bad;
    int base = open("/tmp", O_RDONLY | O_DIRECTORY), path = open("/tmp", O_PATH);
    get(AT_FDCWD, "/tmp/d/f", &file, 0);
    get(AT_FDCWD, "/tmp/d/e", &dir, 0);
    get(AT_FDCWD, "/tmp/link", &link, 0);
    get(AT_FDCWD, "/tmp/gone", &gone, 0);
    show_file("open", by_handle(base, &file, O_RDONLY));
    rename("/tmp/d/f", "/tmp/d/e/renamed");
    show_file("open a renamed", by_handle(base, &file, O_RDONLY));
    int fd = by_handle(base, &dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SHOW("directory", "%d %d", fd >= 0, fcntl(fd, F_GETFD));
    show_file("... in it", openat(fd, "renamed", O_RDONLY));
    show_call("... up", faccessat(fd, "../../link", F_OK, AT_SYMLINK_NOFOLLOW));
    char name[64] = "", self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    readlink(self, name, sizeof name - 1);
    SHOW("... name", "%s", name);
    show_call("file as a directory", by_handle(base, &file, O_RDONLY | O_DIRECTORY));
    show_call("directory for writing", by_handle(base, &dir, O_WRONLY));
    show_call("link", by_handle(base, &link, O_RDONLY));
    fd = by_handle(base, &link, O_PATH);
    struct stat st;
    fstat(fd, &st);
    SHOW("... as a path", "%d", S_ISLNK(st.st_mode));
    fd = by_handle(base, &file, O_WRONLY);
    show_call("write", write(fd, "W", 1));
    chdir("/tmp");
    show_file("by the directory one is in", by_handle(AT_FDCWD, &file, O_RDONLY));
    show_call("bad base", by_handle(99, &file, O_RDONLY));
    show_call("a path as base", by_handle(path, &file, O_RDONLY));
    unlink("/tmp/gone");
    show_call("gone", by_handle(base, &gone, O_RDONLY));
    put("/tmp/gone", "new");
    show_call("gone and made again", by_handle(base, &gone, O_RDONLY));
    bad = file;
    bad.type = 99;
    show_call("bad type", by_handle(base, &bad, O_RDONLY));
    bad = file;
    bad.data[0] ^= 1;
    show_call("bad generation", by_handle(base, &bad, O_RDONLY));
    bad = file;
    bad.bytes = 0;
    show_call("empty", by_handle(base, &bad, O_RDONLY));
    bad.bytes = 4;
    show_call("too short", by_handle(base, &bad, O_RDONLY));
    bad.bytes = 200;
    show_call("too long", by_handle(base, &bad, O_RDONLY));
    show_call("nowhere", by_handle(base, NULL, O_RDONLY));
    show_call("in another file system", by_handle(open("/proc", O_RDONLY), &file, O_RDONLY));
    chmod("/tmp/d", 0);
    chmod("/tmp/d/e/renamed", 0600);
    IN_CHILD("nobody", setuid(1000); show_call("...", by_handle(base, &file, O_RDONLY)));
    chmod("/tmp/d", 0755);
    mount("/tmp/d", "/tmp/view", NULL, MS_BIND, NULL);
    show_file("through a view", by_handle(open("/tmp/view", O_RDONLY), &file, O_RDONLY));
}

// --- Secret memory -------------------------------------------------------------------------------

static int secret(unsigned flags)
{
    return (int)syscall(447, flags);
}

static void secrets(void)
{
    show_call("bad flags", secret(1));
    int fd = secret(O_CLOEXEC), ends[2];
    SHOW("secret", "%d %d", fd >= 0, fcntl(fd, F_GETFD));
    char name[64] = "", self[64], *p, byte = 'x', text[8] = "";
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    readlink(self, name, sizeof name - 1);
    SHOW("... name", "%s", name);
    struct stat st;
    fstat(fd, &st);
    SHOW("... kind", "%d %ld", S_ISREG(st.st_mode), (long)st.st_size);
    show_call("size", ftruncate(fd, 8192));
    show_call("size again", ftruncate(fd, 4096));
    show_call("read", read(fd, text, 1));
    show_call("write", write(fd, "x", 1));
    show_call("seek", lseek(fd, 0, SEEK_SET));
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    show_call("private", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show_call("shared", p == MAP_FAILED ? -1 : 0);
    memcpy(p, "hidden", sizeof "hidden");
    SHOW("... holds", "%s", p);
    pipe(ends);
    show_call("written by a call", write(ends[1], p, 4));
    show_call("read by a call", read(ends[0], p + 4096, 4));
    SHOW("...", "%.4s", p + 4096);
    struct iovec here = {text, 4}, there = {p, 4};
    show_call("from another process", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
    show_call("to another process", process_vm_writev(getpid(), &here, 1, &there, 1, 0));
    int mem = open("/proc/self/mem", O_RDWR);
    show_call("by proc", pread(mem, text, 4, (off_t)(uintptr_t)p));
    show_call("by proc", pwrite(mem, text, 4, (off_t)(uintptr_t)p));
    IN_CHILD("inherited", byte = p[0]; SHOW("...", "%c", byte); p[0] = 'H');
    SHOW("shared with a child", "%s", p);
    show_call("locked already", munmap(p, 8192));
    struct rlimit none = {4096, 4096};
    setrlimit(RLIMIT_MEMLOCK, &none);
    IN_CHILD("limit", setuid(1000); p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
             show_call("...", p == MAP_FAILED ? -1 : 0));
    IN_CHILD("beyond the end", p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 8192);
             struct rlimit no_core = {0, 0}; setrlimit(RLIMIT_CORE, &no_core);
             byte = *(volatile char *)p);
}

// --- Quotas and swap space -----------------------------------------------------------------------

static int quota(unsigned cmd, const char *special, void *addr)
{
    return (int)syscall(SYS_quotactl, cmd, special, 0, addr);
}
#define CMD(c, type) ((unsigned)(c) << 8 | (type))
enum { SYNC = 0x800001, ON, OFF, FORMAT, INFO, SET_INFO, QUOTA };

static void others(void)
{
    char buf[256];
    show_call("bad kind", quota(CMD(FORMAT, 3), "/tmp/f", buf));
    show_call("of nothing", quota(CMD(FORMAT, 0), NULL, buf));
    show_call("sync of all", quota(CMD(SYNC, 0), NULL, buf));
    show_call("of no device", quota(CMD(FORMAT, 0), "/tmp/hard", buf));
    show_call("of a character device", quota(CMD(FORMAT, 0), "/dev/null", buf));
    show_call("of no file", quota(CMD(FORMAT, 0), "/tmp/none", buf));
    show_call("bad pointer", quota(CMD(QUOTA, 0), (char *)8, buf));
    show_call("on without file", quota(CMD(ON, 0), "/tmp/hard", "/tmp/none"));
    show_call("fd: bad", syscall(443, 99, CMD(FORMAT, 5), 0, buf));
    int fd = open("/proc/self/stat", O_RDONLY);
    show_call("fd: bad kind", syscall(443, fd, CMD(FORMAT, 3), 0, buf));
    show_call("fd: none", syscall(443, fd, CMD(FORMAT, 0), 0, buf));
    show_call("fd: set", syscall(443, fd, CMD(SET_INFO, 0), 0, buf));
    mount("/tmp/d", "/tmp/view", NULL, MS_BIND, NULL);
    mount(NULL, "/tmp/view", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
    fd = open("/tmp/view", O_RDONLY);
    show_call("fd: read-only, set", syscall(443, fd, CMD(SET_INFO, 0), 0, buf));
    show_call("fd: read-only, ask", syscall(443, fd, CMD(FORMAT, 0), 0, buf));

    show_call("swap bad flags", swapon("/tmp/hard", 0x100000));
    show_call("swap nothing", swapon("/tmp/none", 0));
    show_call("swap nowhere", swapon(NULL, 0));
    show_call("swap directory", swapon("/tmp/d", 0));
    show_call("swap file", swapon("/tmp/hard", 0));
    show_call("swap device", swapon("/dev/null", SWAP_FLAG_PREFER | 5));
    show_call("off nothing", swapoff("/tmp/none"));
    show_call("off directory", swapoff("/tmp/d"));
    show_call("off file", swapoff("/tmp/hard"));
    IN_CHILD("nobody", setuid(1000); show_call("... on bad flags", swapon("/tmp/none", 0x100000));
             show_call("... on", swapon("/tmp/none", 0)); show_call("... off", swapoff(NULL));
             show_call("... quota", quota(CMD(INFO, 1), "/tmp/hard", buf)));
}

static void own_tree(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("work", "/tmp", "tmpfs", 0, "mode=755");
    mkdir("/tmp/d", 0755), mkdir("/tmp/d/e", 0755), mkdir("/tmp/view", 0755);
    put("/tmp/d/f", "contents"), put("/tmp/gone", "old");
    symlink("d/f", "/tmp/link");
    link("/tmp/d/f", "/tmp/hard");
}

static void body(void)
{
    IN_CHILD("making", own_tree(); making());
    IN_CHILD("opening", own_tree(); opening());
    IN_CHILD("secrets", secrets());
    IN_CHILD("others", own_tree(); others());
}

static int has_all(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           secret(0) >= 0 && swapoff("/") < 0 && errno == EISDIR &&
           quota(CMD(SYNC, 0), NULL, NULL) == 0;
}

int main(void)
{
    probe_needs(has_all, "mounts of one's own, secret memory, quotas");
    return run_as_child(body);
}
