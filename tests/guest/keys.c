// Keys: add_key, request_key, keyctl. Runs as user 0, in user and session keyrings of its own.
#include "key_util.h"
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>

static void show_contents(const char *name, long id)
{
    char text[64] = "";
    long n = ctl(READ, id, (long)text, sizeof text, 0);
    if (n < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%ld %s", n, text);
}
// With the number of our own user, where it is, as U, and the name of our session as S.
static void show_description(const char *name, long id)
{
    char text[128] = "", user[16];
    long n = ctl(DESCRIBE, id, (long)text, sizeof text, 0);
    snprintf(user, sizeof user, "%u", user_of_ours(0));
    const char *ours[] = {user, session_of_ours()};
    for (int i = 0; i < 2; i++) {
        for (char *at; (at = strstr(text, ours[i]));) {
            *at = "US"[i];
            memmove(at + 1, at + strlen(ours[i]), strlen(at + strlen(ours[i])) + 1);
        }
    }
    SHOW(name, "%s", n < 0 ? strerrorname_np(errno) : text);
}

static void adding(void)
{
    char big[32769];
    memset(big, 'b', sizeof big);
    long id = key("name", "secret", SESSION);
    show_id("user", id);
    show_contents("...", id);
    show_description("...", id);
    SHOW("again is the same", "%d", key("name", "other", SESSION) == id);
    show_contents("...", id);
    long r = ring("sub", SESSION), again = ring("sub", SESSION);
    show_id("keyring", r);
    show_description("...", again);
    SHOW("again is another", "%d", r != again);
    show_id("keyring with payload", add("keyring", "k", "x", 1, SESSION));
    show_id("logon", add("logon", "p:name", "x", 1, SESSION));
    show_id("logon without prefix", add("logon", "name", "x", 1, SESSION));
    show_id("logon with empty prefix", add("logon", ":name", "x", 1, SESSION));
    show_contents("... is not read", ctl(SEARCH, SESSION, (long)"logon", (long)"p:name", 0));
    show_id("unknown type", add("nosuch", "name", "x", 1, SESSION));
    show_id("type with a dot", add(".x", "name", "x", 1, SESSION));
    show_id("empty type", add("", "name", "x", 1, SESSION));
    show_id("long type", add("01234567890123456789012345678901", "name", "x", 1, SESSION));
    show_id("type nowhere", add((char *)8, "name", "x", 1, SESSION));
    show_id("name nowhere", add("user", (char *)8, "x", 1, SESSION));
    show_id("no name", add("user", NULL, "x", 1, SESSION));
    show_id("empty name", add("user", "", "x", 1, SESSION));
    show_id("keyring with a dot", ring(".x", SESSION));
    show_id("user with a dot", key(".x", "x", SESSION));
    show_id("payload nowhere", add("user", "n", (char *)8, 5, SESSION));
    show_id("no payload", add("user", "n", NULL, 0, SESSION));
    show_id("largest", add("user", "big", big, 32767, USER) > 0);
    show_id("too large", add("user", "big", big, 32768, SESSION));
    show_id("much too large", add("user", "big", big, 1 << 20, SESSION));
    show_id("to a key", key("n", "x", (int)id));
    show_id("to nothing", key("n", "x", 0));
    show_id("to a group", key("n", "x", GROUP));
    show_id("to an authority", key("n", "x", -7));
    show_id("to no key", key("n", "x", NO_KEY));
    show_id("update", ctl(UPDATE, id, (long)"updated", 7, 0));
    show_contents("...", id);
    show_id("update with nothing", ctl(UPDATE, id, 0, 0, 0));
    show_id("update of a keyring", ctl(UPDATE, r = ring("u", SESSION), (long)"x", 1, 0));
    show_id("update too large", ctl(UPDATE, id, (long)big, 5000, 0));
    char text[8] = "-------";
    show_call("read too little", ctl(READ, id, (long)text, 3, 0));
    SHOW("...", "%.7s", text);
    SHOW("read nothing", "%ld", ctl(READ, id, 0, 0, 0));
    show_call("read nowhere", ctl(READ, id, 8, 100, 0));
    show_call("describe too little", ctl(DESCRIBE, id, (long)text, 3, 0) > 20);
    SHOW("...", "%.7s", text);
    show_call("security", ctl(SECURITY, id, (long)text, 8, 0) > 0);
    show_call("unknown operation", ctl(99, 0, 0, 0, 0));
    show_call("instantiate", ctl(INSTANTIATE, id, 0, 0, 0));
    show_call("negate", ctl(NEGATE, id, 5, 0, 0));
    show_call("assume nothing", ctl(ASSUME, 0, 0, 0, 0));
    show_call("assume", ctl(ASSUME, id, 0, 0, 0));
    show_call("assume negative", ctl(ASSUME, -1, 0, 0, 0));
    unsigned char bits[4] = {9, 9, 9, 9};
    show_call("capabilities", ctl(CAPABILITIES, (long)bits, 4, 0, 0));
    SHOW("...", "%d", bits[0] & 0xe1);
    SHOW("... rest", "%d %d", bits[2], bits[3]);
}

static void *in_thread(void *unused)
{
    (void)unused;
    show_id("thread: its keyring", ctl(GET_ID, THREAD, 0, 0, 0));
    show_id("thread: process", ctl(GET_ID, PROCESS, 0, 0, 0));
    show_id("thread: session", ctl(GET_ID, SESSION, 0, 0, 0));
    return NULL;
}

static void special(void)
{
    show_id("thread", ctl(GET_ID, THREAD, 0, 0, 0));
    show_id("process", ctl(GET_ID, PROCESS, 0, 0, 0));
    long t = ctl(GET_ID, THREAD, 1, 0, 0), p = ctl(GET_ID, PROCESS, 1, 0, 0);
    show_description("thread made", t);
    show_description("process made", p);
    show_description("session", SESSION);
    show_description("user", USER);
    show_description("user session", USER_SESSION);
    show_id("group", ctl(GET_ID, GROUP, 1, 0, 0));
    show_id("zero", ctl(GET_ID, 0, 1, 0, 0));
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    long s = ctl(GET_ID, SESSION, 0, 0, 0);
    IN_CHILD("child", SHOW("... session is the same", "%d", ctl(GET_ID, SESSION, 0, 0, 0) == s);
             show_id("... process", ctl(GET_ID, PROCESS, 0, 0, 0)); own_session();
             SHOW("... session of its own", "%d", ctl(GET_ID, SESSION, 0, 0, 0) != s));
    SHOW("session stays", "%d", ctl(GET_ID, SESSION, 0, 0, 0) == s);
    IN_CHILD("to the parent", long mine; own_session(); mine = key("from the child", "x", SESSION);
             (void)mine; show_call("...", ctl(TO_PARENT, 0, 0, 0, 0)));
    SHOW("session was given", "%d", ctl(GET_ID, SESSION, 0, 0, 0) != s);
    show_id("... with its key", ctl(SEARCH, SESSION, (long)"user", (long)"from the child", 0));
    long named = ctl(JOIN, (long)session_of_ours(), 0, 0, 0);
    show_description("named session", named);
    IN_CHILD("joins it", own_session();
             SHOW("...", "%d", ctl(JOIN, (long)session_of_ours(), 0, 0, 0) == named));
    show_id("name with a dot", ctl(JOIN, (long)".x", 0, 0, 0));
    show_id("name nowhere", ctl(JOIN, 8, 0, 0, 0));
    show_call("request keyring", ctl(SET_REQKEY, -1, 0, 0, 0));
    show_call("... set", ctl(SET_REQKEY, 3, 0, 0, 0));
    show_call("... told", ctl(SET_REQKEY, -1, 0, 0, 0));
    show_call("... group", ctl(SET_REQKEY, 6, 0, 0, 0));
    IN_CHILD("exec", setenv("KEYS_AGAIN", "1", 1); ctl(GET_ID, PROCESS, 1, 0, 0);
             key("kept", "over exec", SESSION); char *argv[] = {"keys", NULL};
             execv("/proc/self/exe", argv));
}

static void after_exec(void)
{
    show_id("... process", ctl(GET_ID, PROCESS, 0, 0, 0));
    show_contents("... session", ctl(SEARCH, SESSION, (long)"user", (long)"kept", 0));
}

static void links(void)
{
    long a = ring("a", SESSION), b = ring("b", (int)a), id = key("name", "x", (int)b);
    int32_t serials[4] = {0};
    show_id("search", ctl(SEARCH, SESSION, (long)"user", (long)"name", 0));
    show_id("search in a key", ctl(SEARCH, id, (long)"user", (long)"name", 0));
    show_id("search nothing", ctl(SEARCH, SESSION, (long)"user", (long)"none", 0));
    show_id("search of unknown type", ctl(SEARCH, SESSION, (long)"nosuch", (long)"none", 0));
    show_id("search nowhere", ctl(SEARCH, SESSION, (long)"user", 8, 0));
    show_id("search to", ctl(SEARCH, SESSION, (long)"user", (long)"name", (long)(int)a));
    show_call("keyring read", ctl(READ, a, (long)serials, 16, 0));
    SHOW("...", "%d",
         (serials[0] == b) + (serials[1] == b) + (serials[0] == id) + (serials[1] == id));
    serials[0] = serials[1] = 0;
    SHOW("keyring read a part", "%ld", ctl(READ, a, 0, 0, 0));
    show_call("link", ctl(LINK, id, SESSION, 0, 0));
    show_call("link again", ctl(LINK, id, SESSION, 0, 0));
    show_call("link to a key", ctl(LINK, id, id, 0, 0));
    show_call("link into itself", ctl(LINK, a, b, 0, 0));
    show_call("link to itself", ctl(LINK, a, a, 0, 0));
    show_call("unlink", ctl(UNLINK, id, SESSION, 0, 0));
    show_call("unlink again", ctl(UNLINK, id, SESSION, 0, 0));
    show_call("unlink from a key", ctl(UNLINK, id, id, 0, 0));
    show_call("unlink nothing", ctl(UNLINK, NO_KEY, SESSION, 0, 0));
    show_call("move bad flags", ctl(MOVE, id, b, a, 2));
    long c = ring("c", SESSION), other = key("name", "y", (int)c);
    show_call("move where one is", ctl(MOVE, id, b, c, 1));
    show_call("move over it", ctl(MOVE, id, b, c, 0));
    show_call("... from where it is not", ctl(MOVE, id, b, a, 0));
    (void)other;
    show_call("clear", ctl(CLEAR, c, 0, 0, 0));
    show_call("clear a key", ctl(CLEAR, id, 0, 0, 0));
    show_id("request", syscall(SYS_request_key, "user", "name", NULL, 0));
    show_id("request what is not there", syscall(SYS_request_key, "user", "none", NULL, 0));
    show_id("request of unknown type", syscall(SYS_request_key, "nosuch", "none", NULL, 0));
    show_id("request nowhere", syscall(SYS_request_key, "user", 8, NULL, 0));
    show_call("restrict", ctl(RESTRICT, c, 0, 0, 0));
    show_id("... add", key("n", "x", (int)c));
    show_call("... again", ctl(RESTRICT, c, 0, 0, 0));
    show_call("restrict by type", ctl(RESTRICT, a, (long)"user", (long)"x", 0));
    show_call("restrict by half", ctl(RESTRICT, a, (long)"user", 0, 0));
    show_call("restrict a key", ctl(RESTRICT, id, 0, 0, 0));
    long deep = ring("d1", SESSION);
    char name[8];
    for (int i = 2; i < 8; i++) {
        snprintf(name, sizeof name, "d%d", i);
        deep = ring(name, (int)deep);
    }
    show_id("deep", key("deep", "x", (int)deep));
    show_id("... found", ctl(SEARCH, SESSION, (long)"user", (long)"deep", 0));
}

static void ends(void)
{
    long id = key("name", "x", SESSION), r = ring("r", SESSION), in = key("in", "x", (int)r);
    show_call("revoke", ctl(REVOKE, id, 0, 0, 0));
    show_call("... again", ctl(REVOKE, id, 0, 0, 0));
    show_contents("... read", id);
    show_id("... search", ctl(SEARCH, SESSION, (long)"user", (long)"name", 0));
    show_id("... request", syscall(SYS_request_key, "user", "name", NULL, 0));
    show_id("... add", key("name", "new", SESSION) != id);
    show_call("revoke a keyring", ctl(REVOKE, r, 0, 0, 0));
    (void)in; // gone some time soon
    id = key("short", "x", SESSION);
    show_call("timeout", ctl(SET_TIMEOUT, id, 1, 0, 0));
    show_contents("...", id);
    sleep_ms(2100);
    show_contents("... over", id);
    show_id("... search", ctl(SEARCH, SESSION, (long)"user", (long)"short", 0));
    id = key("long", "x", SESSION);
    show_call("timeout", ctl(SET_TIMEOUT, id, 1, 0, 0));
    show_call("... none", ctl(SET_TIMEOUT, id, 0, 0, 0));
    show_call("timeout of nothing", ctl(SET_TIMEOUT, NO_KEY, 1, 0, 0));
    show_call("invalidate", ctl(INVALIDATE, id, 0, 0, 0));
    show_call("invalidate nothing", ctl(INVALIDATE, NO_KEY, 0, 0, 0));
}

static void rights(void)
{
    long id = key("name", "x", SESSION);
    show_call("bad bits", ctl(SETPERM, id, 0x40, 0, 0));
    show_call("possessor reads only", ctl(SETPERM, id, 0x0b000000, 0, 0));
    show_id("... update", ctl(UPDATE, id, (long)"y", 1, 0));
    show_contents("... read", id);
    show_call("... set again", ctl(SETPERM, id, 0x3f3f0000, 0, 0));
    id = key("name2", "x", SESSION);
    show_call("nothing", ctl(SETPERM, id, 0, 0, 0));
    show_contents("... read", id);
    show_description("... describe", id);
    show_call("... unlink", ctl(UNLINK, id, SESSION, 0, 0));
    id = key("name3", "x", SESSION);
    show_call("chown nobody", ctl(CHOWN, id, -1, -1, 0));
    show_call("chown", ctl(CHOWN, id, user_of_ours(0), 1000, 0));
    show_description("...", id);
    long open = key("open", "x", SESSION), grouped = key("grouped", "x", SESSION);
    ctl(SETPERM, open, 0x3f3f0003, 0, 0);
    ctl(CHOWN, grouped, -1, 2000, 0);
    ctl(SETPERM, grouped, 0x3f3f0300, 0, 0);
    IN_CHILD(
        "another", be_user(user_of_ours(0), 1000, 2000); own_session();
        show_contents("... his", id); show_contents("... open", open);
        show_id("... update open", ctl(UPDATE, open, (long)"z", 1, 0));
        show_contents("... by group", grouped); show_call("... revoke", ctl(REVOKE, open, 0, 0, 0));
        show_call("... chown", ctl(CHOWN, open, user_of_ours(0), -1, 0));
        show_call("... his away", ctl(CHOWN, key("mine", "x", SESSION), 0, -1, 0));
        show_call("... his to a group", ctl(CHOWN, key("mine", "x", SESSION), -1, 2000, 0));
        show_description("... session", SESSION); show_description("... user", USER); int n = 0;
        char name[16]; for (; n < 400; n++) {
            snprintf(name, sizeof name, "q%d", n);
            if (key(name, "x", SESSION) < 0)
                break;
        } SHOW("... quota of keys", "%d %s", n > 150 && n < 200, strerrorname_np(errno));
        static char big[15000]; own_session();
        show_id("... bytes", add("user", "b1", big, 15000, SESSION)));
}

static void shown(void)
{
    long id = key("shown in proc", "xyz", SESSION);
    FILE *f = fopen("/proc/keys", "r");
    char line[256];
    unsigned serial;
    int found = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%x", &serial) == 1 && serial == (unsigned)id) {
            found = 1;
            char *uses = line + 17;
            while (*uses == ' ' || isdigit((unsigned char)*uses))
                uses++;
            SHOW("keys", "%.7s %.*s", line + 9, (int)strcspn(uses, "\n"), uses);
        }
    SHOW("found", "%d", found);
    if (f)
        fclose(f);
    f = fopen("/proc/key-users", "r");
    SHOW("users", "%d", f && fgets(line, sizeof line, f) && strchr(line, ':') != NULL);
}

