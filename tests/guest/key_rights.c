// Keys between users: what each right of a key and of the keyrings on the way to it permits,
// quotas, sessions given to a parent, keyrings in keyrings, and what /proc/keys shows of all this.
#include "key_util.h"
#include <grp.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { REQUESTOR = -8 };
enum { VIEW = 1, KREAD = 2, WRITE = 4, KSEARCH = 8, KLINK = 16, SETATTR = 32, ALL = 63 };
#define POS(p) ((long)(p) << 24)
#define USR(p) ((long)(p) << 16)
#define GRP(p) ((long)(p) << 8)
#define OTH(p) ((long)(p))

static long find(long in, const char *desc, long to)
{
    return ctl(SEARCH, in, (long)"user", (long)desc, to);
}
static void own_session(void)
{
    ctl(JOIN, 0, 0, 0, 0);
}
static void be_user(uid_t uid, gid_t gid, gid_t more)
{
    if (setgroups(more ? 1 : 0, &more) || setgid(gid) || setuid(uid))
        abort();
}

// --- One right at a time -------------------------------------------------------------------------

// Everything that can be asked of a key, by one who has the rights `perm` says.
static void ask_all(const char *name, long id, long other)
{
    char text[64];
    SHOW(name, "%s", "asked");
    show_call("... view", ctl(DESCRIBE, id, (long)text, sizeof text, 0) < 0 ? -1 : 0);
    show_call("... security", ctl(SECURITY, id, (long)text, sizeof text, 0));
    show_call("... read", ctl(READ, id, (long)text, sizeof text, 0));
    show_call("... update", ctl(UPDATE, id, (long)"new", 3, 0));
    show_call("... link", ctl(LINK, id, other, 0, 0));
    show_call("... unlink from there", ctl(UNLINK, id, other, 0, 0));
    show_call("... move", ctl(MOVE, id, SESSION, other, 0));
    ctl(MOVE, id, other, SESSION, 0);
    show_call("... time", ctl(SET_TIMEOUT, id, 1000, 0, 0));
    show_call("... restrict", ctl(RESTRICT, id, 0, 0, 0));
}

static void rights(void)
{
    static const struct {
        const char *name;
        long bits;
    } each[] = {{"nothing", 0},      {"view", VIEW},  {"read", KREAD},         {"write", WRITE},
                {"search", KSEARCH}, {"link", KLINK}, {"attributes", SETATTR}, {"all", ALL}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        IN_CHILD(each[i].name, {
            own_session();
            long id = key("k", "x", SESSION), other = ring("other", SESSION);
            ctl(SETPERM, id, POS(each[i].bits), 0, 0);
            ask_all("possessed", id, other);
            show_id("found", find(SESSION, "k", 0));
            show_id("found and linked", find(SESSION, "k", other));
            show_id("requested", syscall(SYS_request_key, "user", "k", NULL, (int)other));
            show_id("added again", key("k", "y", SESSION));
        });
        IN_CHILD(each[i].name, {
            own_session();
            long r = ring("r", SESSION), id = key("k", "x", r), n = 0;
            (void)id;
            ctl(SETPERM, r, POS(each[i].bits), 0, 0);
            show_id("a keyring: add", key("new", "x", r));
            show_id("... find in it", find(r, "k", 0));
            show_id("... find through it", find(SESSION, "k", 0));
            show_id("... link to it", ctl(LINK, id, r, 0, 0));
            show_id("... unlink from it", ctl(UNLINK, id, r, 0, 0));
            show_call("... clear", ctl(CLEAR, r, 0, 0, 0));
            show_call("... read", ctl(READ, r, (long)&n, 4, 0) < 0 ? -1 : 0);
            show_id("... its number", ctl(GET_ID, r, 0, 0, 0));
            show_id("... revoke", ctl(REVOKE, r, 0, 0, 0));
        });
    }
}

