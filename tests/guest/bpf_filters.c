// The machine that runs seccomp filters: what each instruction computes, and which programs are
// none.
#include "probe.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { TOP = 200 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ST_(op, k)   BPF_STMT(op, k)
#define ARG0         (offsetof(struct seccomp_data, args))
#define LOAD_ARG(n)  ST_(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(ARG0 + 8 * (n)))
// Low 12 bits of the accumulator as the error of the call.
#define RETURN_A                                                                                   \
    ST_(BPF_ALU | BPF_AND | BPF_K, 0xfff), ST_(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),       \
        ST_(BPF_RET | BPF_A, 0)

// The program for calls of getpriority, whose arguments are 100 and 7; all others are allowed.
static long run(const struct sock_filter *body, size_t count)
{
    struct sock_filter all[TOP] = {
        ST_(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0),
        ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    memcpy(all + 3, body, count * sizeof *body);
    struct sock_fprog program = {(unsigned short)(count + 3), all};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void computes(const char *name, const struct sock_filter *body, size_t count)
{
    IN_CHILD(
        name,
        if (run(body, count)) {
            show_call("... refused", -1);
            _exit(1);
        } long got = syscall(SYS_getpriority, 100, 7);
        SHOW("... gives", "%ld", got < 0 ? (long)errno : got + 100000));
}

#define COMPUTES(name, ...)                                                                        \
    do {                                                                                           \
        const struct sock_filter body[] = {__VA_ARGS__};                                           \
        computes(name, body, COUNT(body));                                                         \
    } while (0)

static void arithmetic(void)
{
    static const struct {
        const char *name;
        uint16_t op;
        uint32_t k;
    } rows[] = {
        {"add", BPF_ADD, 7},
        {"subtract", BPF_SUB, 7},
        {"multiply", BPF_MUL, 7},
        {"divide", BPF_DIV, 7},
        {"and", BPF_AND, 7},
        {"or", BPF_OR, 7},
        {"exclusive or", BPF_XOR, 7},
        {"left", BPF_LSH, 3},
        {"right", BPF_RSH, 3},
        {"remainder", BPF_MOD, 7},
        {"divide by nothing", BPF_DIV, 0},
        {"left too far", BPF_LSH, 32},
        {"right too far", BPF_RSH, 32},
        {"no such operation", 0xb0, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        SHOW("with", "%s", rows[i].name);
        COMPUTES("... a constant", LOAD_ARG(0),
                 ST_((uint16_t)(BPF_ALU | rows[i].op | BPF_K), rows[i].k), RETURN_A);
        COMPUTES("... the index", ST_(BPF_LDX | BPF_W | BPF_IMM, rows[i].k), LOAD_ARG(0),
                 ST_((uint16_t)(BPF_ALU | rows[i].op | BPF_X), 0), RETURN_A);
    }
    COMPUTES("negate", LOAD_ARG(0), ST_(BPF_ALU | BPF_NEG, 0), RETURN_A);
    COMPUTES("the index by itself", LOAD_ARG(0), ST_(BPF_MISC | BPF_TAX, 0),
             ST_(BPF_ALU | BPF_MUL | BPF_X, 0), RETURN_A);
}

static void moves(void)
{
    COMPUTES("an immediate", ST_(BPF_LD | BPF_W | BPF_IMM, 33), RETURN_A);
    COMPUTES("the length", ST_(BPF_LD | BPF_W | BPF_LEN, 0), RETURN_A);
    COMPUTES("the length as index", ST_(BPF_LDX | BPF_W | BPF_LEN, 0), ST_(BPF_MISC | BPF_TXA, 0),
             RETURN_A);
    COMPUTES("a store", LOAD_ARG(0), ST_(BPF_ST, 15), ST_(BPF_LD | BPF_W | BPF_IMM, 0),
             ST_(BPF_LD | BPF_W | BPF_MEM, 15), RETURN_A);
    COMPUTES("a store of the index", ST_(BPF_LDX | BPF_W | BPF_IMM, 9), ST_(BPF_STX, 0),
             ST_(BPF_LDX | BPF_W | BPF_IMM, 1), ST_(BPF_LDX | BPF_W | BPF_MEM, 0),
             ST_(BPF_MISC | BPF_TXA, 0), RETURN_A);
    COMPUTES("an index from memory", LOAD_ARG(1), ST_(BPF_ST, 3), ST_(BPF_LDX | BPF_W | BPF_MEM, 3),
             LOAD_ARG(0), ST_(BPF_ALU | BPF_ADD | BPF_X, 0), RETURN_A);
    COMPUTES("the high half of an argument", ST_(BPF_LD | BPF_W | BPF_ABS, ARG0 + 4), RETURN_A);
    COMPUTES("the last argument's end",
             ST_(BPF_LD | BPF_W | BPF_ABS, sizeof(struct seccomp_data) - 4),
             ST_(BPF_LD | BPF_W | BPF_IMM, 5), RETURN_A);
}

static void jumps(void)
{
    static const struct {
        const char *name;
        uint16_t op;
    } ops[] = {{"equal", BPF_JEQ},
               {"greater", BPF_JGT},
               {"not less", BPF_JGE},
               {"bits", BPF_JSET},
               {"no such jump", 0x50}};
    static const uint32_t with[] = {99, 100, 101, 3, 4};
    for (size_t i = 0; i < COUNT(ops); i++)
        for (size_t k = 0; k < COUNT(with); k++) {
            SHOW("jump if", "%s %u", ops[i].name, with[k]);
            COMPUTES("... a constant", LOAD_ARG(0),
                     BPF_JUMP((uint16_t)(BPF_JMP | ops[i].op | BPF_K), with[k], 1, 0),
                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 2));
            COMPUTES("... the index", LOAD_ARG(0), ST_(BPF_LDX | BPF_W | BPF_IMM, with[k]),
                     BPF_JUMP((uint16_t)(BPF_JMP | ops[i].op | BPF_X), 0, 0, 1),
                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 2));
        }
    COMPUTES("a jump", BPF_STMT(BPF_JMP | BPF_JA, 1), ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
             ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 2));
}

