// Printers of the disassembler.
#include "emu/disas.h"
#include "emu/a64_imm.h"

static void put(struct dis_out *out, char c)
{
    if (out->used + 1 < out->size) {
        out->buf[out->used++] = c;
        out->buf[out->used] = 0;
    }
}

void dis_text(struct dis_out *out, const char *text)
{
    while (*text)
        put(out, *text++);
}

static void number(struct dis_out *out, uint64_t v, unsigned base)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        put(out, digits[--n]);
}

void dis_dec(struct dis_out *out, int64_t v)
{
    if (v < 0)
        put(out, '-');
    number(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

void dis_hex(struct dis_out *out, uint64_t v)
{
    dis_text(out, "0x");
    number(out, v, 16);
}

void dis_reg(struct dis_out *out, uint32_t n, bool wide, bool sp)
{
    if (n == 31) {
        dis_text(out, sp ? (wide ? "sp" : "wsp") : wide ? "xzr" : "wzr");
        return;
    }
    put(out, wide ? 'x' : 'w');
    number(out, n, 10);
}

void dis_cond(struct dis_out *out, uint32_t cond)
{
    static const char *const names[] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc",
                                        "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
    dis_text(out, names[cond & 15]);
}

void dis_shift(struct dis_out *out, uint32_t type, uint32_t amount)
{
    static const char *const names[] = {", lsl #", ", lsr #", ", asr #", ", ror #"};
    if (!type && !amount)
        return;
    dis_text(out, names[type & 3]);
    number(out, amount, 10);
}

void dis_extend(struct dis_out *out, uint32_t option, uint32_t amount)
{
    static const char *const names[] = {", uxtb", ", uxth", ", uxtw", ", uxtx",
                                        ", sxtb", ", sxth", ", sxtw", ", sxtx"};
    dis_text(out, names[option & 7]);
    if (amount) {
        dis_text(out, " #");
        number(out, amount, 10);
    }
}

void dis_offset_extend(struct dis_out *out, uint32_t option, uint32_t s, uint32_t size)
{
    dis_text(out, option == 3   ? ", lsl"
                  : option == 2 ? ", uxtw"
                  : option == 6 ? ", sxtw"
                                : ", sxtx");
    if (s) {
        dis_text(out, " #");
        dis_dec(out, size);
    }
}

void dis_reg_after(struct dis_out *out, uint32_t r, uint32_t wide)
{
    dis_reg(out, (r + 1) & 31, wide != 0, false);
}

static const char *const arrangements[] = {"8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"};

void dis_dup_arrangement(struct dis_out *out, uint32_t imm5, uint32_t q)
{
    dis_text(out, arrangements[((uint32_t)__builtin_ctz(imm5 | 8) << 1 | q) & 7]);
}

void dis_v(struct dis_out *out, uint32_t n, uint32_t size, uint32_t q)
{
    put(out, 'v');
    dis_dec(out, n);
    put(out, '.');
    dis_text(out, size == 4 ? "1q" : arrangements[(size << 1 | q) & 7]);
}

void dis_f(struct dis_out *out, uint32_t n, uint32_t size)
{
    put(out, "bhsdq"[size]);
    dis_dec(out, n);
}

void dis_e(struct dis_out *out, uint32_t n, uint32_t size, uint32_t index)
{
    put(out, 'v');
    dis_dec(out, n);
    put(out, '.');
    put(out, "bhsd"[size]);
    put(out, '[');
    dis_dec(out, index);
    put(out, ']');
}

void dis_list(struct dis_out *out, uint32_t first, uint32_t count, uint32_t size, uint32_t q)
{
    dis_text(out, "{");
    for (uint32_t i = 0; i < count; i++) {
        dis_text(out, i ? ", v" : "v");
        dis_dec(out, (first + i) & 31);
        dis_text(out, ".");
        dis_text(out, arrangements[(size << 1 | q) & 7]);
    }
    dis_text(out, "}");
}

void dis_lane_list(struct dis_out *out, uint32_t first, uint32_t count, uint32_t size,
                   uint32_t index)
{
    dis_text(out, "{");
    for (uint32_t i = 0; i < count; i++) {
        dis_text(out, i ? ", v" : "v");
        dis_dec(out, (first + i) & 31);
        put(out, '.');
        put(out, "bhsd"[size & 3]);
    }
    dis_text(out, "}[");
    dis_dec(out, index);
    put(out, ']');
}

void dis_float(struct dis_out *out, uint32_t imm8)
{
    // Sixteenths: every such constant is n / 128 with n below 2^12 + 1.
    uint32_t exp = (imm8 >> 4 & 7) ^ 4, sixteenths = 16 + (imm8 & 15);
    uint32_t v = sixteenths << exp; // in units of 2^-7
    if (imm8 >> 7)
        put(out, '-');
    dis_dec(out, v >> 7);
    put(out, '.');
    uint32_t part = v & 127;
    for (int digits = 0; digits < 8; digits++) {
        part *= 10;
        put(out, (char)('0' + (part >> 7)));
        part &= 127;
    }
}

void dis_movi(struct dis_out *out, uint32_t rd, uint32_t q, uint32_t op, uint32_t cmode,
              uint32_t imm8)
{
    if (cmode == 15) {
        dis_text(out, "fmov ");
        dis_v(out, rd, op ? 3 : 2, q);
        dis_text(out, ", #");
        dis_float(out, imm8);
        return;
    }
    if (cmode == 14 && op) {
        dis_text(out, "movi ");
        if (q)
            dis_v(out, rd, 3, q);
        else
            dis_f(out, rd, 3);
        dis_text(out, ", #");
        dis_hex(out, imm_simd(op, cmode, imm8));
        return;
    }
    dis_text(out, op ? "mvni " : "movi ");
    dis_v(out, rd, cmode == 14 ? 0 : cmode >= 12 || cmode < 8 ? 2 : 1, q);
    dis_text(out, ", #");
    dis_hex(out, imm8);
    if (cmode == 12 || cmode == 13) {
        dis_text(out, cmode == 12 ? ", msl #8" : ", msl #16");
    } else if (cmode < 12 && (cmode & 6)) {
        dis_text(out, ", lsl #");
        dis_dec(out, (cmode & 6) << 2);
    }
}