// The same key seen by owner, group and others; the first class that fits counts.
static void classes(void)
{
    own_session();
    long id = key("shared", "x", SESSION);
    ctl(CHOWN, id, -1, 3000, 0);
    static const struct {
        const char *name;
        gid_t gid, more;
    } who[] = {
        {"by group", 3000, 0}, {"by another group of his", 2000, 3000}, {"by none", 2000, 0}};
    static const long perms[] = {GRP(KREAD | VIEW), OTH(KREAD | VIEW), GRP(VIEW) | OTH(KREAD)};
    for (size_t p = 0; p < 3; p++) {
        ctl(SETPERM, id, POS(ALL) | USR(SETATTR) | perms[p], 0, 0);
        for (size_t i = 0; i < 3; i++)
            IN_CHILD(who[i].name, {
                char text[64];
                be_user(1000, who[i].gid, who[i].more);
                own_session();
                show_call("read", ctl(READ, id, (long)text, sizeof text, 0));
                show_call("view", ctl(DESCRIBE, id, (long)text, sizeof text, 0) < 0 ? -1 : 0);
                show_id("link", ctl(LINK, id, SESSION, 0, 0));
                show_id("rights", ctl(SETPERM, id, POS(ALL), 0, 0));
                show_id("owner", ctl(CHOWN, id, 1000, -1, 0));
                show_id("group", ctl(CHOWN, id, -1, 2000, 0));
            });
    }
    ctl(SETPERM, id, POS(ALL) | USR(ALL) | OTH(ALL), 0, 0);
    IN_CHILD("with every right", {
        be_user(1000, 2000, 0);
        own_session();
        show_id("rights", ctl(SETPERM, id, POS(ALL), 0, 0));
        long mine = key("mine", "x", SESSION);
        show_id("his to a group of his", ctl(CHOWN, mine, -1, 2000, 0));
        show_id("his to himself", ctl(CHOWN, mine, 1000, -1, 0));
        show_id("his to another", ctl(CHOWN, mine, 1001, -1, 0));
        show_id("his to another group", ctl(CHOWN, mine, -1, 3000, 0));
        show_id("his rights", ctl(SETPERM, mine, POS(VIEW | SETATTR), 0, 0));
        show_id("link the shared one", ctl(LINK, id, SESSION, 0, 0));
        show_id("find it", find(SESSION, "shared", 0));
    });
    IN_CHILD("to a user with no room", {
        be_user(1000, 2000, 0);
        own_session();
        static char big[15000];
        add("user", "big", big, sizeof big, USER);
    });
    static char more[10000];
    long large = add("user", "large", more, sizeof more, SESSION);
    show_id("a large one to him", ctl(CHOWN, large, 1000, -1, 0));
    show_id("to nobody", ctl(CHOWN, large, -1, -1, 0));
    show_id("again to oneself", ctl(CHOWN, large, 0, 0, 0));
    IN_CHILD("he makes room", {
        be_user(1000, 2000, 0);
        ctl(CLEAR, USER, 0, 0, 0);
    });
}

// --- Room ----------------------------------------------------------------------------------------

static void quotas(void)
{
    static char big[20000];
    be_user(1005, 2000, 0);
    own_session();
    show_id("the most bytes", add("user", "b", big, 19000, SESSION));
    show_id("a few more", add("user", "c", big, 900, SESSION));
    show_id("in place", ctl(UPDATE, find(SESSION, "b", 0), (long)big, 100, 0));
    show_id("then", add("user", "c", big, 900, SESSION));
    show_id("larger than there is room", ctl(UPDATE, find(SESSION, "c", 0), (long)big, 19500, 0));
    show_id("added over, larger", add("user", "c", big, 19500, SESSION));
    ctl(CLEAR, SESSION, 0, 0, 0);
    long id = key("k", "x", SESSION), rings = 0;
    for (char name[16]; rings < 300; rings++) {
        snprintf(name, sizeof name, "r%ld", rings);
        long r = ring(name, SESSION);
        if (r < 0 || ctl(LINK, id, r, 0, 0))
            break;
    }
    SHOW("as many keyrings as keys", "%s", strerrorname_np(errno));
    ctl(CLEAR, SESSION, 0, 0, 0);
}

