// Integer loops of different shapes: calls, byte arrays, rotates, comparisons through a pointer,
// indirect jumps, lists and state machines, string hashing.
#include "bench.h"
#include <stdlib.h>
#include <string.h>

NOINLINE static uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t run_fib(unsigned scale)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < scale; i++)
        sum += fib(27);
    return sum;
}

#define SIEVE_SIZE (1u << 18)

static uint64_t run_sieve(unsigned scale)
{
    static uint8_t prime[SIEVE_SIZE];
    uint64_t count = 0;
    for (unsigned round = 0; round < scale; round++) {
        memset(prime, 1, sizeof(prime));
        for (uint32_t i = 2; i * i < SIEVE_SIZE; i++) {
            if (!prime[i])
                continue;
            for (uint32_t j = i * i; j < SIEVE_SIZE; j += i)
                prime[j] = 0;
        }
        for (uint32_t i = 2; i < SIEVE_SIZE; i++)
            count += prime[i];
    }
    return count;
}

// FIPS 180-4, section 4.2.2.
static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t x, unsigned count)
{
    return x >> count | x << (32 - count);
}

NOINLINE static void sha_block(uint32_t state[8], const uint8_t *bytes)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *p = bytes + 4 * i;
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        uint32_t s0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
        uint32_t s1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (unsigned i = 0; i < 64; i++) {
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + sha_constants[i] + w[i];
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static uint64_t run_sha256(unsigned scale)
{
    static uint8_t data[65536];
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t seed = RANDOM_SEED;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)next_random(&seed);
    for (unsigned round = 0; round < 6 * scale; round++) {
        for (size_t i = 0; i < sizeof(data); i += 64)
            sha_block(state, data + i);
    }
    return state[0];
}

