// What a seccomp filter may be made of, every code asked, and what each instruction computes.
#include "probe.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

typedef struct sock_filter insn;
#define RETURN(k) BPF_STMT(BPF_RET | BPF_K, (k))

static int install(const insn *program, size_t count)
{
    struct sock_fprog prog = {(unsigned short)count, (insn *)(uintptr_t)program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

// Whether a program is taken; a child bears it.
static int taken(const insn *program, size_t count)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        // Of a filter that kills, nothing comes back but the way it ended.
        _exit(install(program, count) ? 2 : 0);
    }
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static void codes(void)
{
    static const uint32_t ks[] = {0, 1, 4, 15, 31, 32, 60, 64, 0xffffffff};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        for (unsigned high = 0; high < 0x100; high += 0x10) {
            unsigned bits = 0;
            for (unsigned low = 0; low < 0x10; low++) {
                // The memory it may read is written, and there are two instructions to jump to.
                insn p[] = {BPF_STMT(BPF_ST, 0),
                            BPF_STMT(BPF_ST, 1),
                            BPF_STMT(BPF_ST, 4),
                            BPF_STMT(BPF_ST, 15),
                            {(uint16_t)(high | low), 1, 0, ks[i]},
                            RETURN(SECCOMP_RET_ALLOW),
                            RETURN(SECCOMP_RET_ALLOW)};
                bits |= (unsigned)taken(p, sizeof p / sizeof *p) << low;
            }
            if (bits) {
                char name[48];
                snprintf(name, sizeof name, "codes %02x to %02x with %#x", high, high + 15, ks[i]);
                SHOW(name, "%04x", bits);
            }
        }
    }
    insn wide = {0x100 | BPF_RET | BPF_K, 0, 0, 0};
    SHOW("a code of nine bits", "%d", taken(&wide, 1));
    insn far[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RETURN(SECCOMP_RET_ALLOW)};
    SHOW("a jump beyond when not", "%d", taken(far, 2));
    far[0].jt = 1, far[0].jf = 0;
    SHOW("a jump beyond when so", "%d", taken(far, 2));
    insn last[] = {RETURN(SECCOMP_RET_ALLOW), BPF_STMT(BPF_LD | BPF_IMM, 0)};
    SHOW("no return at the end", "%d", taken(last, 2));
    insn unwritten[] = {BPF_STMT(BPF_LD | BPF_MEM, 3), RETURN(SECCOMP_RET_ALLOW)};
    SHOW("memory that was not written", "%d", taken(unwritten, 2));
    insn one_way[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_ST, 3),
                      BPF_STMT(BPF_LDX | BPF_MEM, 3), RETURN(SECCOMP_RET_ALLOW)};
    SHOW("... written on one way", "%d", taken(one_way, 4));
    insn skipped[] = {BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_STX, 3),
                      BPF_STMT(BPF_LD | BPF_MEM, 3), RETURN(SECCOMP_RET_ALLOW)};
    SHOW("... jumped over", "%d", taken(skipped, 4));
    static insn many[4097];
    for (int i = 0; i < 4097; i++)
        many[i] = (insn)RETURN(SECCOMP_RET_ALLOW);
    SHOW("4096 instructions", "%d", taken(many, 4096));
    SHOW("4097", "%d", taken(many, 4097));
    SHOW("none", "%d", taken(many, 0));
    struct sock_fprog nowhere = {1, (void *)8};
    show_call("program nowhere", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &nowhere));
    show_call("nowhere", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8));
}

// The value of A after some instructions, twelve bits at a time: the errno of a call is all a
// filter tells.
static const char *value_of(const insn *body, size_t count)
{
    static char text[32];
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 36; shift += 12) {
        insn p[24] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
                      RETURN(SECCOMP_RET_ALLOW)};
        size_t n = 3;
        memcpy(p + n, body, count * sizeof *body);
        n += count;
        p[n++] = (insn)BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, shift);
        p[n++] = (insn)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff);
        p[n++] = (insn)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
        p[n++] = (insn)BPF_STMT(BPF_RET | BPF_A, 0);
        int out[2], part = -1;
        pipe(out);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            if (install(p, n))
                _exit(2);
            errno = 0;
            long r = syscall(SYS_getppid);
            part = r < 0 ? errno : (int)-r;
            write(out[1], &part, sizeof part);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (status) {
            snprintf(text, sizeof text, "%s", status_text(status));
            return text;
        }
        if (read(out[0], &part, sizeof part) != sizeof part)
            abort();
        close(out[0]), close(out[1]);
        value |= (uint32_t)part << shift;
    }
    snprintf(text, sizeof text, "%#x", value);
    return text;
}

