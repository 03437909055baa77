#include "kernel/bpf.h"
#include "platform/abi/linux_errno.h"
#include <stdbool.h>
#include <string.h>

// --- Checking ------------------------------------------------------------------------------------

static bool jump_known(uint16_t op)
{
    return op == LINUX_BPF_JEQ || op == LINUX_BPF_JGT || op == LINUX_BPF_JGE ||
           op == LINUX_BPF_JSET;
}

static bool arithmetic_known(uint16_t op)
{
    return op <= LINUX_BPF_NEG || op == LINUX_BPF_XOR;
}

static bool check_arithmetic(const struct linux_sock_filter *f)
{
    uint16_t op = f->code & 0xf0, source = f->code & LINUX_BPF_X;
    if (!arithmetic_known(op) || (op == LINUX_BPF_NEG && source))
        return false;
    if (source == LINUX_BPF_X)
        return true;
    if (op == LINUX_BPF_DIV)
        return f->k != 0;
    return (op != LINUX_BPF_LSH && op != LINUX_BPF_RSH) || f->k < 32;
}

// `left`: instructions behind this one.
static bool check_jump(const struct linux_sock_filter *f, size_t left)
{
    uint16_t op = f->code & 0xf0;
    if (f->code == (LINUX_BPF_JMP | LINUX_BPF_JA))
        return f->k < left;
    return jump_known(op) && f->jt < left && f->jf < left;
}

// What seccomp takes of what classic BPF is.
static bool check_one(const struct linux_sock_filter *f, size_t left)
{
    switch (f->code & 7) {
    case LINUX_BPF_LD:
        if (f->code == (LINUX_BPF_LD | LINUX_BPF_W | LINUX_BPF_ABS))
            return f->k < sizeof(struct linux_seccomp_data) && f->k % 4 == 0;
        if (f->code == (LINUX_BPF_LD | LINUX_BPF_MEM))
            return f->k < LINUX_BPF_MEMWORDS;
        return f->code == (LINUX_BPF_LD | LINUX_BPF_W | LINUX_BPF_LEN) ||
               f->code == (LINUX_BPF_LD | LINUX_BPF_IMM);
    case LINUX_BPF_LDX:
        if (f->code == (LINUX_BPF_LDX | LINUX_BPF_MEM))
            return f->k < LINUX_BPF_MEMWORDS;
        return f->code == (LINUX_BPF_LDX | LINUX_BPF_W | LINUX_BPF_LEN) ||
               f->code == (LINUX_BPF_LDX | LINUX_BPF_IMM);
    case LINUX_BPF_ST:
    case LINUX_BPF_STX:
        return f->code <= LINUX_BPF_STX && f->k < LINUX_BPF_MEMWORDS;
    case LINUX_BPF_ALU:
        return f->code < 0x100 && check_arithmetic(f);
    case LINUX_BPF_JMP:
        return f->code < 0x100 && check_jump(f, left);
    case LINUX_BPF_RET:
        return f->code == (LINUX_BPF_RET | LINUX_BPF_K) || f->code == (LINUX_BPF_RET | LINUX_BPF_A);
    default:
        return f->code == (LINUX_BPF_MISC | LINUX_BPF_TAX) ||
               f->code == (LINUX_BPF_MISC | LINUX_BPF_TXA);
    }
}

// A word of scratch memory is written before it is read, on every way to the read: jumps only go
// forward, so one pass that meets the sets of all jumps to each place tells.
static bool check_memory(const struct linux_sock_filter *program, size_t count)
{
    uint16_t at[LINUX_BPF_MAXINSNS]; // words written whenever the instruction is reached by a jump
    memset(at, 0xff, count * sizeof at[0]);
    uint16_t written = 0;
    for (size_t i = 0; i < count; i++) {
        const struct linux_sock_filter *f = &program[i];
        written &= at[i];
        switch (f->code & 7) {
        case LINUX_BPF_ST:
        case LINUX_BPF_STX:
            written |= (uint16_t)(1u << f->k);
            break;
        case LINUX_BPF_LD:
        case LINUX_BPF_LDX:
            if ((f->code & 0xe0) == LINUX_BPF_MEM && !(written >> f->k & 1))
                return false;
            break;
        case LINUX_BPF_JMP:
            if (f->code == (LINUX_BPF_JMP | LINUX_BPF_JA)) {
                at[i + 1 + f->k] &= written;
            } else {
                at[i + 1 + f->jt] &= written;
                at[i + 1 + f->jf] &= written;
            }
            written = 0xffff;
            break;
        default:
            break;
        }
    }
    return true;
}

int bpf_check(const struct linux_sock_filter *program, size_t count)
{
    if (count == 0 || count > LINUX_BPF_MAXINSNS)
        return -LINUX_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!check_one(&program[i], count - i - 1))
            return -LINUX_EINVAL;
    if ((program[count - 1].code & 7) != LINUX_BPF_RET || !check_memory(program, count))
        return -LINUX_EINVAL;
    return 0;
}

// --- Running -------------------------------------------------------------------------------------

static uint32_t arithmetic(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case LINUX_BPF_ADD:
        return a + b;
    case LINUX_BPF_SUB:
        return a - b;
    case LINUX_BPF_MUL:
        return a * b;
    case LINUX_BPF_DIV:
        return a / b;
    case LINUX_BPF_OR:
        return a | b;
    case LINUX_BPF_AND:
        return a & b;
    case LINUX_BPF_LSH:
        return a << (b & 31);
    case LINUX_BPF_RSH:
        return a >> (b & 31);
    case LINUX_BPF_NEG:
        return 0 - a;
    default:
        return a ^ b;
    }
}

static bool condition(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case LINUX_BPF_JEQ:
        return a == b;
    case LINUX_BPF_JGT:
        return a > b;
    case LINUX_BPF_JGE:
        return a >= b;
    default:
        return a & b;
    }
}

static uint32_t load(const struct linux_sock_filter *f, const uint32_t *memory,
                     const struct linux_seccomp_data *data)
{
    uint32_t word;
    switch (f->code & 0xe0) {
    case LINUX_BPF_ABS:
        memcpy(&word, (const char *)data + f->k, sizeof word);
        return word;
    case LINUX_BPF_MEM:
        return memory[f->k];
    case LINUX_BPF_LEN:
        return sizeof *data;
    default:
        return f->k;
    }
}

uint32_t bpf_run(const struct linux_sock_filter *f, const struct linux_seccomp_data *data)
{
    uint32_t a = 0, x = 0, memory[LINUX_BPF_MEMWORDS] = {0};
    for (;; f++) {
        uint32_t b = f->code & LINUX_BPF_X ? x : f->k;
        uint16_t op = f->code & 0xf0;
        switch (f->code & 7) {
        case LINUX_BPF_LD:
            a = load(f, memory, data);
            break;
        case LINUX_BPF_LDX:
            x = load(f, memory, data);
            break;
        case LINUX_BPF_ST:
            memory[f->k] = a;
            break;
        case LINUX_BPF_STX:
            memory[f->k] = x;
            break;
        case LINUX_BPF_ALU:
            if (op == LINUX_BPF_DIV && b == 0)
                return 0; // dividing by zero ends the program
            a = arithmetic(op, a, b);
            break;
        case LINUX_BPF_JMP:
            f += op == LINUX_BPF_JA ? f->k : condition(op, a, b) ? f->jt : f->jf;
            break;
        case LINUX_BPF_RET:
            return f->code & LINUX_BPF_A ? a : f->k;
        default:
            if (f->code & LINUX_BPF_TXA)
                a = x;
            else
                x = a;
            break;
        }
    }
}
