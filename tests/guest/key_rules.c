// Rules of keys that take several people: quotas, owners, groups, searches among keys that may not
// be found, keyrings that are full, deep or closed, sessions given to a parent.
#include "key_util.h"
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

enum { MOVE_EXCL = 1, ALL = 0x3f, VIEW = 1, READ_IT = 2, WRITE = 4, FIND = 8, TAKE = 16, SET = 32 };
#define RIGHTS(pos, usr, grp, oth)                                                                 \
    ((unsigned)(pos) << 24 | (unsigned)(usr) << 16 | (unsigned)(grp) << 8 | (unsigned)(oth))

static long find(long in, const char *desc)
{
    return ctl(SEARCH, in, (long)"user", (long)desc, 0);
}
static void become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        abort();
}

static void quotas(void)
{
    char big[20001];
    memset(big, 'q', sizeof big);
    ctl(JOIN, 0, 0, 0, 0);
    show_id("a user's first", key("first", "x", SESSION));
    show_id("as much as there is", add("user", "big", big, 15000, SESSION));
    show_id("more", add("user", "more", big, 15000, SESSION));
    long first = key("first", "x", SESSION);
    show_id("growing beyond", ctl(UPDATE, first, (long)big, 10000, 0));
    show_id("... by adding again", add("user", "first", big, 10000, SESSION));
    int n = 0;
    char name[16];
    long last = 0;
    for (; n < 300 && last >= 0; n++) {
        snprintf(name, sizeof name, "k%d", n);
        last = key(name, "x", SESSION);
    }
    SHOW("how many", "%d %s", n > 150 && n < 250, strerrorname_np(errno));
    show_id("no ring either", ring("ring", SESSION));
    ctl(CLEAR, SESSION, 0, 0, 0);
    for (n = 0; n < 200; n++) { // they are collected in their own time
        last = key("after", "x", SESSION);
        if (last > 0)
            break;
        sleep_ms(10);
    }
    show_id("after clearing", last);
}

static void owners(void)
{
    ctl(JOIN, 0, 0, 0, 0);
    long id = key("mine", "x", SESSION);
    show_call("chown to oneself", ctl(CHOWN, id, 4322, -1, 0));
    show_call("... to another", ctl(CHOWN, id, 2000, -1, 0));
    show_call("... of the group", ctl(CHOWN, id, -1, 4322, 0));
    show_call("... to another group", ctl(CHOWN, id, -1, 77, 0));
    show_call("... of nothing", ctl(CHOWN, id, -1, -1, 0));
    show_call("... of no key", ctl(CHOWN, 0x7ffffff0, 5, 5, 0));
    show_call("... without the right",
              (ctl(SETPERM, id, RIGHTS(ALL & ~SET, ALL & ~SET, 0, 0), 0, 0),
               ctl(CHOWN, id, 4322, -1, 0)));
    show_call("setperm without the right", ctl(SETPERM, id, RIGHTS(ALL, ALL, 0, 0), 0, 0));
    show_call("setperm of more than there is", ctl(SETPERM, id, 0x40000000, 0, 0));
    show_call("timeout without the right", ctl(SET_TIMEOUT, id, 100, 0, 0));
    show_call("invalidate", ctl(INVALIDATE, id, 0, 0, 0));
}

