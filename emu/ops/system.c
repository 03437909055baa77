// Hints, barriers, system registers, cache maintenance.
#include "emu/core.h"
#include "emu/features.h"
#include "emu/fpenv.h"
#include "emu/op.h"

OP(yield)
{
    POLL();
}

// type: 1 orders loads with what follows, 2 stores with stores, otherwise everything.
OP(barrier)
{
    if (type == 1)
        atomic_thread_fence(memory_order_acquire);
    else if (type == 2)
        atomic_thread_fence(memory_order_release);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

// --- Cache maintenance ---------------------------------------------------------------------------
// The block lies in one page: checking one byte gives the address of all.
OP(dc_zva)
{
    char *p;
    uint64_t addr = X(rt);
    WRITE_AT(p, addr, 1);
    p -= addr & (CPU_ZVA_SIZE - 1);
    for (unsigned i = 0; i < CPU_ZVA_SIZE; i += 8)
        GUEST_PUT(uint64_t, p + i, 0);
}

// Data caches are coherent; only the permission check is left.
OP(dc_clean)
{
    const char *p;
    READ_AT(p, X(rt), 1);
    (void)p;
}

OP(ic_ivau)
{
    const char *p;
    uint64_t addr = X(rt);
    READ_AT(p, addr, 1);
    (void)p;
    core_sync_code(e->cpu, addr);
}

// --- System registers ----------------------------------------------------------------------------
OP(mrs_nzcv)
{
    SET_X(rt, cpu_nzcv(e->cpu));
}

OP(msr_nzcv)
{
    cpu_set_nzcv(e->cpu, W(rt));
}

OP(mrs_fpcr)
{
    SET_X(rt, e->cpu->fpcr);
}

OP(msr_fpcr)
{
    fpenv_set_control(e->cpu, W(rt));
}

OP(mrs_fpsr)
{
    fpenv_collect(e->cpu);
    SET_X(rt, e->cpu->fpsr);
}

OP(msr_fpsr)
{
    fpenv_clear();
    e->cpu->fpsr = W(rt) & FPSR_MASK;
}

OP(mrs_tpidr_el0)
{
    SET_X(rt, e->cpu->tpidr_el0);
}

OP(msr_tpidr_el0)
{
    e->cpu->tpidr_el0 = X(rt);
}

OP(mrs_cntfrq_el0)
{
    SET_X(rt, e->cpu->host->counter_hz);
}

OP(mrs_cntvct_el0)
{
    fpenv_pause(e->cpu);
    const uint64_t v = e->cpu->host->counter();
    fpenv_resume(e->cpu);
    SET_X(rt, v);
}

OP(mrs_clock)
{
    fpenv_pause(e->cpu);
    const uint64_t v = e->cpu->host->clock_ns(clock);
    fpenv_resume(e->cpu);
    SET_X(rt, v);
}

// Bits of PSTATE outside NZCV.
OP(msr_pstate_imm)
{
    e->cpu->pstate = (e->cpu->pstate & ~(1u << bit)) | set << bit;
}

OP(msr_pstate)
{
    e->cpu->pstate = (e->cpu->pstate & ~(1u << imm)) | (W(rt) & 1u << imm);
}

OP(mrs_pstate)
{
    SET_X(rt, e->cpu->pstate & 1u << imm);
}

// The host's generator does not run dry: the flags always say so.
OP(mrs_rndr)
{
    fpenv_pause(e->cpu);
    const uint64_t v = e->cpu->host->random();
    fpenv_resume(e->cpu);
    SET_X(rt, v);
    SET_NZCV(0, 0, 0, 0);
}
