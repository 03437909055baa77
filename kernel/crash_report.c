#include "kernel/crash_report.h"
#include "emu/a64.h"
#include "kernel/mm.h"
#include "kernel/strace.h"
#include "kernel/task.h"
#include "platform/base/log.h"
#include <inttypes.h>
#include <stdio.h>

enum {
    INSN_SIZE = 4,
    CODE_BEFORE = 4, // instructions shown around the one that failed
    CODE_AFTER = 3,
    FRAMES_MAX = 32,
    REGISTERS_A_LINE = 4,
};

#define SAY(task, ...) log_printf(&(task)->kernel->log, LOG_SIGNAL, __VA_ARGS__)

static void show_registers(struct task *task)
{
    const struct cpu *cpu = &task->cpu;
    char line[128];
    for (unsigned i = 0; i < CPU_SP; i += REGISTERS_A_LINE) {
        int used = 0;
        for (unsigned r = i; r < i + REGISTERS_A_LINE && r < CPU_SP; r++)
            used += snprintf(line + used, sizeof line - (size_t)used, "  x%-2u %016" PRIx64, r,
                             cpu->x[r]);
        SAY(task, "%s", line);
    }
    SAY(task, "  sp  %016" PRIx64 "  pc  %016" PRIx64 "  nzcv %x  fpcr %08x  fpsr %08x",
        cpu->x[CPU_SP], cpu->pc, cpu_nzcv(cpu) >> 28, cpu->fpcr, cpu->fpsr);
}

static void show_code(struct task *task)
{
    uint64_t pc = task->cpu.pc;
    for (int i = -CODE_BEFORE; i <= CODE_AFTER; i++) {
        uint64_t at = pc + (uint64_t)((int64_t)i * INSN_SIZE);
        uint32_t word;
        char text[96];
        if (user_get(task, at, &word))
            continue;
        a64_disassemble(word, at, text, sizeof text);
        SAY(task, "%s %016" PRIx64 "  %08x  %s", i ? " " : ">", at, word, text);
    }
}

// --- Mappings ------------------------------------------------------------------------------------

struct search {
    struct task *task;
    const char *what;
    uint64_t addr;
    bool found;
};

static void show_if_in(void *context, const struct mm_mapping *m)
{
    struct search *s = context;
    if (s->addr < m->start || s->addr >= m->end)
        return;
    s->found = true;
    SAY(s->task, "  %s %" PRIx64 " is in %" PRIx64 "-%" PRIx64 " %c%c%c%c offset %" PRIx64 " %s",
        s->what, s->addr, m->start, m->end, m->prot & MEM_READ ? 'r' : '-',
        m->prot & MEM_WRITE ? 'w' : '-', m->prot & MEM_EXEC ? 'x' : '-', m->shared ? 's' : 'p',
        m->offset,
        m->name   ? m->name
        : m->file ? "(file)"
                  : "");
}

static void show_mapping(struct task *task, const char *what, uint64_t addr)
{
    struct search s = {task, what, cpu_untag(addr), false};
    if (!mm_each_mapping(task->mm, false, show_if_in, &s) && !s.found)
        SAY(task, "  %s %" PRIx64 " is not mapped", what, s.addr);
}

// The callers, by the chain of frame records: as far as it goes up the stack.
static void show_callers(struct task *task)
{
    uint64_t record = task->cpu.x[29];
    SAY(task, "  called from %016" PRIx64, task->cpu.x[30]);
    for (int i = 0; i < FRAMES_MAX && record; i++) {
        uint64_t pair[2];
        if (record % sizeof(uint64_t) || user_get(task, record, &pair))
            return;
        SAY(task, "  called from %016" PRIx64, pair[1]);
        if (pair[0] <= record)
            return;
        record = pair[0];
    }
}

void crash_report(struct task *task, const struct siginfo *info)
{
    char name[16];
    SAY(task, "%s[%d] is ended by %s, code %d, address %" PRIx64, task->comm, task->pid,
        trace_signal_name(info->signo, name, sizeof name), info->code, info->addr);
    show_registers(task);
    show_code(task);
    show_mapping(task, "pc", task->cpu.pc);
    show_mapping(task, "sp", task->cpu.x[CPU_SP]);
    if (info->code > 0)
        show_mapping(task, "address", info->addr);
    show_callers(task);
}
