// Rules of keys and keyrings: quotas, searches among keys that may not be found, keyrings that are
// full, deep or closed, sessions that are joined or given to a parent, arguments nobody means.
#include "key_util.h"
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>

static void quota_of_bytes(void)
{
    static char big[20000];
    own_session();
    show_id("the most bytes", add("user", "b", big, 19000, SESSION));
    show_id("a few more", add("user", "c", big, 900, SESSION));
    show_id("in place", ctl(UPDATE, find(SESSION, "b", 0), (long)big, 100, 0));
    show_id("then", add("user", "c", big, 900, SESSION));
    show_id("larger than there is room", ctl(UPDATE, find(SESSION, "c", 0), (long)big, 19500, 0));
    show_id("added over, larger", add("user", "c", big, 19500, SESSION));
    ctl(CLEAR, SESSION, 0, 0, 0);
}

static void quotas(void)
{
    char big[20001];
    memset(big, 'q', sizeof big);
    own_session();
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
    ctl(CLEAR, SESSION, 0, 0, 0);
}

static void quota_of_rings(void)
{
    char name[16];
    own_session();
    long id = key("k", "x", SESSION);
    for (int n = 0; n < 300; n++) {
        snprintf(name, sizeof name, "r%d", n);
        long r = ring(name, SESSION);
        if (r < 0 || ctl(LINK, id, r, 0, 0))
            break;
    }
    SHOW("as many keyrings as keys", "%s", strerrorname_np(errno));
    ctl(CLEAR, SESSION, 0, 0, 0);
}

static void searches(void)
{
    own_session();
    long outer = ring("outer", SESSION), inner = ring("inner", outer), id = key("deep", "x", inner);
    show_id("a key in a ring in a ring", find(SESSION, "deep", 0));
    show_id("... from the key itself", find(id, "deep", 0));
    show_id("... of an unknown type", ctl(SEARCH, SESSION, (long)"nosuch", (long)"deep", 0));
    show_id("... into a key", ctl(SEARCH, SESSION, (long)"user", (long)"deep", id));
    show_id("... into nothing", ctl(SEARCH, SESSION, (long)"user", (long)"deep", NO_KEY));
    show_id("... asked for into a key", syscall(SYS_request_key, "user", "deep", NULL, (int)id));
    show_id("... of type nowhere", ctl(SEARCH, SESSION, 8, (long)"deep", 0));
    show_id("... of name nowhere", ctl(SEARCH, SESSION, (long)"user", 8, 0));
    ctl(SETPERM, inner, POS(ALL & ~KSEARCH) | USR(ALL & ~KSEARCH), 0, 0);
    show_id("not behind a ring that may not be searched", find(SESSION, "deep", 0));
    show_id("... nor that ring itself", find(inner, "deep", 0));
    ctl(SETPERM, inner, POS(ALL) | USR(ALL), 0, 0);
    ctl(SETPERM, id, POS(ALL & ~KSEARCH) | USR(ALL & ~KSEARCH), 0, 0);
    show_id("one that may not be found", find(SESSION, "deep", 0));
    long second = ring("second", SESSION);
    key("deep", "y", second);
    show_id("... but another of its name", find(SESSION, "deep", 0));
    long gone = key("gone", "x", SESSION);
    ctl(REVOKE, gone, 0, 0, 0);
    show_id("one that is revoked", find(SESSION, "gone", 0));
    show_id("... asked for", syscall(SYS_request_key, "user", "gone", NULL, 0));
    show_id("... added again", key("gone", "z", SESSION));
    show_id("... is found", find(SESSION, "gone", 0));
    ctl(REVOKE, second, 0, 0, 0);
    show_id("in a ring that is revoked", find(second, "deep", 0));
    show_id("add to it", key("x", "x", second));
    show_id("link into it", ctl(LINK, id, second, 0, 0));
    long soon = key("soon", "x", SESSION);
    show_call("a key for a second", ctl(SET_TIMEOUT, soon, 1, 0, 0));
    show_id("... is there", find(SESSION, "soon", 0));
    sleep_ms(2100);
    show_id("... is not", find(SESSION, "soon", 0));
    show_call("... read", ctl(READ, soon, 0, 0, 0));
    show_call("... for longer", ctl(SET_TIMEOUT, soon, 100, 0, 0));
}

// --- Keyrings in keyrings ------------------------------------------------------------------------

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
    show_call("revoke half way", ctl(REVOKE, r[2], 0, 0, 0));
    show_id("not found any more", find(first, "less deep", 0));
    show_id("add there", key("new", "x", r[2]));
    show_id("read there", ctl(READ, r[2], 0, 0, 0));
    show_id("find there", find(r[2], "less deep", 0));
}

