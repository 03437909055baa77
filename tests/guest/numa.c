// Memory policies on a machine of one node. Runs as user 0.
#include "probe.h"
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, MANY };
enum { STATIC = 1 << 15, RELATIVE = 1 << 14, BALANCING = 1 << 13 };
enum { F_NODE = 1, F_ADDR = 2, F_ALLOWED = 4, STRICT = 1, MOVE = 2, MOVE_ALL = 4 };

static long set(int mode, uint64_t nodes, unsigned long max)
{
    return syscall(SYS_set_mempolicy, mode, max ? &nodes : NULL, max);
}
static long bind(void *p, size_t len, unsigned long mode, uint64_t nodes, unsigned flags)
{
    return syscall(SYS_mbind, p, len, mode, &nodes, 64, flags);
}
// The policy of the task or of an address.
static void show_policy(const char *name, void *addr, unsigned long flags)
{
    int policy = -1;
    uint64_t nodes[4] = {~0ull, ~0ull, ~0ull, ~0ull};
    long result = syscall(SYS_get_mempolicy, &policy, nodes, 65 + 64, addr, flags);
    if (result < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%#x of %#llx, beyond %d %d", policy, (unsigned long long)nodes[0],
             nodes[1] == 0, nodes[2] == 0);
}

static void of_a_task(void)
{
    show_policy("at first", NULL, 0);
    show_call("default with nodes", set(DEFAULT, 1, 64));
    show_call("default", set(DEFAULT, 0, 64));
    show_call("bind to nothing", set(BIND, 0, 64));
    show_call("bind without a set", set(BIND, 1, 0));
    show_call("bind to a node that is not there", set(BIND, 2, 64));
    show_call("bind", set(BIND, 3, 64));
    show_policy("...", NULL, 0);
    show_call("bind static", set(BIND | STATIC, 3, 64));
    show_policy("...", NULL, 0);
    show_call("bind static elsewhere", set(BIND | STATIC, 2, 64));
    show_call("bind relative elsewhere", set(BIND | RELATIVE, 2, 64));
    show_policy("...", NULL, 0);
    show_call("both", set(BIND | RELATIVE | STATIC, 1, 64));
    show_call("balancing", set(BIND | BALANCING, 1, 64));
    show_policy("...", NULL, 0);
    show_call("balancing of another", set(INTERLEAVE | BALANCING, 1, 64));
    show_call("interleave", set(INTERLEAVE, 1, 64));
    show_policy("...", NULL, 0);
    show_policy("next node", NULL, F_NODE);
    show_call("preferred", set(PREFERRED, 1, 64));
    show_policy("...", NULL, 0);
    show_policy("next node of no interleaving", NULL, F_NODE);
    show_call("preferred nothing", set(PREFERRED, 0, 64));
    show_policy("...", NULL, 0);
    show_call("preferred nothing static", set(PREFERRED | STATIC, 0, 64));
    show_call("local", set(LOCAL, 0, 64));
    show_policy("...", NULL, 0);
    show_call("local with nodes", set(LOCAL, 1, 64));
    show_call("local static", set(LOCAL | STATIC, 0, 64));
    show_call("many", set(MANY, 1, 64));
    show_policy("...", NULL, 0);
    show_call("unknown mode", set(99, 1, 64));
    show_call("few bits", set(BIND, 1, 2));
    show_call("no bits", set(BIND, 1, 1));
    show_call("too many bits", set(BIND, 1, 4096 * 8 + 2));
    uint64_t wide[64] = {1};
    show_call("many bits", syscall(SYS_set_mempolicy, BIND, wide, 64 * 64));
    wide[60] = 1;
    show_call("far node", syscall(SYS_set_mempolicy, BIND, wide, 64 * 64));
    show_call("bad pointer", syscall(SYS_set_mempolicy, BIND, 8, 64));
    set(BIND, 1, 64);
    IN_CHILD("inherited", show_policy("...", NULL, 0));
    uint64_t nodes = 0;
    show_call("get bad flags", syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 8));
    show_call("get without bits", syscall(SYS_get_mempolicy, NULL, &nodes, 0, NULL, 0));
    show_call("get with an address", syscall(SYS_get_mempolicy, NULL, NULL, 0, &nodes, 0));
    show_call("get of no address", syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, F_ADDR));
    show_call("get nowhere", syscall(SYS_get_mempolicy, 8, NULL, 0, NULL, 0));
    show_call("get nodes nowhere", syscall(SYS_get_mempolicy, NULL, 8, 64, NULL, 0));
    show_call("get nothing", syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0));
    show_policy("allowed", NULL, F_ALLOWED);
    show_policy("allowed at", NULL, F_ALLOWED | F_ADDR);
}