static void depths(void)
{
    own_session();
    long r[12], first = ring("0", SESSION);
    r[0] = first;
    for (int i = 1; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        r[i] = ring(name, r[i - 1]);
        show_id("one deeper", r[i]);
    }
    key("deep", "x", r[11]);
    key("less deep", "x", r[4]);
    show_id("too deep to find", find(first, "deep", 0));
    show_id("found", find(first, "less deep", 0));
    show_id("from half way", find(r[7], "deep", 0));
    show_call("into itself", ctl(LINK, first, r[3], 0, 0));
    show_call("into itself, deep", ctl(LINK, first, r[11], 0, 0));
    long outer = ring("outer", SESSION);
    show_call("deep into another", ctl(LINK, first, outer, 0, 0));
    show_call("less deep", ctl(LINK, r[8], outer, 0, 0));
    show_call("twice", ctl(LINK, r[8], outer, 0, 0));
    show_call("move into itself", ctl(MOVE, first, SESSION, r[2], 0));
    show_call("move to where it is", ctl(MOVE, r[8], outer, outer, 0));
    show_call("move from a key", ctl(MOVE, r[8], key("k", "x", SESSION), outer, 0));
    show_call("move to a key", ctl(MOVE, r[8], outer, key("k", "x", SESSION), 0));
    show_call("move to nothing", ctl(MOVE, r[8], outer, 0x7ffffff0, 0));
    show_call("move nothing", ctl(MOVE, 0x7ffffff0, outer, SESSION, 0));
    show_call("revoke half way", ctl(REVOKE, r[2], 0, 0, 0));
    show_id("not found any more", find(first, "less deep", 0));
    show_id("add there", key("new", "x", r[2]));
    show_id("read there", ctl(READ, r[2], 0, 0, 0));
    show_id("find there", find(r[2], "less deep", 0));
}

// --- Sessions and arguments ----------------------------------------------------------------------

static void *nothing(void *arg)
{
    while (*(volatile int *)arg == 0)
        sleep_ms(1);
    return NULL;
}

