#include "tests/isa/judge.h"
#include "emu/a64.h"

enum { ILL = 4, TRAPSIG = 5, BUS = 7, SEGV = 11 };

int judge_index(const struct isa_result *r, size_t slot)
{
    uint64_t at = r->state.pc - isa_slot(slot);
    return at < ISA_SLOT_WORDS * 4 && !(at & 3) ? (int)(at / 4) : -1;
}

// Differences that are the oracle's fault; the rest must be equal.
static bool same(const struct isa_result *ours, const struct isa_result *theirs, uint32_t word,
                 bool alone)
{
    struct isa_result judged = *theirs;
    // A fault near or above the end of the 47 bits qemu-user has for guests: it says address 0,
    // Linux the address.
    if (ours->signo == theirs->signo && theirs->addr == 0 && ours->addr >> 46)
        judged.addr = ours->addr;
    // A misaligned PC is an alignment fault before it is anything else (Arm ARM, AArch64.CheckPC);
    // qemu looks for the page first.
    bool fetch = theirs->addr == theirs->state.pc || theirs->addr == 0;
    if (ours->state.pc & 3 && fetch && ours->signo == BUS && ours->code == 1) {
        judged.signo = ours->signo;
        judged.code = ours->code;
        judged.addr = ours->addr;
    }
    // Linux says ILL_ILLOPC (do_el0_undef), qemu-user ILL_ILLOPN.
    if (ours->signo == ILL && theirs->signo == ILL && ours->code == 1 && theirs->code == 2)
        judged.code = ours->code;
    // FJCVTZS: qemu 7.2 thinks that nothing is lost when a denormal is flushed to zero (FPToFixedJS
    // says that Z is clear then; tests/unit/test_cpu_features.c). Only alone: see finish_case().
    if (alone && a64_decode(word) == A64_FJCVTZS && ours->state.fpsr == 1u << 7)
        judged.state.nzcv = ours->state.nzcv;
    // DC ZVA: the fault address may be any in the block (Arm ARM, FAR_EL1); qemu says its start,
    // and qemu 7.2 reports the start of its own block as PC.
    if (ours->signo == SEGV && (word & ~31u) == 0xd50b7420u && (ours->addr ^ theirs->addr) < 64) {
        judged.addr = ours->addr;
        judged.state.pc = ours->state.pc;
    }
    return !memcmp(ours, &judged, sizeof *ours);
}

// A multi-register access that faults half-way may leave memory and its own registers in any state
// (Arm ARM, "Definition of a precise exception"); qemu keeps the first half. We promise that
// nothing happened.
static bool same_but_for_half_done(const struct isa_result *ours, const struct isa_result *theirs,
                                   uint32_t word)
{
    if (ours->signo != theirs->signo || ours->addr != theirs->addr || ours->signo == TRAPSIG ||
        ours->state.pc != theirs->state.pc)
        return false;
    uint32_t is = a64_rows[a64_decode(word)].is;
    struct isa_result judged = *theirs;
    judged.memory = is & A64_IS_STORE ? ours->memory : theirs->memory;
    if (is & A64_IS_LOAD) {
        uint32_t rt = word & 31, rt2 = word >> 10 & 31;
        for (uint32_t i = 0; i < 4; i++)
            memcpy(judged.state.v[(rt + i) % 32], ours->state.v[(rt + i) % 32], 16);
        memcpy(judged.state.v[rt2], ours->state.v[rt2], 16);
        for (int i = 0; i < 2; i++) {
            uint32_t r = i ? rt2 : rt;
            if (r < 31)
                judged.state.x[r] = ours->state.x[r];
        }
    }
    return !memcmp(ours, &judged, sizeof *ours);
}

// Accesses that pass under qemu 7.2 where a Neoverse N1 under Linux faults.
static bool not_judged(const struct isa_result *ours, const struct isa_result *theirs,
                       uint32_t word)
{
    uint32_t is = a64_rows[a64_decode(word)].is;
    // Chance made an address where qemu-user or the executor has memory of its own; a host's Linux
    // puts what qemu maps below 2^47.
    if (ours->signo == SEGV && ours->code == 1 && ours->addr != theirs->addr &&
        (ours->addr >> 32 == 0x55 || ours->addr >> 24 == 0x6713 || ours->addr >> 40 == 0x7f))
        return true;
    // qemu does not check the alignment of all atomic accesses.
    bool misaligned = ours->signo == BUS && ours->code == 1 && ours->addr & 15;
    if (is & (A64_IS_ATOMIC | A64_IS_EXCL) && misaligned)
        return true;
    // Cache maintenance by address faults where a load would; qemu-user does nothing for it.
    if ((word & 0xfff80000u) == 0xd5080000u && ours->signo == SEGV)
        return true;
    // A store-exclusive that fails its monitor need not look at the page (Arm ARM; it is the
    // implementation's choice: ours does).
    return is & A64_IS_EXCL && is & A64_IS_STORE && ours->signo == SEGV;
}

// The word at which a run stopped, 0 if it is of no case.
static uint32_t word_at(const struct isa_case *cases, size_t count, const struct isa_result *r)
{
    const uint64_t slot = (r->state.pc - ISA_CODE) / (ISA_SLOT_WORDS * 4);
    const int index = slot < count ? judge_index(r, slot) : -1;
    return index >= 0 && (uint32_t)index < cases[slot].count ? cases[slot].words[index] : 0;
}

enum verdict judge(const struct isa_case *cases, size_t count, size_t slot,
                   const struct isa_result *ours, const struct isa_result *theirs)
{
    const struct isa_case *c = &cases[slot];
    uint32_t word = word_at(cases, count, ours);
    bool alone = c->count == 1;
    if (same(ours, theirs, alone ? c->words[0] : word, alone))
        return VERDICT_SAME;
    if (word && (same_but_for_half_done(ours, theirs, word) || not_judged(ours, theirs, word)))
        return VERDICT_OWN;
    return VERDICT_DIFFERENT;
}

bool judge_has_exclusives(const struct isa_case *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (a64_rows[a64_decode(c->words[i])].is & A64_IS_EXCL)
            return true;
    return false;
}
