// What each right of a key and of the keyrings on the way to it permits, to whom, and what
// /proc/keys shows of all this.
#include "key_util.h"
#include <stdint.h>

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

// --- People --------------------------------------------------------------------------------------

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
                be_user(user_of_ours(0), who[i].gid, who[i].more);
                own_session();
                show_call("read", ctl(READ, id, (long)text, sizeof text, 0));
                show_call("view", ctl(DESCRIBE, id, (long)text, sizeof text, 0) < 0 ? -1 : 0);
                show_id("link", ctl(LINK, id, SESSION, 0, 0));
                show_id("rights", ctl(SETPERM, id, POS(ALL), 0, 0));
                show_id("owner", ctl(CHOWN, id, user_of_ours(0), -1, 0));
                show_id("group", ctl(CHOWN, id, -1, 2000, 0));
            });
    }
    ctl(SETPERM, id, POS(ALL) | USR(ALL) | OTH(ALL), 0, 0);
    IN_CHILD("with every right", {
        be_user(user_of_ours(0), 2000, 0);
        own_session();
        show_id("rights", ctl(SETPERM, id, POS(ALL), 0, 0));
        long mine = key("mine", "x", SESSION);
        show_id("his to a group of his", ctl(CHOWN, mine, -1, 2000, 0));
        show_id("his to himself", ctl(CHOWN, mine, user_of_ours(0), -1, 0));
        show_id("his to another", ctl(CHOWN, mine, user_of_ours(1), -1, 0));
        show_id("his to another group", ctl(CHOWN, mine, -1, 3000, 0));
        show_id("his rights", ctl(SETPERM, mine, POS(VIEW | SETATTR), 0, 0));
        show_id("link the shared one", ctl(LINK, id, SESSION, 0, 0));
        show_id("find it", find(SESSION, "shared", 0));
    });
    IN_CHILD("to a user with no room", {
        be_user(user_of_ours(0), 2000, 0);
        own_session();
        static char big[15000];
        add("user", "big", big, sizeof big, USER);
    });
    static char more[10000];
    long large = add("user", "large", more, sizeof more, SESSION);
    show_id("a large one to him", ctl(CHOWN, large, user_of_ours(0), -1, 0));
    show_id("to nobody", ctl(CHOWN, large, -1, -1, 0));
    show_id("again to oneself", ctl(CHOWN, large, 0, 0, 0));
    IN_CHILD("he makes room", {
        be_user(user_of_ours(0), 2000, 0);
        ctl(CLEAR, USER, 0, 0, 0);
    });
}

// Root's key for a user and group 50, in different hands.
static void people(void)
{
    own_session();
    long id = key("shared", "text", SESSION);
    char text[16];
    show_call("root gives it away", ctl(CHOWN, id, user_of_ours(2), 50, 0));
    show_call("... with rights",
              ctl(SETPERM, id, POS(VIEW) | USR(ALL) | GRP(VIEW | KREAD) | OTH(VIEW), 0, 0));
    const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
    } rows[] = {{"owner", user_of_ours(2), 7},
                {"group", user_of_ours(3), 50},
                {"others", user_of_ours(3), 7}};
    for (int i = 0; i < 3; i++) {
        SHOW("for", "%s", rows[i].name);
        IN_CHILD("... end", be_user(rows[i].uid, rows[i].gid, 0);
                 show_call("... view", ctl(DESCRIBE, id, 0, 0, 0) > 0 ? 1 : -1);
                 show_call("... read", ctl(READ, id, (long)text, sizeof text, 0));
                 show_call("... write", ctl(UPDATE, id, (long)"new", 3, 0));
                 show_id("... search", find(SESSION, "shared", 0));
                 show_call("... link", ctl(LINK, id, PROCESS, 0, 0));
                 show_call("... set", ctl(SET_TIMEOUT, id, 1000, 0, 0));
                 show_call("... revoke", ctl(REVOKE, id, 0, 0, 0)));
    }
}

static void owners(void)
{
    own_session();
    long id = key("mine", "x", SESSION);
    show_call("chown of nothing", ctl(CHOWN, id, -1, -1, 0));
    show_call("... of no key", ctl(CHOWN, NO_KEY, 5, 5, 0));
    show_call("... without the right",
              (ctl(SETPERM, id, POS(ALL & ~SETATTR) | USR(ALL & ~SETATTR), 0, 0),
               ctl(CHOWN, id, user_of_ours(2), -1, 0)));
    show_call("setperm without the right", ctl(SETPERM, id, POS(ALL) | USR(ALL), 0, 0));
    show_call("setperm of more than there is", ctl(SETPERM, id, 0x40000000, 0, 0));
    show_call("timeout without the right", ctl(SET_TIMEOUT, id, 100, 0, 0));
    show_call("invalidate", ctl(INVALIDATE, id, 0, 0, 0));
}

// --- What is shown -------------------------------------------------------------------------------

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void shown(void)
{
    static const long times[] = {0, 50, 500, 20000, 300000, 3000000};
    const char *ours = session_of_ours(); // the file shows everybody's
    char dead_name[32], mute_name[32], ring_name[32];
    own_session();
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%zu", ours, i);
        long id = key(name, "xyz", SESSION);
        if (times[i])
            ctl(SET_TIMEOUT, id, times[i], 0, 0);
    }
    snprintf(dead_name, sizeof dead_name, "%s-dead", ours);
    snprintf(mute_name, sizeof mute_name, "%s-mute", ours);
    snprintf(ring_name, sizeof ring_name, "%s-ring", ours);
    long dead = key(dead_name, "x", SESSION), mute = key(mute_name, "x", SESSION);
    ctl(REVOKE, dead, 0, 0, 0);
    ctl(SETPERM, mute, POS(ALL & ~VIEW), 0, 0);
    ring(ring_name, SESSION);
    FILE *f = fopen("/proc/keys", "r");
    char line[256], flags[16], expiry[16], type[16], text[64], lines[16][128];
    int count = 0;
    while (f && fgets(line, sizeof line, f) && count < 16)
        if (strstr(line, ours) && sscanf(line, "%*x %15s %*d %15s %*x %*d %*d %15s %63[^\n]", flags,
                                         expiry, type, text) == 4) {
            // How much of its first unit is left is a matter of the moment.
            const char *unit = !strcmp(expiry, "perm") ? expiry : expiry + strlen(expiry) - 1;
            snprintf(lines[count++], sizeof lines[0], "%s %.2s%s %s %s", text + strlen(ours), flags,
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
    IN_CHILD("people", people());
    IN_CHILD("owners", be_user(user_of_ours(2), 4322, 0); owners());
    IN_CHILD("shown", shown());
}

static int has_keys(void)
{
    return ctl(JOIN, 0, 0, 0, 0) > 0;
}

int main(void)
{
    user_of_ours(0);
    probe_needs(has_keys, "keys");
    return run_as_child(body);
}