static void values(void)
{
    static const struct {
        const char *name;
        uint16_t op;
    } alu[] = {{"add", BPF_ADD}, {"sub", BPF_SUB}, {"mul", BPF_MUL}, {"div", BPF_DIV},
               {"or", BPF_OR},   {"and", BPF_AND}, {"lsh", BPF_LSH}, {"rsh", BPF_RSH},
               {"xor", BPF_XOR}, {"neg", BPF_NEG}};
    static const uint32_t args[] = {1, 7, 31, 0};
    for (size_t i = 0; i < sizeof alu / sizeof *alu; i++) {
        for (size_t k = 0; k < 4; k++) {
            for (unsigned x = 0; x < 2; x++) {
                insn p[] = {BPF_STMT(BPF_LD | BPF_IMM, 0x89012345),
                            BPF_STMT(BPF_LDX | BPF_IMM, args[k]),
                            BPF_STMT(BPF_ALU | alu[i].op | (x ? BPF_X : BPF_K), args[k])};
                char name[48];
                snprintf(name, sizeof name, "%s %s %u", alu[i].name, x ? "X" : "K", args[k]);
                if (alu[i].op == BPF_NEG ? !x && !k : x || alu[i].op != BPF_DIV || args[k])
                    SHOW(name, "%s", value_of(p, 3));
            }
        }
    }
    static const uint16_t jumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
    static const char *const jump_names[] = {"==", ">", ">=", "&"};
    static const uint32_t as[] = {5, 6, 7, 0xfffffff0};
    for (size_t j = 0; j < 4; j++) {
        for (size_t a = 0; a < 4; a++) {
            for (unsigned x = 0; x < 2; x++) {
                insn p[] = {BPF_STMT(BPF_LD | BPF_IMM, as[a]), BPF_STMT(BPF_LDX | BPF_IMM, 6),
                            BPF_JUMP(BPF_JMP | jumps[j] | (x ? BPF_X : BPF_K), 6, 1, 0),
                            BPF_STMT(BPF_LD | BPF_IMM, 100),
                            BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1000)};
                char name[48];
                snprintf(name, sizeof name, "%#x %s %s", as[a], jump_names[j], x ? "X" : "6");
                SHOW(name, "%s", value_of(p, 5));
            }
        }
    }
    insn moves[] = {BPF_STMT(BPF_LD | BPF_IMM, 3),
                    BPF_STMT(BPF_ST, 15),
                    BPF_STMT(BPF_MISC | BPF_TAX, 0),
                    BPF_STMT(BPF_LD | BPF_IMM, 9),
                    BPF_STMT(BPF_STX, 0),
                    BPF_STMT(BPF_MISC | BPF_TXA, 0),
                    BPF_STMT(BPF_LDX | BPF_MEM, 15),
                    BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
                    BPF_STMT(BPF_JMP | BPF_JA, 1),
                    BPF_STMT(BPF_LD | BPF_IMM, 0),
                    BPF_STMT(BPF_ST, 2),
                    BPF_STMT(BPF_LD | BPF_MEM, 0),
                    BPF_STMT(BPF_LDX | BPF_MEM, 2),
                    BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0)};
    SHOW("moves", "%s", value_of(moves, sizeof moves / sizeof *moves));
    insn length[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0)},
         length_x[] = {BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0)};
    SHOW("length", "%s", value_of(length, 1));
    SHOW("length in X", "%s", value_of(length_x, 2));
}

static void body(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    codes();
    values();
}

int main(void)
{
    return run_as_child(body);
}