static void sessions(void)
{
    own_session();
    IN_CHILD("another user's child", {
        if (setgid(1234) || setuid(1234))
            abort();
        own_session();
        show_call("to its parent", ctl(TO_PARENT, 0, 0, 0, 0));
    });
    IN_CHILD("a child without a right", {
        own_session();
        long s = ctl(GET_ID, SESSION, 0, 0, 0);
        ctl(SETPERM, s, POS(ALL & ~KLINK) | USR(ALL), 0, 0);
        show_call("to its parent", ctl(TO_PARENT, 0, 0, 0, 0));
    });
    int done = 0;
    pthread_t t;
    pthread_create(&t, NULL, nothing, &done);
    IN_CHILD("a child of several threads", {
        own_session();
        show_call("to its parent", ctl(TO_PARENT, 0, 0, 0, 0));
    });
    done = 1;
    pthread_join(t, NULL);
    for (long r = 0; r < 9; r++)
        show_call("requested keys go to", ctl(SET_REQKEY, r, 0, 0, 0));
    show_call("... -2", ctl(SET_REQKEY, -2, 0, 0, 0));
    show_id("the requestor's", ctl(GET_ID, REQUESTOR, 1, 0, 0));
    show_id("a number of none", ctl(GET_ID, -9, 1, 0, 0));
    show_id("reject", ctl(REJECT, key("k", "x", SESSION), 5, 11, 0));
    show_id("negate", ctl(NEGATE, key("k", "x", SESSION), 5, 0, 0));
    show_id("destination that is a key", find(SESSION, "k", key("destination", "x", SESSION)));
    show_id("destination that is none", find(SESSION, "k", 0x7ffffff0));
    show_id("request to a key",
            syscall(SYS_request_key, "user", "k", NULL, (int)key("destination", "x", SESSION)));
    show_id("request with nothing to say", syscall(SYS_request_key, "user", "k", "", 0));
    show_id("request with news nowhere", syscall(SYS_request_key, "user", "k", (char *)8, 0));
    show_id("request of no type", syscall(SYS_request_key, (char *)8, "k", NULL, 0));
    long r = ring("empty", SESSION);
    show_call("an empty keyring", ctl(READ, r, 0, 0, 0));
    show_call("view, no room", ctl(DESCRIBE, r, 0, 0, 0) > 20);
    show_call("view to 8", ctl(DESCRIBE, r, 8, 100, 0));
    show_call("security to 8", ctl(SECURITY, r, 8, 100, 0));
    unsigned char bits[64];
    memset(bits, 7, sizeof bits);
    show_call("capabilities, no room", ctl(CAPABILITIES, 0, 0, 0, 0) > 0);
    show_call("capabilities, room for one", ctl(CAPABILITIES, (long)bits, 1, 0, 0) > 0);
    SHOW("... the rest", "%d", bits[1]);
    show_call("capabilities, much room", ctl(CAPABILITIES, (long)bits, 60, 0, 0) > 0);
    SHOW("... the rest", "%d %d", bits[59], bits[60]);
    show_call("capabilities to 8", ctl(CAPABILITIES, 8, 2, 0, 0));
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(edge + 4096, 4096, PROT_NONE);
    show_call("capabilities across", ctl(CAPABILITIES, (long)edge + 4090, 60, 0, 0));
    show_call("restrict, type nowhere", ctl(RESTRICT, r, 8, (long)edge, 0));
    show_call("restrict nothing", ctl(RESTRICT, 0x7ffffff0, 0, 0, 0));
    show_call("restrict to an unknown type", ctl(RESTRICT, r, (long)"nosuch", (long)"x", 0));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void shown(void)
{
    static const long times[] = {0, 50, 500, 20000, 300000, 3000000};
    own_session();
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char name[16];
        snprintf(name, sizeof name, "shown-%zu", i);
        long id = key(name, "xyz", SESSION);
        if (times[i])
            ctl(SET_TIMEOUT, id, times[i], 0, 0);
    }
    long dead = key("shown-dead", "x", SESSION), mute = key("shown-mute", "x", SESSION);
    ctl(REVOKE, dead, 0, 0, 0);
    ctl(SETPERM, mute, POS(ALL & ~VIEW), 0, 0);
    ring("shown-ring", SESSION);
    FILE *f = fopen("/proc/keys", "r");
    char line[256], flags[16], expiry[16], type[16], text[64], lines[16][128];
    int count = 0;
    while (f && fgets(line, sizeof line, f) && count < 16)
        if (strstr(line, "shown-") && sscanf(line, "%*x %15s %*d %15s %*x %*d %*d %15s %63[^\n]",
                                             flags, expiry, type, text) == 4) {
            // How much of its first unit is left is a matter of the moment.
            const char *unit = !strcmp(expiry, "perm") ? expiry : expiry + strlen(expiry) - 1;
            snprintf(lines[count++], sizeof lines[0], "%s %.2s%s %s %s", text, flags,
                     flags[3] == 'Q' ? " counted" : "", flags[1] == 'R' ? "" : unit, type);
        }
    qsort(lines, (size_t)count, sizeof lines[0], by_text);
    for (int i = 0; i < count; i++)
        SHOW("line", "%s", lines[i]);
    if (f)
        fclose(f);
}

static void body(void)
{
    rights();
    IN_CHILD("classes", classes());
    IN_CHILD("quotas", quotas());
    IN_CHILD("depths", depths());
    IN_CHILD("sessions", sessions());
    IN_CHILD("shown", shown());
}

static int has_keys(void)
{
    return ctl(JOIN, 0, 0, 0, 0) > 0;
}

int main(void)
{
    probe_needs(has_keys, "keys");
    return run_as_child(body);
}
