// Identity, limits and attributes. Runs as user 0 and gives that up in children.
#include "probe.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void show_ids(const char *name)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    SHOW(name, "uid %u %u %u fs %d gid %u %u %u", r, e, s, setfsuid((uid_t)-1), rg, eg, sg);
}

struct cap_header {
    unsigned version;
    int pid;
};
struct cap_data {
    unsigned effective, permitted, inheritable;
};

static void show_caps(const char *name)
{
    struct cap_header h = {0x20080522, 0};
    struct cap_data d[2];
    syscall(SYS_capget, &h, d);
    SHOW(name, "effective %d permitted %d", d[0].effective != 0, d[0].permitted != 0);
}

static void users(void)
{
    show_ids("at start");
    IN_CHILD("setuid by root", setuid(1000); show_ids("..."); show_caps("...");
             _exit(setuid(0) == 0));
    IN_CHILD("seteuid and back", seteuid(1000); show_ids("..."); show_caps("...");
             show_call("... back", seteuid(0)); show_ids("..."); show_caps("..."));
    IN_CHILD("setreuid", setreuid(1, 2); show_ids("..."); show_call("... swap", setreuid(2, 1));
             show_ids("..."); show_call("... to another", setreuid(3, -1)));
    IN_CHILD("setresuid", setresuid(1, 2, 3); show_ids("...");
             show_call("... rotate", setresuid(3, 1, 2)); show_ids("...");
             show_call("... to another", setresuid(4, -1, -1)));
    IN_CHILD("setfsuid", SHOW("... was", "%d", setfsuid(5)); SHOW("... is", "%d", setfsuid(6));
             setuid(7); SHOW("... refused", "%d %d", setfsuid(9), setfsuid(-1)));
    IN_CHILD("setgid", setgid(100); setegid(101); show_ids("..."));
    IN_CHILD("setresgid", setresgid(1, 2, 3); setuid(9); show_ids("...");
             show_call("... to another", setgid(50)); show_call("... to saved", setegid(3)));
    gid_t groups[] = {30, 10, 20};
    gid_t got[8];
    IN_CHILD("setgroups", setgroups(3, groups); int n = getgroups(8, got);
             SHOW("... groups", "%d: %u %u %u", n, got[0], got[1], got[2]);
             show_call("... count", getgroups(0, NULL));
             show_call("... too few places", getgroups(1, got)); setuid(1);
             show_call("... by a user", setgroups(0, NULL)));
    show_call("setuid -1", setuid((uid_t)-1));
    IN_CHILD("PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1); setuid(1000); show_caps("..."));
    IN_CHILD("kill of another user's", pid_t parent = getppid(); setuid(1000);
             show_call("...", kill(parent, 0)));
}

static void capabilities(void)
{
    struct cap_header h = {0x20080522, 0};
    struct cap_data d[2] = {{0, 0, 0}, {0, 0, 0}};
    show_caps("root");
    show_call("capget unknown version", (h.version = 1, syscall(SYS_capget, &h, d)));
    SHOW("... version", "%#x", h.version);
    h.version = 1;
    show_call("capget asks", syscall(SYS_capget, &h, NULL));
    IN_CHILD("capset to nothing", show_call("...", syscall(SYS_capset, &h, d)); show_caps("...");
             d[0].effective = 1; show_call("... gain", syscall(SYS_capset, &h, d)));
    show_call("capget of nobody", (h.pid = 99999, syscall(SYS_capget, &h, d)));
    show_call("PR_CAPBSET_READ", prctl(PR_CAPBSET_READ, 0));
    show_call("PR_CAPBSET_READ 99", prctl(PR_CAPBSET_READ, 99));
    IN_CHILD("PR_CAPBSET_DROP", prctl(PR_CAPBSET_DROP, 0);
             show_call("...", prctl(PR_CAPBSET_READ, 0)));
    show_call("PR_CAP_AMBIENT", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
}

static void attributes(void)
{
    char name[17] = "";
    prctl(PR_SET_NAME, "a name that is too long");
    prctl(PR_GET_NAME, name);
    SHOW("PR_SET_NAME", "%s", name);
    prctl(PR_SET_NAME, "");
    prctl(PR_GET_NAME, name);
    SHOW("PR_SET_NAME empty", "[%s]", name);
    show_call("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE));
    show_call("PR_SET_DUMPABLE 0", prctl(PR_SET_DUMPABLE, 0));
    show_call("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE));
    show_call("PR_SET_DUMPABLE 7", prctl(PR_SET_DUMPABLE, 7));
    prctl(PR_SET_DUMPABLE, 1);
    show_call("PR_SET_PDEATHSIG 99", prctl(PR_SET_PDEATHSIG, 99));
    show_call("PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    show_call("PR_SET_NO_NEW_PRIVS 0", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    IN_CHILD("PR_SET_NO_NEW_PRIVS", show_call("...", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
             show_call("...", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    show_call("PR_GET_TIMERSLACK", prctl(PR_GET_TIMERSLACK));
    show_call("prctl unknown", prctl(12345));
    show_call("personality", personality(0xffffffff));
    IN_CHILD("personality changes", personality(0x0040000);
             _exit(personality(0xffffffff) == 0x0040000 ? 1 : 2));
    setpriority(PRIO_PROCESS, 0, 0); // whatever the test was started with
    show_call("getpriority", syscall(SYS_getpriority, PRIO_PROCESS, 0));
    IN_CHILD("setpriority", setpriority(PRIO_PROCESS, 0, 5);
             show_call("...", syscall(SYS_getpriority, PRIO_PROCESS, 0)); setuid(1);
             show_call("... lower by a user", setpriority(PRIO_PROCESS, 0, 0)));
    show_call("getpriority bad", syscall(SYS_getpriority, 5, 0));
    show_call("getpriority nobody", syscall(SYS_getpriority, PRIO_PROCESS, 99999));
    show_call("sched_getscheduler", sched_getscheduler(0));
    show_call("sched max FIFO", sched_get_priority_max(SCHED_FIFO));
    show_call("sched min RR", sched_get_priority_min(SCHED_RR));
    show_call("sched max OTHER", sched_get_priority_max(SCHED_OTHER));
    show_call("sched max unknown", sched_get_priority_max(77));
    struct sched_param param = {.sched_priority = 1};
    show_call("sched_setscheduler OTHER 1", sched_setscheduler(0, SCHED_OTHER, &param));
    show_call("sched_getparam nobody", sched_getparam(99999, &param));
    IN_CHILD("SCHED_FIFO by a user", setuid(1000);
             show_call("...", sched_setscheduler(0, SCHED_FIFO, &param)));
    cpu_set_t set;
    SHOW("sched_getaffinity", "%d",
         sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    show_call("sched_getaffinity of no pid", sched_getaffinity(-1, sizeof set, &set));
    show_call("sched_setaffinity of no pid", sched_setaffinity(-1, sizeof set, &set));
    show_call("sched_getscheduler of no pid", sched_getscheduler(-1));
    show_call("sched_getaffinity small", syscall(SYS_sched_getaffinity, 0, 3, &set));
    CPU_ZERO(&set);
    show_call("sched_setaffinity none", sched_setaffinity(0, sizeof set, &set));
    CPU_SET(0, &set);
    show_call("sched_setaffinity 0", sched_setaffinity(0, sizeof set, &set));
    unsigned cpu = 99;
    syscall(SYS_getcpu, &cpu, NULL, NULL);
    SHOW("getcpu", "%u", cpu);
}

static void limits(void)
{
    struct rlimit r, zero = {0, 0}, wrong = {2, 1};
    show_call("getrlimit unknown", syscall(SYS_prlimit64, 0, 99, NULL, &r));
    show_call("setrlimit cur above max", setrlimit(RLIMIT_CORE, &wrong));
    getrlimit(RLIMIT_CORE, &r);
    SHOW("RLIMIT_CORE", "%ld", (long)r.rlim_cur);
    getrlimit(RLIMIT_STACK, &r);
    SHOW("RLIMIT_STACK", "%ld", (long)r.rlim_cur);
    IN_CHILD("lower and raise", setuid(1000); r = (struct rlimit){10, 20};
             setrlimit(RLIMIT_NOFILE, &r); r.rlim_max = 21;
             show_call("... raise", setrlimit(RLIMIT_NOFILE, &r)); r.rlim_max = 20; r.rlim_cur = 20;
             show_call("... within", setrlimit(RLIMIT_NOFILE, &r));
             for (int i = 3; i < 40; i++) close(i); int n = 3; while (open("/", O_RDONLY) >= 0) n++;
             SHOW("... files", "%d %s", n, strerrorname_np(errno)));
    show_call("prlimit of nobody", prlimit(99999, RLIMIT_CORE, NULL, &r));
    IN_CHILD("RLIMIT_FSIZE", setrlimit(RLIMIT_FSIZE, &zero); FILE *f = tmpfile();
             signal(SIGXFSZ, SIG_IGN); show_call("...", write(fileno(f), "x", 1));
             signal(SIGXFSZ, SIG_DFL); _exit(write(fileno(f), "x", 1) < 0));
    IN_CHILD("RLIMIT_NPROC", setuid(4321); r = (struct rlimit){1, 1}; setrlimit(RLIMIT_NPROC, &r);
             show_call("...", fork()));
    struct rusage ru;
    show_call("getrusage bad", getrusage(77, &ru));
    show_call("getrusage thread", getrusage(RUSAGE_THREAD, &ru));
    SHOW("maxrss", "%d", ru.ru_maxrss > 100);
}

static void system_calls(void)
{
    struct utsname u;
    uname(&u);
    SHOW("uname", "%s", u.sysname);
    IN_CHILD("sethostname", show_call("... too long", sethostname(u.nodename, 65)); setuid(1);
             show_call("... by a user", sethostname("x", 1)));
    struct sysinfo si;
    sysinfo(&si);
    SHOW("sysinfo", "%d %u", si.totalram > 0 && si.procs > 0 && si.uptime > 0, si.mem_unit);
    char bytes[64] = {0}, zeros[64] = {0};
    show_call("getrandom", syscall(SYS_getrandom, bytes, sizeof bytes, 0));
    SHOW("... random", "%d", memcmp(bytes, zeros, sizeof bytes) != 0);
    show_call("getrandom bad flags", syscall(SYS_getrandom, bytes, 1, 99));
    show_call("getrandom bad address", syscall(SYS_getrandom, (void *)8, 16, 0));
    show_call("set_tid_address", syscall(SYS_set_tid_address, bytes) == gettid());
    show_call("no such call", syscall(451 + 1000));
}

static void all(void)
{
    users();
    capabilities();
    attributes();
    limits();
    system_calls();
}

int main(void)
{
    return run_as_child(all);
}