static void rings(void)
{
    own_session();
    long top = ring("top", SESSION), id = key("bottom", "x", top);
    long fixed = ring("fixed", SESSION);
    show_call("restrict by nothing", ctl(RESTRICT, fixed, 0, 0, 0));
    show_id("... takes no key", key("k", "x", fixed));
    show_id("... nor a link", ctl(LINK, id, fixed, 0, 0));
    show_call("... twice", ctl(RESTRICT, fixed, 0, 0, 0));
    show_call("restrict a key", ctl(RESTRICT, id, 0, 0, 0));
    show_call("... by an unknown type", ctl(RESTRICT, top, (long)"nosuch", (long)"x", 0));
    show_call("... by a type that knows none", ctl(RESTRICT, top, (long)"user", (long)"x", 0));
    show_call("... without how", ctl(RESTRICT, top, (long)"user", 0, 0));
    show_call("... of no key", ctl(RESTRICT, NO_KEY, 0, 0, 0));
    long a = ring("a", SESSION), b = ring("b", SESSION), m = key("moving", "x", a);
    show_call("move", ctl(MOVE, m, a, b, 0));
    show_call("... what is not there", ctl(MOVE, m, a, b, 0));
    show_call("... to the same", ctl(MOVE, m, b, b, 0));
    show_call("... from a key", ctl(MOVE, m, m, b, 0));
    show_call("... to a key", ctl(MOVE, m, b, m, 0));
    show_call("... to nothing", ctl(MOVE, m, b, NO_KEY, 0));
    show_call("... of nothing", ctl(MOVE, NO_KEY, a, b, 0));
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
}

// --- Sessions and arguments ----------------------------------------------------------------------

static void *idle(void *fd)
{
    hear(*(int *)fd);
    return NULL;
}

static void sessions(void)
{
    own_session();
    key("of the parent", "x", SESSION);
    IN_CHILD("a child's session", own_session(); key("of the child", "x", SESSION);
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    sched_yield();
    show_id("the parent's now: its own", find(SESSION, "of the parent", 0));
    show_id("... the child's", find(SESSION, "of the child", 0));
    IN_CHILD("another user's session", be_user(user_of_ours(2), 4322, 0); own_session();
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD("a child without a right", {
        own_session();
        long s = ctl(GET_ID, SESSION, 0, 0, 0);
        ctl(SETPERM, s, POS(ALL & ~KLINK) | USR(ALL), 0, 0);
        show_call("to its parent", ctl(TO_PARENT, 0, 0, 0, 0));
    });
    IN_CHILD("another effective group", if (setresgid(-1, 7, -1)) abort(); own_session();
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD("another saved user", if (setresuid(-1, -1, 7)) abort(); own_session();
             show_call("... for its parent", ctl(TO_PARENT, 0, 0, 0, 0)));
    IN_CHILD("a parent with threads", int p[2]; pthread_t t; pipe(p);
             pthread_create(&t, NULL, idle, p);
             IN_CHILD("...", own_session(); show_call("... for it", ctl(TO_PARENT, 0, 0, 0, 0)));
             tell(p[1]); pthread_join(t, NULL));
    ctl(JOIN, (long)session_of_ours(), 0, 0, 0);
    key("in known", "x", SESSION);
    IN_CHILD("joined by name", own_session();
             show_id("...", ctl(JOIN, (long)session_of_ours(), 0, 0, 0));
             show_id("... is not one without the right", find(SESSION, "in known", 0)));
    ctl(SETPERM, SESSION, POS(ALL) | USR(ALL) | OTH(KSEARCH), 0, 0);
    IN_CHILD("joined by another user", be_user(user_of_ours(2), 4322, 0);
             show_id("...", ctl(JOIN, (long)session_of_ours(), 0, 0, 0));
             show_id("... what is there", find(SESSION, "in known", 0)));
    show_id("a name with a dot", ctl(JOIN, (long)".x", 0, 0, 0));
    show_id("a name nowhere", ctl(JOIN, 8, 0, 0, 0));
    IN_CHILD("in a user namespace", unshare(CLONE_NEWUSER);
             show_id("... user", ctl(GET_ID, USER, 1, 0, 0));
             show_id("... session", ctl(GET_ID, USER_SESSION, 1, 0, 0));
             show_id("... add", key("n", "x", PROCESS));
             show_id("... named", ctl(JOIN, (long)session_of_ours(), 0, 0, 0));
             show_call("... chown to nobody here", ctl(CHOWN, PROCESS, 12345, -1, 0)));
    IN_CHILD("a thread's ring follows its user", ctl(GET_ID, THREAD, 1, 0, 0);
             key("of the thread", "x", THREAD); be_user(user_of_ours(2), 4322, 0);
             show_id("...", find(THREAD, "of the thread", 0));
             show_id("... takes more", key("more", "x", THREAD)));
}

static void arguments(void)
{
    own_session();
    long m = key("m", "x", SESSION);
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
    show_id("reject", ctl(REJECT, key("k", "x", SESSION), 5, 11, 0));
    show_id("negate", ctl(NEGATE, key("k", "x", SESSION), 5, 0, 0));
    show_id("destination that is a key", find(SESSION, "k", key("destination", "x", SESSION)));
    show_id("destination that is none", find(SESSION, "k", NO_KEY));
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
}

static void all(void)
{
    IN_CHILD("quota of bytes", be_user(user_of_ours(0), 4321, 0); quota_of_bytes());
    IN_CHILD("quota of rings", be_user(user_of_ours(4), 4321, 0); quota_of_rings());
    IN_CHILD("quotas", be_user(user_of_ours(1), 4321, 0); quotas());
    IN_CHILD("searches", searches());
    IN_CHILD("depths", depths());
    IN_CHILD("rings", rings());
    IN_CHILD("sessions", sessions());
    IN_CHILD("arguments", arguments());
}

static int has_keys(void)
{
    return ctl(GET_ID, PROCESS, 1, 0, 0) > 0;
}

int main(void)
{
    user_of_ours(0);
    probe_needs(has_keys, "keys");
    probe_needs(has_user_namespaces, "user namespaces");
    return run_as_child(all);
}
