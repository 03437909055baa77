// The frame a handler gets on its stack, and the way back. Layout and rules: arch/arm64's signal
// ABI (asm/sigcontext.h, asm/ucontext.h).
//
//     higher addresses   frame record {x29, x30}: lets unwinders cross the signal
//                        rt_sigframe: siginfo, ucontext, sigcontext with its records
//     sp at the handler
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall.h"
#include "kernel/syscall_handlers.h"
#include "kernel/vdso.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/seccomp.h"
#include <stddef.h>
#include <string.h>

struct frame_record {
    uint64_t fp, lr;
};

// What is written of the records: FPSIMD, then ESR after a fault, then the terminator.
struct frame_records {
    struct linux_fpsimd_context fpsimd;
    struct linux_esr_context esr_or_end;
    struct linux_context_header end;
};
enum {
    FRAME_WRITTEN =
        offsetof(struct linux_rt_sigframe, uc.mcontext.reserved) + sizeof(struct frame_records)
};

// --- siginfo -------------------------------------------------------------------------------------

enum info_layout { LAYOUT_RT, LAYOUT_TIMER, LAYOUT_CHILD, LAYOUT_FAULT, LAYOUT_POLL, LAYOUT_SYS };

static enum info_layout info_layout(const struct siginfo *info)
{
    if (info->code == LINUX_SI_TIMER)
        return LAYOUT_TIMER;
    if (info->code == LINUX_SI_SIGIO)
        return LAYOUT_POLL;
    if (info->of_child)
        return LAYOUT_CHILD;
    if (info->code <= 0 || info->code >= LINUX_SI_KERNEL)
        return LAYOUT_RT;
    switch (info->signo) {
    case LINUX_SIGILL:
    case LINUX_SIGFPE:
    case LINUX_SIGSEGV:
    case LINUX_SIGBUS:
    case LINUX_SIGTRAP:
        return LAYOUT_FAULT;
    case LINUX_SIGCHLD:
        return LAYOUT_CHILD;
    case LINUX_SIGSYS:
        return LAYOUT_SYS;
    default: // SIGIO, and what F_SETSIG chose instead
        return info->code <= LINUX_POLL_HUP ? LAYOUT_POLL : LAYOUT_RT;
    }
}

void signal_info_seen(struct task *task, struct siginfo *info)
{
    if (info->raw || info->pid <= 0)
        return;
    info->pid = pid_seen(task, info->pid);
    info->uid = cred_show_uid(task->cred, info->uid);
}

void signal_info_to_guest(const struct siginfo *info, struct linux_siginfo *out)
{
    memset(out, 0, sizeof *out);
    out->signo = info->signo;
    out->error = info->error;
    out->code = info->code;
    if (info->raw) {
        memcpy(out->bytes, info->raw_bytes, sizeof info->raw_bytes);
        return;
    }
    switch (info_layout(info)) {
    case LAYOUT_RT:
        out->rt.pid = info->pid;
        out->rt.uid = info->uid;
        out->rt.value = info->value;
        break;
    case LAYOUT_TIMER:
        out->timer.id = info->timer_id;
        out->timer.overrun = info->overrun;
        out->timer.value = info->value;
        break;
    case LAYOUT_CHILD:
        out->child.pid = info->pid;
        out->child.uid = info->uid;
        out->child.status = info->status;
        out->child.utime = (int64_t)info->utime;
        out->child.stime = (int64_t)info->stime;
        break;
    case LAYOUT_FAULT:
        out->fault.addr = info->addr;
        break;
    case LAYOUT_POLL:
        out->poll.band = info->band;
        out->poll.fd = info->fd;
        break;
    case LAYOUT_SYS:
        out->sys.call_addr = info->call_addr;
        out->sys.syscall = info->syscall;
        out->sys.arch = LINUX_AUDIT_ARCH_AARCH64;
        break;
    }
}

// --- Building ------------------------------------------------------------------------------------

static void fill_registers(struct task *task, struct linux_sigcontext *sc)
{
    const struct cpu *cpu = &task->cpu;
    sc->fault_address = task->fault_address;
    memcpy(sc->x, cpu->x, sizeof sc->x);
    sc->sp = cpu->x[CPU_SP];
    sc->pc = cpu->pc;
    sc->pstate = cpu_pstate(cpu);
}

static void fill_records(struct task *task, struct frame_records *r)
{
    const struct cpu *cpu = &task->cpu;
    r->fpsimd.head = (struct linux_context_header){LINUX_FPSIMD_MAGIC, sizeof r->fpsimd};
    r->fpsimd.fpsr = cpu->fpsr;
    r->fpsimd.fpcr = cpu->fpcr;
    memcpy(r->fpsimd.v, cpu->v, sizeof r->fpsimd.v);
    memset(&r->esr_or_end, 0, sizeof r->esr_or_end);
    if (task->fault_esr) {
        r->esr_or_end.head = (struct linux_context_header){LINUX_ESR_MAGIC, sizeof r->esr_or_end};
        r->esr_or_end.esr = task->fault_esr;
    }
    r->end = (struct linux_context_header){0, 0};
}