// Root's key for user 4322 and group 50, in different hands.
static void people(void)
{
    long session = ctl(JOIN, 0, 0, 0, 0), id = key("shared", "text", SESSION);
    (void)session;
    char text[16];
    show_call("root gives it away", ctl(CHOWN, id, 4322, 50, 0));
    show_call("... with rights", ctl(SETPERM, id, RIGHTS(VIEW, ALL, VIEW | READ_IT, VIEW), 0, 0));
    static const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
    } rows[] = {{"owner", 4322, 7}, {"group", 2000, 50}, {"others", 2000, 7}};
    for (int i = 0; i < 3; i++) {
        SHOW("for", "%s", rows[i].name);
        IN_CHILD("... end", become(rows[i].uid, rows[i].gid);
                 show_call("... view", ctl(DESCRIBE, id, 0, 0, 0) > 0 ? 1 : -1);
                 show_call("... read", ctl(READ, id, (long)text, sizeof text, 0));
                 show_call("... write", ctl(UPDATE, id, (long)"new", 3, 0));
                 show_id("... search", find(SESSION, "shared"));
                 show_call("... link", ctl(LINK, id, PROCESS, 0, 0));
                 show_call("... set", ctl(SET_TIMEOUT, id, 1000, 0, 0));
                 show_call("... revoke", ctl(REVOKE, id, 0, 0, 0)));
    }
    IN_CHILD("supplementary group", gid_t g = 50; setgroups(1, &g);
             if (setresgid(7, 7, 7) || setresuid(9, 9, 9)) abort();
             show_call("... read", ctl(READ, id, (long)text, sizeof text, 0)));
    show_call("a key that may not be changed",
              (id = key("fixed", "x", SESSION),
               ctl(SETPERM, id, RIGHTS(ALL & ~WRITE, ALL & ~WRITE, 0, 0), 0, 0)));
    show_id("... added again", key("fixed", "y", SESSION));
    show_id("... updated", ctl(UPDATE, id, (long)"y", 1, 0));
    show_call("a key that may not be linked",
              (id = key("unlinked", "x", SESSION),
               ctl(SETPERM, id, RIGHTS(ALL & ~TAKE, ALL & ~TAKE, 0, 0), 0, 0)));
    show_id("... found and linked", ctl(SEARCH, SESSION, (long)"user", (long)"unlinked", PROCESS));
    show_id("... asked for and linked",
            syscall(SYS_request_key, "user", "unlinked", NULL, PROCESS));
    show_call("... moved", ctl(MOVE, id, SESSION, PROCESS, 0));
}

static void searches(void)
{
    ctl(JOIN, 0, 0, 0, 0);
    long outer = ring("outer", SESSION), inner = ring("inner", outer), id = key("deep", "x", inner);
    show_id("a key in a ring in a ring", find(SESSION, "deep"));
    show_id("... from the key itself", find(id, "deep"));
    show_id("... of an unknown type", ctl(SEARCH, SESSION, (long)"nosuch", (long)"deep", 0));
    show_id("... into a key", ctl(SEARCH, SESSION, (long)"user", (long)"deep", id));
    show_id("... into nothing", ctl(SEARCH, SESSION, (long)"user", (long)"deep", 0x7ffffff0));
    show_id("... asked for into a key", syscall(SYS_request_key, "user", "deep", NULL, (int)id));
    show_id("... of type nowhere", ctl(SEARCH, SESSION, 8, (long)"deep", 0));
    show_id("... of name nowhere", ctl(SEARCH, SESSION, (long)"user", 8, 0));
    ctl(SETPERM, inner, RIGHTS(ALL & ~FIND, ALL & ~FIND, 0, 0), 0, 0);
    show_id("not behind a ring that may not be searched", find(SESSION, "deep"));
    show_id("... nor that ring itself", find(inner, "deep"));
    ctl(SETPERM, inner, RIGHTS(ALL, ALL, 0, 0), 0, 0);
    ctl(SETPERM, id, RIGHTS(ALL & ~FIND, ALL & ~FIND, 0, 0), 0, 0);
    show_id("one that may not be found", find(SESSION, "deep"));
    long second = ring("second", SESSION);
    key("deep", "y", second);
    show_id("... but another of its name", find(SESSION, "deep"));
    long gone = key("gone", "x", SESSION);
    ctl(REVOKE, gone, 0, 0, 0);
    show_id("one that is revoked", find(SESSION, "gone"));
    show_id("... asked for", syscall(SYS_request_key, "user", "gone", NULL, 0));
    show_id("... added again", key("gone", "z", SESSION));
    show_id("... is found", find(SESSION, "gone"));
    ctl(REVOKE, second, 0, 0, 0);
    show_id("in a ring that is revoked", find(second, "deep"));
    show_id("add to it", key("x", "x", second));
    show_id("link into it", ctl(LINK, id, second, 0, 0));
    long soon = key("soon", "x", SESSION);
    show_call("a key for a second", ctl(SET_TIMEOUT, soon, 1, 0, 0));
    show_id("... is there", find(SESSION, "soon"));
    sleep_ms(2100);
    show_id("... is not", find(SESSION, "soon"));
    show_call("... read", ctl(READ, soon, 0, 0, 0));
    show_call("... for longer", ctl(SET_TIMEOUT, soon, 100, 0, 0));
}