static void no_programs(void)
{
    struct sock_filter big[3] = {ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {0, big};
    show_call("no instruction", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    program.len = 4097;
    show_call("too many", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    program = (struct sock_fprog){1, (void *)8};
    show_call("from nowhere", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    show_call("no program", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (void *)8));
    show_call("unknown mode", prctl(PR_SET_SECCOMP, 7, NULL));
    COMPUTES("no end", LOAD_ARG(0));
    COMPUTES("a jump beyond", ST_(BPF_JMP | BPF_JA, 5), RETURN_A);
    COMPUTES("a condition beyond", LOAD_ARG(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 9, 0),
             RETURN_A);
    COMPUTES("a condition beyond when false", LOAD_ARG(0),
             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 9), RETURN_A);
    COMPUTES("a load between words", ST_(BPF_LD | BPF_W | BPF_ABS, 18), RETURN_A);
    COMPUTES("a load beyond", ST_(BPF_LD | BPF_W | BPF_ABS, sizeof(struct seccomp_data)), RETURN_A);
    COMPUTES("a load of a byte", ST_(BPF_LD | BPF_B | BPF_ABS, 16), RETURN_A);
    COMPUTES("a load by index", ST_(BPF_LD | BPF_W | BPF_IND, 0), RETURN_A);
    COMPUTES("a header's length", ST_(BPF_LDX | BPF_B | BPF_MSH, 0), RETURN_A);
    COMPUTES("a load of what was not stored", ST_(BPF_LD | BPF_W | BPF_MEM, 3), RETURN_A);
    COMPUTES("an index that was not stored", ST_(BPF_LDX | BPF_W | BPF_MEM, 3), RETURN_A);
    COMPUTES("stored on one way only", LOAD_ARG(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
             ST_(BPF_ST, 3), ST_(BPF_LD | BPF_W | BPF_MEM, 3), RETURN_A);
    COMPUTES("a store beyond", ST_(BPF_ST, 16), RETURN_A);
    COMPUTES("a store of the index beyond", ST_(BPF_STX, 16), RETURN_A);
    COMPUTES("a load beyond memory", ST_(BPF_LD | BPF_W | BPF_MEM, 16), RETURN_A);
    COMPUTES("an unknown class", ST_(0x1000, 0), RETURN_A);
    COMPUTES("an unknown move", ST_(BPF_MISC | 0x10, 0), RETURN_A);
    COMPUTES("an end with the index", ST_(BPF_RET | BPF_X, 0));
}

static void answers(void)
{
    static const struct {
        const char *name;
        uint32_t action;
    } rows[] = {
        {"kill process", SECCOMP_RET_KILL_PROCESS},
        {"kill thread", SECCOMP_RET_KILL_THREAD},
        {"trap", SECCOMP_RET_TRAP},
        {"errno", SECCOMP_RET_ERRNO},
        {"log", SECCOMP_RET_LOG},
        {"notify", SECCOMP_RET_USER_NOTIF},
        {"trace", SECCOMP_RET_TRACE},
        {"allow", SECCOMP_RET_ALLOW},
        {"another", 0x12340000},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t action = rows[i].action;
        SHOW("action", "%s", rows[i].name);
        show_call("... available", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
        action |= 5;
        show_call("... with a value", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
        COMPUTES("... ends", ST_(BPF_RET | BPF_K, rows[i].action | 5));
    }
    show_call("availability with a flag",
              syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &rows[0].action));
    show_call("availability from nowhere",
              syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, (void *)8));
    show_call("strict with a flag", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    show_call("strict with an argument", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &rows));
    show_call("another operation", syscall(SYS_seccomp, 77, 0, NULL));
    const struct sock_filter allow[] = {ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, (struct sock_filter *)allow};
    show_call("an unknown flag", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, &program));
    IN_CHILD("without no_new_privs", if (setuid(1000)) abort();
             show_call("...", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)));
    IN_CHILD("a filter, then strict", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
             syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
             show_call("...", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
             show_call("... mode", prctl(PR_GET_SECCOMP)));
    IN_CHILD("a log of errors",
             const struct sock_filter some[] = {ST_(BPF_LD | BPF_W | BPF_ABS, 0),
                                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority,
                                                         0, 1),
                                                ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 3),
                                                ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
             struct sock_fprog p = {4, (struct sock_filter *)some};
             prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); show_call(
                 "...", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &p));
             show_call("... gives", syscall(SYS_getpriority, 100, 7)));
}

static void all(void)
{
    arithmetic();
    moves();
    jumps();
    no_programs();
    answers();
}

int main(void)
{
    return run_as_child(all);
}