bool signal_frame_build(struct task *task, const struct siginfo *info,
                        const struct linux_sigaction *action, uint64_t mask)
{
    struct cpu *cpu = &task->cpu;
    uint64_t sp = cpu->x[CPU_SP];
    if (action->flags & LINUX_SA_ONSTACK && signal_altstack_flags(task, sp) == 0)
        sp = task->altstack_sp + task->altstack_size;
    uint64_t record_addr = (sp - sizeof(struct frame_record)) & ~15ull;
    uint64_t frame_addr = record_addr - sizeof(struct linux_rt_sigframe);

    struct frame_record record = {cpu->x[29], cpu->x[30]};
    union {
        struct linux_rt_sigframe frame;
        uint8_t bytes[sizeof(struct linux_rt_sigframe)];
    } u;
    memset(&u, 0, offsetof(struct linux_rt_sigframe, uc.mcontext));
    if (action->flags & LINUX_SA_SIGINFO) {
        struct siginfo shown = *info;
        if (!(action->flags & LINUX_SA_EXPOSE_TAGBITS))
            shown.addr = cpu_untag(shown.addr);
        signal_info_seen(task, &shown);
        signal_info_to_guest(&shown, &u.frame.info);
    }
    u.frame.uc.stack = (struct linux_stack){.sp = task->altstack_sp,
                                            .flags = (int32_t)task->altstack_flags,
                                            .size = task->altstack_size};
    u.frame.uc.sigmask = mask;
    fill_registers(task, &u.frame.uc.mcontext);
    struct frame_records records;
    fill_records(task, &records);
    memcpy(u.frame.uc.mcontext.reserved, &records, sizeof records);
    if (user_write(task, frame_addr, u.bytes, FRAME_WRITTEN) ||
        user_write(task, record_addr, &record, sizeof record))
        return false;

    if (task->altstack_flags & LINUX_SS_AUTODISARM)
        signal_altstack_reset(task);
    cpu->x[0] = (uint64_t)info->signo;
    if (action->flags & LINUX_SA_SIGINFO) {
        cpu->x[1] = frame_addr + offsetof(struct linux_rt_sigframe, info);
        cpu->x[2] = frame_addr + offsetof(struct linux_rt_sigframe, uc);
    }
    cpu->x[CPU_SP] = frame_addr;
    cpu->x[29] = record_addr;
    cpu->x[30] = action->flags & LINUX_SA_RESTORER ? action->restorer : vdso_sigreturn(task->mm);
    cpu->pc = action->handler;
    return true;
}

// --- Return --------------------------------------------------------------------------------------

// Walks the records of a frame the guest may have changed. The FPSIMD record must be there once;
// an unknown one makes the frame bad.
static bool parse_records(const uint8_t *reserved, const struct linux_fpsimd_context **fpsimd)
{
    size_t at = 0;
    *fpsimd = NULL;
    for (;;) {
        struct linux_context_header head;
        if (LINUX_SIGCONTEXT_RESERVED - at < sizeof head || at % 16)
            return false;
        memcpy(&head, reserved + at, sizeof head);
        if (!head.magic)
            return !head.size && *fpsimd;
        if (head.size < sizeof head || head.size > LINUX_SIGCONTEXT_RESERVED - at)
            return false;
        if (head.magic == LINUX_FPSIMD_MAGIC) {
            if (*fpsimd || head.size != sizeof **fpsimd)
                return false;
            *fpsimd = (const struct linux_fpsimd_context *)(const void *)(reserved + at);
        } else if (head.magic != LINUX_ESR_MAGIC) {
            return false;
        }
        at += head.size;
    }
}

static bool restore_registers(struct task *task, const struct linux_sigcontext *sc)
{
    struct cpu *cpu = &task->cpu;
    memcpy(cpu->x, sc->x, sizeof sc->x);
    cpu->x[CPU_SP] = sc->sp;
    cpu->pc = sc->pc;
    cpu_set_pstate(cpu, (uint32_t)sc->pstate);
    return !(sc->pstate & PSTATE_PRIVILEGED);
}

static bool sigreturn(struct task *task)
{
    uint64_t sp = task->cpu.x[CPU_SP];
    struct linux_ucontext uc;
    if (sp & 15)
        return false;
    // The end of the records may lie beyond the stack's last page in a frame the guest made.
    size_t got =
        user_read_partial(task, sp + offsetof(struct linux_rt_sigframe, uc), &uc, sizeof uc);
    if (got < offsetof(struct linux_ucontext, mcontext.reserved))
        return false;
    memset((uint8_t *)&uc + got, 0, sizeof uc - got);
    struct process *p = task->process;
    lock_acquire(&p->lock);
    signal_set_blocked(task, uc.sigmask);
    lock_release(&p->lock);

    const struct linux_fpsimd_context *fpsimd;
    if (!restore_registers(task, &uc.mcontext) || !parse_records(uc.mcontext.reserved, &fpsimd))
        return false;
    memcpy(task->cpu.v, fpsimd->v, sizeof task->cpu.v);
    task->cpu.fpsr = fpsimd->fpsr & FPSR_BITS;
    task->cpu.fpcr = fpsimd->fpcr & FPCR_BITS;
    // Squashes every error: the stack was valid when the frame was made.
    (void)signal_altstack_set(task, &uc.stack, task->cpu.x[CPU_SP]);
    return true;
}

int64_t sys_rt_sigreturn(struct task *task)
{
    if (!sigreturn(task)) {
        struct siginfo info = {
            .signo = LINUX_SIGSEGV, .code = LINUX_SEGV_ACCERR, .addr = task->cpu.x[CPU_SP]};
        signal_force(task, &info);
    }
    return syscall_final_result(task, (int64_t)task->cpu.x[0]);
}