static void rings(void)
{
    long session = ctl(JOIN, 0, 0, 0, 0), top = ring("top", SESSION), at = top;
    (void)session;
    for (int i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        long next = ring(name, at);
        if (next < 0) {
            SHOW("depth", "%d %s", i, strerrorname_np(errno));
            break;
        }
        at = next;
    }
    long id = key("bottom", "x", at);
    show_id("at the bottom", id);
    show_id("... found from the top", find(top, "bottom"));
    show_id("... from the session", find(SESSION, "bottom"));
    show_id("the top into the bottom", ctl(LINK, top, at, 0, 0));
    show_id("a ring into itself", ctl(LINK, top, top, 0, 0));
    long fixed = ring("fixed", SESSION);
    show_call("restrict by nothing", ctl(RESTRICT, fixed, 0, 0, 0));
    show_id("... takes no key", key("k", "x", fixed));
    show_id("... nor a link", ctl(LINK, id, fixed, 0, 0));
    show_call("... twice", ctl(RESTRICT, fixed, 0, 0, 0));
    show_call("restrict a key", ctl(RESTRICT, id, 0, 0, 0));
    show_call("... by an unknown type", ctl(RESTRICT, top, (long)"nosuch", (long)"x", 0));
    show_call("... by a type that knows none", ctl(RESTRICT, top, (long)"user", (long)"x", 0));
    show_call("... without how", ctl(RESTRICT, top, (long)"user", 0, 0));
    show_call("... of no key", ctl(RESTRICT, 0x7ffffff0, 0, 0, 0));
    long a = ring("a", SESSION), b = ring("b", SESSION), m = key("moving", "x", a);
    show_call("move", ctl(MOVE, m, a, b, 0));
    show_call("... what is not there", ctl(MOVE, m, a, b, 0));
    show_call("... to the same", ctl(MOVE, m, b, b, 0));
    show_call("... from a key", ctl(MOVE, m, m, b, 0));
    show_call("... to a key", ctl(MOVE, m, b, m, 0));
    show_call("... to nothing", ctl(MOVE, m, b, 0x7ffffff0, 0));
    show_call("... of nothing", ctl(MOVE, 0x7ffffff0, a, b, 0));
    show_call("... with flags", ctl(MOVE, m, b, a, 2));
    key("moving", "y", a);
    show_call("... onto another", ctl(MOVE, m, b, a, MOVE_EXCL));
    show_call("... over another", ctl(MOVE, m, b, a, 0));
    show_call("... into a closed one", ctl(MOVE, m, a, fixed, 0));
    show_call("link to a key", ctl(LINK, m, m, 0, 0));
    show_call("unlink from a key", ctl(UNLINK, m, m, 0, 0));
    show_call("unlink what is not there", ctl(UNLINK, m, b, 0, 0));
    show_call("clear a key", ctl(CLEAR, m, 0, 0, 0));
    show_call("clear", ctl(CLEAR, a, 0, 0, 0));
    char bits[4];
    show_call("capabilities nowhere", ctl(CAPABILITIES, 8, 4, 0, 0));
    show_call("capabilities, none", ctl(CAPABILITIES, (long)bits, 0, 0, 0) > 0);
    show_call("security nowhere", ctl(SECURITY, m, 8, 5, 0) >= 0);
    for (int i = -1; i < 10; i++) {
        long old = ctl(SET_REQKEY, i, 0, 0, 0);
        SHOW("default for requests", "%d: %s %ld", i, old < 0 ? strerrorname_np(errno) : "was",
             old < 0 ? 0 : old);
    }
    show_id("a session's number", ctl(GET_ID, SESSION, 0, 0, 0));
    show_id("a thread's, not made", ctl(GET_ID, THREAD, 0, 0, 0));
    show_id("a thread's, made", ctl(GET_ID, THREAD, 1, 0, 0));
    show_id("of -8", ctl(GET_ID, -8, 0, 0, 0));
    show_id("of -9", ctl(GET_ID, -9, 0, 0, 0));
}