static int compare_words(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t run_qsort(unsigned scale)
{
    enum { COUNT = 15000 };
    static uint32_t words[COUNT];
    uint32_t seed = RANDOM_SEED;
    uint64_t sum = 0;
    for (unsigned round = 0; round < scale; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            words[i] = next_random(&seed);
        qsort(words, COUNT, sizeof(words[0]), compare_words);
        sum += words[COUNT / 2];
    }
    return sum;
}

// A register machine of four-byte instructions, dispatched by one indirect jump each.
enum { LOADI, ADD, SUB, MUL, XOR, SHR, JNZ, DEC, MOV, AND, MIX, END };

NOINLINE static uint64_t vm_run(const uint8_t *code)
{
    static const void *const labels[] = {&&loadi, &&add, &&sub, &&mul, &&xor, &&shr,
                                         &&jnz,   &&dec, &&mov, &&and, &&mix, &&end};
    uint64_t r[8] = {0};
    const uint8_t *p = code;
#define NEXT()                                                                                     \
    do {                                                                                           \
        p += 4;                                                                                    \
        goto *labels[*p];                                                                          \
    } while (0)
    goto *labels[*p];
loadi:
    r[p[1]] = (uint64_t)(p[2] | p[3] << 8);
    NEXT();
add:
    r[p[1]] += r[p[2]];
    NEXT();
sub:
    r[p[1]] -= r[p[2]];
    NEXT();
mul:
    r[p[1]] *= r[p[2]];
    NEXT();
    xor : r[p[1]] ^= r[p[2]];
    NEXT();
shr:
    r[p[1]] >>= p[2];
    NEXT();
dec:
    r[p[1]]--;
    NEXT();
mov:
    r[p[1]] = r[p[2]];
    NEXT();
    and : r[p[1]] &= r[p[2]];
    NEXT();
mix:
    r[p[1]] = r[p[1]] * 6364136223846793005u + 1442695040888963407u;
    NEXT();
jnz:
    if (r[p[1]])
        p -= 4 * (p[2] + 1);
    NEXT();
end:
    return r[0];
#undef NEXT
}

static uint64_t run_vm(unsigned scale)
{
    // clang-format off
    static const uint8_t code[] = {
        LOADI, 1, 0xff, 0x7f, LOADI, 2, 3, 0, LOADI, 3, 1, 0,
        MIX, 3, 0, 0, MOV, 4, 3, 0, SHR, 4, 33, 0, ADD, 0, 4, 0, XOR, 0, 2, 0, MUL, 2, 3, 0,
        SUB, 0, 1, 0, AND, 4, 2, 0, ADD, 2, 4, 0, DEC, 1, 0, 0, JNZ, 1, 10, 0,
        END, 0, 0, 0,
    };
    // clang-format on
    uint64_t sum = 0;
    for (unsigned round = 0; round < 3 * scale; round++)
        sum += vm_run(code);
    return sum;
}

struct node {
    struct node *next;
    int value;
};

static struct node *list_merge(struct node *a, struct node *b)
{
    struct node head = {NULL, 0}, *tail = &head;
    while (a && b) {
        struct node **least = a->value <= b->value ? &a : &b;
        tail->next = *least;
        tail = *least;
        *least = (*least)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

NOINLINE static struct node *list_sort(struct node *list)
{
    if (!list || !list->next)
        return list;
    struct node *middle = list, *fast = list->next;
    while (fast && fast->next) {
        middle = middle->next;
        fast = fast->next->next;
    }
    struct node *second = middle->next;
    middle->next = NULL;
    return list_merge(list_sort(list), list_sort(second));
}

NOINLINE static uint32_t crc16(uint32_t crc, uint32_t value)
{
    for (unsigned i = 0; i < 16; i++, value >>= 1) {
        uint32_t carry = (crc ^ value) & 1;
        crc >>= 1;
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

// Recognises numbers in a comma-separated line, counting how often each state was entered.
enum number_state { START, DIGITS, SIGN, FRACTION, EXPONENT, EXPONENT_DIGITS, INVALID, STATES };

static enum number_state number_step(enum number_state state, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START:
        return digit ? DIGITS : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
    case DIGITS:
        return c == '.' ? FRACTION : digit ? DIGITS : c == ',' ? START : INVALID;
    case SIGN:
        return digit ? DIGITS : c == '.' ? FRACTION : INVALID;
    case FRACTION:
        return c == 'e' || c == 'E' ? EXPONENT : digit ? FRACTION : c == ',' ? START : INVALID;
    case EXPONENT:
        return c == '+' || c == '-' ? EXPONENT_DIGITS : INVALID;
    case EXPONENT_DIGITS:
        return digit ? EXPONENT_DIGITS : c == ',' ? START : INVALID;
    default:
        return c == ',' ? START : INVALID;
    }
}

NOINLINE static uint32_t scan_numbers(const char *text, uint32_t counts[STATES])
{
    enum number_state state = START;
    for (; *text; text++) {
        state = number_step(state, *text);
        counts[state]++;
    }
    return state;
}

enum { MATRIX = 24 };

NOINLINE static int small_matrix(unsigned round)
{
    static short a[MATRIX][MATRIX], b[MATRIX][MATRIX];
    static int c[MATRIX][MATRIX];
    for (int i = 0; i < MATRIX; i++) {
        for (int j = 0; j < MATRIX; j++) {
            a[i][j] = (short)((unsigned)(i * j) + round);
            b[i][j] = (short)(i - j);
        }
    }
    for (int i = 0; i < MATRIX; i++) {
        for (int j = 0; j < MATRIX; j++) {
            int sum = 0;
            for (int k = 0; k < MATRIX; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    }
    return c[round % MATRIX][3];
}

static uint64_t run_mixed(unsigned scale)
{
    enum { NODES = 256 };
    static struct node nodes[NODES];
    static const char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,"
                               "-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,";
    uint32_t seed = RANDOM_SEED, crc = 0, counts[STATES] = {0};
    for (unsigned round = 0; round < 20 * scale; round++) {
        for (unsigned i = 0; i < NODES; i++) {
            nodes[i].value = (int)(next_random(&seed) & 0xffff);
            nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        }
        unsigned position = 0;
        for (struct node *n = list_sort(nodes); n; n = n->next) {
            if (position++ % 8 == 0)
                crc = crc16(crc, (uint32_t)n->value);
        }
        crc = crc16(crc, (uint32_t)small_matrix(round));
        for (unsigned i = 0; i < 8; i++)
            crc = crc16(crc, scan_numbers(text, counts));
    }
    return crc + counts[INVALID];
}

static unsigned make_key(char key[12], uint32_t value)
{
    unsigned length = 0;
    do {
        key[length++] = (char)('a' + value % 26);
        value /= 26;
    } while (value);
    while (length < 8)
        key[length++] = 'z';
    key[length] = 0;
    return length;
}

// Open addressing, FNV-1a, keys compared as strings.
static uint64_t run_hashmap(unsigned scale)
{
    enum { SLOTS = 1 << 14 };
    static struct slot {
        char key[12];
        uint32_t count;
    } slots[SLOTS];
    uint32_t seed = RANDOM_SEED;
    uint64_t sum = 0;
    for (unsigned round = 0; round < scale; round++) {
        memset(slots, 0, sizeof(slots));
        for (unsigned i = 0; i < 30000; i++) {
            char key[12];
            unsigned length = make_key(key, next_random(&seed) % 9000);
            uint32_t hash = 2166136261u;
            for (const char *p = key; *p; p++)
                hash = (hash ^ (uint8_t)*p) * 16777619u;
            uint32_t at = hash % SLOTS;
            while (slots[at].key[0] && strcmp(slots[at].key, key))
                at = (at + 1) % SLOTS;
            if (!slots[at].key[0])
                memcpy(slots[at].key, key, length + 1);
            sum += ++slots[at].count;
        }
    }
    return sum;
}

const struct workload integer_workloads[] = {
    {"fib", "integer", run_fib},         {"sieve", "integer", run_sieve},
    {"sha256", "integer", run_sha256},   {"qsort", "integer", run_qsort},
    {"vm", "integer", run_vm},           {"mixed", "integer", run_mixed},
    {"hashmap", "integer", run_hashmap}, {0},
};