// A child that cannot be born keeps no keyring of its maker: who joins another session then leaves
// the old one to nobody, and it goes.
static void not_born(void)
{
    enum { PIDFD = 0x1000 };
    long old = ctl(JOIN, (long)"left behind", 0, 0, 0);
    show_call("clone without a place", syscall(SYS_clone, SIGCHLD | PIDFD, NULL, 8l, NULL, NULL));
    SHOW("join another", "%d", ctl(JOIN, 0, 0, 0, 0) > 0);
    char line[256];
    int found = 1;
    unsigned serial;
    for (int i = 0; i < 1000 && found; i++) { // Linux collects them a little later
        sleep_ms(1);
        found = 0;
        FILE *f = fopen("/proc/keys", "r");
        while (f && fgets(line, sizeof line, f))
            found += sscanf(line, "%x", &serial) == 1 && serial == (unsigned)old;
        if (f)
            fclose(f);
    }
    SHOW("the old session is left", "%d", found);
}

static void body(void)
{
    IN_CHILD("adding", own_session(); adding());
    IN_CHILD("special", own_session(); special());
    IN_CHILD("links", own_session(); links());
    IN_CHILD("ends", own_session(); ends());
    IN_CHILD("rights", own_session(); rights());
    IN_CHILD("shown", own_session(); shown());
    IN_CHILD("not born", not_born());
}

static int has_keys(void)
{
    return ctl(JOIN, 0, 0, 0, 0) > 0;
}

int main(void)
{
    if (getenv("KEYS_AGAIN")) {
        after_exec();
        return 0;
    }
    user_of_ours(0);
    probe_needs(has_keys, "keys");
    return run_as_child(body);
}