static void *idle(void *fd)
{
    hear(*(int *)fd);
    return NULL;
}

static void sessions(void)
{
    ctl(JOIN, 0, 0, 0, 0);
    key("of the parent", "x", SESSION);
    IN_CHILD("a child's session", ctl(JOIN, 0, 0, 0, 0); key("of the child", "x", SESSION);
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    sched_yield();
    show_id("the parent's now: its own", find(SESSION, "of the parent"));
    show_id("... the child's", find(SESSION, "of the child"));
    IN_CHILD("another user's session", become(4322, 4322); ctl(JOIN, 0, 0, 0, 0);
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD("another effective group", if (setresgid(-1, 7, -1)) abort(); ctl(JOIN, 0, 0, 0, 0);
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD("another saved user", if (setresuid(-1, -1, 7)) abort(); ctl(JOIN, 0, 0, 0, 0);
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD(
        "a parent with threads", int p[2]; pthread_t t; pipe(p); pthread_create(&t, NULL, idle, p);
        IN_CHILD("...", ctl(JOIN, 0, 0, 0, 0); show_call("... for it", ctl(TO_PARENT, 0, 0, 0, 0)));
        tell(p[1]); pthread_join(t, NULL));
    ctl(JOIN, (long)"known", 0, 0, 0);
    key("in known", "x", SESSION);
    IN_CHILD("joined by name", ctl(JOIN, 0, 0, 0, 0);
             show_id("...", ctl(JOIN, (long)"known", 0, 0, 0));
             show_id("... is not one without the right", find(SESSION, "in known")));
    ctl(SETPERM, SESSION, RIGHTS(ALL, ALL, 0, FIND), 0, 0);
    IN_CHILD("joined by another user", become(4322, 4322);
             show_id("...", ctl(JOIN, (long)"known", 0, 0, 0));
             show_id("... what is there", find(SESSION, "in known")));
    show_id("a name with a dot", ctl(JOIN, (long)".x", 0, 0, 0));
    show_id("a name nowhere", ctl(JOIN, 8, 0, 0, 0));
    IN_CHILD("in a user namespace", unshare(CLONE_NEWUSER);
             show_id("... user", ctl(GET_ID, USER, 1, 0, 0));
             show_id("... session", ctl(GET_ID, USER_SESSION, 1, 0, 0));
             show_id("... add", key("n", "x", PROCESS));
             show_id("... named", ctl(JOIN, (long)"known", 0, 0, 0));
             show_call("... chown to nobody here", ctl(CHOWN, PROCESS, 12345, -1, 0)));
    IN_CHILD("a thread's ring follows its user", ctl(GET_ID, THREAD, 1, 0, 0);
             key("of the thread", "x", THREAD); become(4322, 4322);
             show_id("...", find(THREAD, "of the thread"));
             show_id("... takes more", key("more", "x", THREAD)));
}

static void all(void)
{
    IN_CHILD("quotas", become(4321, 4321); quotas());
    IN_CHILD("owners", become(4322, 4322); owners());
    IN_CHILD("people", people());
    IN_CHILD("searches", searches());
    IN_CHILD("rings", rings());
    IN_CHILD("sessions", sessions());
}

static int has_keys(void)
{
    return ctl(GET_ID, PROCESS, 1, 0, 0) > 0;
}

int main(void)
{
    probe_needs(has_keys, "keys");
    return run_as_child(all);
}
