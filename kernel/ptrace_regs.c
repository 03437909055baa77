#include "kernel/ptrace_regs.h"
#include "kernel/signal_internal.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/ptrace.h"
#include <string.h>

// The debug architecture that Linux reports of an ARMv8.2 CPU. There are no slots: debuggers watch
// in steps.
enum { DEBUG_ARCH = 8, DEBUG_ARCH_SHIFT = 8 };

size_t regset_size(uint64_t type, size_t *unit)
{
    switch (type) {
    case LINUX_NT_PRSTATUS:
        *unit = sizeof(uint64_t);
        return sizeof(struct linux_user_pt_regs);
    case LINUX_NT_PRFPREG:
        *unit = sizeof(uint32_t);
        return sizeof(struct linux_user_fpsimd_state);
    case LINUX_NT_ARM_TLS:
        *unit = sizeof(uint64_t);
        return sizeof(uint64_t);
    case LINUX_NT_ARM_HW_BREAK:
    case LINUX_NT_ARM_HW_WATCH:
        *unit = sizeof(uint32_t);
        return sizeof(struct linux_user_hwdebug_state);
    case LINUX_NT_ARM_SYSTEM_CALL:
        *unit = sizeof(int32_t);
        return sizeof(int32_t);
    default:
        return 0;
    }
}

static int32_t call_number(const struct task *task)
{
    return task->ptrace.call_nr >= 0 ? task->ptrace.call_nr : task->syscall_nr;
}

static struct linux_user_pt_regs get_general(const struct task *task)
{
    const struct cpu *cpu = &task->cpu;
    struct linux_user_pt_regs regs = {
        .sp = cpu->x[CPU_SP], .pc = cpu->pc, .pstate = cpu_pstate(cpu)};
    memcpy(regs.x, cpu->x, sizeof regs.x);
    return regs;
}

static struct linux_user_fpsimd_state get_fpsimd(const struct task *task)
{
    struct linux_user_fpsimd_state fp = {.fpsr = task->cpu.fpsr, .fpcr = task->cpu.fpcr};
    memcpy(fp.v, task->cpu.v, sizeof fp.v);
    return fp;
}

void regset_get(const struct task *task, uint64_t type, uint8_t out[REGSET_MAX])
{
    memset(out, 0, REGSET_MAX);
    switch (type) {
    case LINUX_NT_PRSTATUS: {
        struct linux_user_pt_regs regs = get_general(task);
        memcpy(out, &regs, sizeof regs);
        break;
    }
    case LINUX_NT_PRFPREG: {
        struct linux_user_fpsimd_state fp = get_fpsimd(task);
        memcpy(out, &fp, sizeof fp);
        break;
    }
    case LINUX_NT_ARM_TLS:
        memcpy(out, &task->cpu.tpidr_el0, sizeof task->cpu.tpidr_el0);
        break;
    case LINUX_NT_ARM_HW_BREAK:
    case LINUX_NT_ARM_HW_WATCH: {
        uint32_t info = DEBUG_ARCH << DEBUG_ARCH_SHIFT;
        memcpy(out, &info, sizeof info);
        break;
    }
    case LINUX_NT_ARM_SYSTEM_CALL: {
        int32_t nr = call_number(task);
        memcpy(out, &nr, sizeof nr);
        break;
    }
    default:
        break;
    }
}

static int set_general(struct task *task, const uint8_t *in, size_t n)
{
    struct linux_user_pt_regs regs = get_general(task);
    memcpy(&regs, in, n);
    if (regs.pstate & PSTATE_PRIVILEGED)
        return -LINUX_EINVAL;
    struct cpu *cpu = &task->cpu;
    memcpy(cpu->x, regs.x, sizeof regs.x);
    cpu->x[CPU_SP] = regs.sp;
    cpu->pc = regs.pc;
    cpu_set_pstate(cpu, (uint32_t)regs.pstate);
    return 0;
}

int regset_set(struct task *task, uint64_t type, const uint8_t *in, size_t n)
{
    switch (type) {
    case LINUX_NT_PRSTATUS:
        return set_general(task, in, n);
    case LINUX_NT_PRFPREG: {
        struct linux_user_fpsimd_state fp = get_fpsimd(task);
        memcpy(&fp, in, n);
        memcpy(task->cpu.v, fp.v, sizeof fp.v);
        task->cpu.fpsr = fp.fpsr & FPSR_BITS;
        task->cpu.fpcr = fp.fpcr & FPCR_BITS;
        return 0;
    }
    case LINUX_NT_ARM_TLS:
        memcpy(&task->cpu.tpidr_el0, in, n);
        return 0;
    case LINUX_NT_ARM_SYSTEM_CALL:
        if (n == sizeof(int32_t))
            memcpy(&task->ptrace.call_nr, in, n);
        return 0;
    default: // no slot to set
        return -LINUX_EINVAL;
    }
}