static void of_mappings(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_policy("at first", p, F_ADDR);
    show_call("bind the middle", bind(p + 2 * page, 2 * page, BIND, 1, 0));
    show_policy("before", p + page, F_ADDR);
    show_policy("in it", p + 3 * page, F_ADDR);
    show_policy("after", p + 4 * page, F_ADDR);
    show_policy("node", p, F_ADDR | F_NODE);
    show_call("home of nothing", syscall(450, p, page, 0, 0));
    show_call("home", syscall(450, p, 4 * page, 0, 0));
    show_call("home flags", syscall(450, p, page, 0, 1));
    show_call("home elsewhere", syscall(450, p, page, 99999, 0));
    show_call("home askew", syscall(450, p + 1, page, 0, 0));
    show_call("home of no length", syscall(450, p, 0, 0, 0));
    show_call("preferred", bind(p, page, PREFERRED, 1, STRICT | MOVE));
    show_call("home of preferred", syscall(450, p, page, 0, 0));
    show_call("all", bind(p, 8 * page, INTERLEAVE, 1, MOVE_ALL));
    show_policy("...", p + 7 * page, F_ADDR);
    show_call("default", bind(p, 8 * page, DEFAULT, 0, 0));
    show_policy("...", p, F_ADDR);
    show_call("bad flags", bind(p, page, BIND, 1, 8));
    show_call("askew", bind(p + 1, page, BIND, 1, 0));
    show_call("no length", bind(p, 0, BIND, 1, 0));
    show_call("round the end", bind(p, (size_t)-page, BIND, 1, 0));
    show_call("part of a page", bind(p, 1, BIND, 1, 0));
    show_policy("...", p + page - 1, F_ADDR);
    munmap(p + 4 * page, page);
    show_call("a hole", bind(p + 3 * page, 3 * page, BIND, 1, 0));
    show_call("default over a hole", bind(p + 3 * page, 3 * page, DEFAULT, 0, 0));
    show_call("nothing but hole", bind(p + 4 * page, page, DEFAULT, 0, 0));
    show_policy("policy of a hole", p + 4 * page, F_ADDR);
    bind(p, page, MANY, 1, 0);
    IN_CHILD("inherited", show_policy("...", p, F_ADDR));
    IN_CHILD("user", setuid(1000); show_call("... all", bind(p, page, BIND, 1, MOVE_ALL));
             show_call("... bad flags first", bind(p, page, BIND, 1, 8 | MOVE_ALL)));
}

static void moving(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = p[page] = 1;
    void *pages[3] = {p, p + page + 5, (char *)8};
    int status[3] = {9, 9, 9}, nodes[3] = {0, 0, 0};
    uint64_t one = 1, two = 2;
    show_call("ask", syscall(SYS_move_pages, 0, 3ul, pages, NULL, status, 0));
    SHOW("...", "%d %d %d", status[0], status[1], status[2] == -EFAULT);
    show_call("move", syscall(SYS_move_pages, 0, 2ul, pages, nodes, status, MOVE));
    SHOW("...", "%d %d", status[0], status[1]);
    nodes[1] = 7;
    show_call("to no node", syscall(SYS_move_pages, 0, 2ul, pages, nodes, status, MOVE));
    show_call("nothing", syscall(SYS_move_pages, 0, 0ul, NULL, NULL, NULL, 0));
    show_call("bad flags", syscall(SYS_move_pages, 0, 1ul, pages, NULL, status, 1));
    show_call("bad pages", syscall(SYS_move_pages, 0, 1ul, 8, NULL, status, 0));
    show_call("bad nodes", syscall(SYS_move_pages, 0, 1ul, pages, 8, status, MOVE));
    show_call("bad status", syscall(SYS_move_pages, 0, 1ul, pages, NULL, NULL, 0));
    show_call("nobody", syscall(SYS_move_pages, 999999, 1ul, pages, NULL, status, 0));
    show_call("all", syscall(SYS_move_pages, getpid(), 1ul, pages, NULL, status, MOVE_ALL));
    show_call("migrate", syscall(SYS_migrate_pages, 0, 64ul, &one, &one));
    show_call("migrate to nowhere", syscall(SYS_migrate_pages, 0, 64ul, &one, &two));
    show_call("migrate from nowhere", syscall(SYS_migrate_pages, 0, 64ul, &two, &one));
    show_call("migrate nobody", syscall(SYS_migrate_pages, 999999, 64ul, &one, &one));
    show_call("migrate bad", syscall(SYS_migrate_pages, 0, 64ul, 8, &one));
    show_call("migrate bad", syscall(SYS_migrate_pages, 0, 64ul, &one, 8));
    int pause_fd[2];
    pipe(pause_fd);
    pid_t child = fork();
    if (child == 0)
        hear(pause_fd[0]), _exit(0);
    show_call("of a child", syscall(SYS_move_pages, child, 1ul, pages, NULL, status, 0));
    SHOW("...", "%d", status[0]);
    IN_CHILD(
        "user", setuid(1000);
        show_call("... all", syscall(SYS_move_pages, 0, 1ul, pages, NULL, status, MOVE_ALL));
        show_call("... of another", syscall(SYS_move_pages, child, 1ul, pages, NULL, status, 0));
        show_call("... migrate another", syscall(SYS_migrate_pages, child, 64ul, &one, &one));
        show_call("... to nowhere", syscall(SYS_migrate_pages, 0, 64ul, &one, &two)));
    tell(pause_fd[1]);
    show_end("child", child);
}

static void show_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[64] = "none";
    if (f) {
        fgets(line, sizeof line, f);
        fclose(f);
    }
    SHOW(path, "%.*s", (int)strcspn(line, "\n"), line);
}

static void body(void)
{
    IN_CHILD("task", of_a_task());
    IN_CHILD("mappings", of_mappings());
    IN_CHILD("moving", moving());
    show_text("/sys/devices/system/node/online");
    show_text("/sys/devices/system/node/has_memory");
    show_text("/sys/devices/system/node/node0/distance");
    SHOW("meminfo", "%d", access("/sys/devices/system/node/node0/meminfo", R_OK));
}

static int has_policies(void)
{
    return !set(DEFAULT, 0, 64) && set(BIND, 2, 64) < 0; // of one node
}

int main(void)
{
    probe_needs(has_policies, "memory policies on one node");
    probe_needs(has_sysfs, "/sys");
    return run_as_child(body);
}
