// The main loop of a task: run guest code, answer what stopped it, look at signals, run on.
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/rseq.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall.h"
#include "kernel/task_internal.h"
#include "kernel/usage.h"
#include "platform/base/log.h"

// Exception syndromes of EL0 (Arm ARM, ESR_EL1), as signal frames report them.
#define ESR_IL             (1u << 25)
#define ESR_EC(class)      ((uint64_t)(class) << 26 | ESR_IL)
#define ESR_INSTRUCTION    ESR_EC(0x20)
#define ESR_PC_ALIGNMENT   ESR_EC(0x22)
#define ESR_DATA           ESR_EC(0x24)
#define ESR_SP_ALIGNMENT   ESR_EC(0x26)
#define ESR_WRITE          (1u << 6)
#define ESR_TRANSLATION_L0 0x04u // what Linux reports for kernel addresses
#define ESR_TRANSLATION_L3 0x07u
#define ESR_PERMISSION_L3  0x0fu
#define ESR_ALIGNMENT      0x21u
#define ESR_SYNC_EXTERNAL  0x10u

// --- Faults --------------------------------------------------------------------------------------

static void force_fault(struct task *task, int signo, int code, uint64_t addr, uint64_t esr)
{
    struct siginfo info = {.signo = signo, .code = code, .addr = addr};
    if (esr) {
        task->fault_address = cpu_untag(addr);
        task->fault_esr = esr;
    }
    signal_force(task, &info);
}

static uint64_t fault_esr(const struct trap *trap, uint32_t status)
{
    bool exec = trap->access == MEM_EXEC;
    if (cpu_untag(trap->addr) >> 63)
        status = ESR_TRANSLATION_L0;
    return (exec ? ESR_INSTRUCTION : ESR_DATA) | status |
           (trap->access == MEM_WRITE ? ESR_WRITE : 0u);
}

static void answer_fault(struct task *task, const struct trap *trap)
{
    switch (mm_fault(task->mm, trap->addr, trap->access)) {
    case MM_FAULT_OK:
        atomic_fetch_add_explicit(&task->min_faults, 1, memory_order_relaxed);
        return;
    case MM_FAULT_SEGV_MAPERR:
        force_fault(task, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, trap->addr,
                    fault_esr(trap, ESR_TRANSLATION_L3));
        return;
    case MM_FAULT_SEGV_ACCERR:
        force_fault(task, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, trap->addr,
                    fault_esr(trap, ESR_PERMISSION_L3));
        return;
    case MM_FAULT_BUS_ADRERR:
        force_fault(task, LINUX_SIGBUS, LINUX_BUS_ADRERR, trap->addr,
                    fault_esr(trap, ESR_TRANSLATION_L3));
        return;
    case MM_FAULT_OOM:
        signal_no_memory(task);
        return;
    }
}

// Worth a warning when it ends the program; one that catches SIGILL is asking what the CPU can do.
static void answer_undefined(struct task *task, uint32_t word)
{
    enum log_channel channel = signal_caught(task, LINUX_SIGILL) ? LOG_INSN : LOG_WARN;
    log_printf(&task->kernel->log, channel, "%s[%d]: undefined instruction %08x at %016llx",
               task->comm, task->pid, word, (unsigned long long)task->cpu.pc);
    force_fault(task, LINUX_SIGILL, LINUX_ILL_ILLOPC, task->cpu.pc, 0);
}

// Something outside cut a host file under one of our mappings, and the thread touched what is no
// longer there: some instructions ago, so where in the guest is not known.
static void answer_lost_page(struct task *task)
{
    if (UNLIKELY(atomic_exchange_explicit(&task->host_fault.hit, false, memory_order_acq_rel)))
        force_fault(task, LINUX_SIGBUS, LINUX_BUS_ADRERR, 0, 0);
}

static void answer(struct task *task, const struct trap *trap)
{
    uint64_t pc = task->cpu.pc;
    switch (trap->kind) {
    case TRAP_SVC:
        syscall_dispatch(task);
        break;
    case TRAP_FAULT:
        answer_fault(task, trap);
        break;
    case TRAP_ALIGN:
        force_fault(task, LINUX_SIGBUS, LINUX_BUS_ADRALN, trap->addr,
                    fault_esr(trap, ESR_ALIGNMENT));
        break;
    case TRAP_PC_ALIGN:
        force_fault(task, LINUX_SIGBUS, LINUX_BUS_ADRALN, pc, ESR_PC_ALIGNMENT);
        break;
    case TRAP_SP_ALIGN:
        force_fault(task, LINUX_SIGBUS, LINUX_BUS_ADRALN, task->cpu.x[CPU_SP], ESR_SP_ALIGNMENT);
        break;
    case TRAP_UNDEFINED:
        answer_undefined(task, trap->imm);
        break;
    case TRAP_BRK:
        force_fault(task, LINUX_SIGTRAP, LINUX_TRAP_BRKPT, pc, 0);
        break;
    case TRAP_POKE: // work_pending says what for; run tokens look after themselves
        answer_lost_page(task);
        break;
    case TRAP_SWITCH:
        rseq_switched(task);
        break;
    case TRAP_STEP:
        ptrace_stepped(task);
        break;
    case TRAP_NO_MEMORY:
        signal_no_memory(task);
        break;
    }
}

// --- The loop ------------------------------------------------------------------------------------

void task_run(struct task *task)
{
    while (!task->exiting) {
        struct trap trap;
        bool steps = UNLIKELY(ptrace_work(&task->ptrace) & PTRACE_WORK_STEP);
        cpu_run(&task->cpu, steps ? CPU_STEP : CPU_RUN, &trap);
        answer(task, &trap);
        while (UNLIKELY(atomic_load_explicit(&task->work_pending, memory_order_acquire)) &&
               !task->exiting)
            signal_deliver(task);
    }
}

void task_thread(struct task *task)
{
    usage_start_clock(task);
    task->host_fault.poke = &task->cpu.poke;
    host_fault_set_thread(&task->host_fault);
    if (task->set_child_tid) {
        int32_t tid = task->own_pid;
        (void)!user_put(task, task->set_child_tid, &tid);
    }
    // A signal may have come before there was a thread to take it.
    while (atomic_load_explicit(&task->work_pending, memory_order_acquire) && !task->exiting)
        signal_deliver(task);
    task_run(task);
    host_fault_set_thread(NULL);
    task_exit(task);
    task_put(task);
}
