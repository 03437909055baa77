// The process under the debugger: its threads, registers, memory and breakpoints, by ptrace.
#include "kernel/gdb/gdb_internal.h"
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/ptrace_regs.h"
#include "kernel/signal.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/ptrace.h"
#include "platform/abi/wait.h"
#include <stdlib.h>
#include <string.h>

enum { BRK = 0xd4200000 }; // brk #0

// --- Signals -------------------------------------------------------------------------------------

// The protocol has numbers of its own (gdb's signals.def); by Linux's.
static const uint8_t signals[] = {0, 1,  2,  3,  4,  5,  6,  10, 8,  9,  30, 11, 31, 13, 14, 15,
                                  0, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 32, 12};
enum { GDB_SIG0 = 143, GDB_SIG32 = 77, GDB_SIG33 = 45, GDB_SIG64 = 78 };

int32_t gdb_signal_from_linux(int32_t signo)
{
    if (signo >= 0 && (size_t)signo < sizeof signals)
        return signals[signo] || !signo ? signals[signo] : GDB_SIG0;
    return signo == 32 ? GDB_SIG32 : signo == 64 ? GDB_SIG64 : GDB_SIG33 + signo - 33;
}

int32_t gdb_signal_to_linux(int32_t signal)
{
    for (int32_t signo = 1; signo <= LINUX_NSIG; signo++) {
        if (gdb_signal_from_linux(signo) == signal)
            return signo;
    }
    return 0;
}

// --- Threads -------------------------------------------------------------------------------------

static struct gdb_thread *find(struct gdb *g, int32_t tid)
{
    struct gdb_thread *t;
    list_for_each (t, &g->threads, link) {
        if (t->tid == tid)
            return t;
    }
    return NULL;
}

static struct gdb_thread *find_or_make(struct gdb *g, int32_t tid)
{
    struct gdb_thread *t = find(g, tid);
    if (!t && (t = calloc(1, sizeof *t))) {
        t->tid = tid;
        list_add_tail(&g->threads, &t->link);
    }
    return t;
}

static void forget(struct gdb_thread *t)
{
    list_remove(&t->link);
    free(t);
}

struct gdb_thread *gdb_thread(struct gdb *g, int32_t tid)
{
    return find(g, tid);
}

static struct task *task_of(struct gdb *g, int32_t tid)
{
    return task_find(g->self->kernel, tid);
}

static void let_go(struct gdb *g, struct gdb_thread *t, int32_t signo, bool step)
{
    struct task *task = task_of(g, t->tid);
    t->stopped = t->interrupted = t->listening = false;
    t->pending = 0;
    if (task && !ptrace_work_begin(g->self, task)) {
        ptrace_continue(task, signo, step ? PTRACE_WORK_STEP : 0);
        ptrace_work_end(g->self, task);
    }
    task_put(task);
}

// Asks the threads that run to stop.
static void interrupt_all(struct gdb *g)
{
    struct gdb_thread *t;
    list_for_each (t, &g->threads, link) {
        if (t->stopped || t->interrupted)
            continue;
        struct task *task = task_of(g, t->tid);
        t->interrupted = task && !ptrace_interrupt(task);
        task_put(task);
    }
}

static bool all_stopped(struct gdb *g)
{
    struct gdb_thread *t;
    list_for_each (t, &g->threads, link) {
        if (!t->stopped)
            return false;
    }
    return true;
}

// --- What happened -------------------------------------------------------------------------------

static void ended(struct gdb *g, int32_t tid, int32_t status)
{
    struct gdb_thread *t = find(g, tid);
    if (t)
        forget(t);
    if (tid == g->pid) {
        g->exited = true;
        g->status = status;
    }
}

// A program took the place of the other: its memory and its other threads are gone.
static void forget_program(struct gdb *g)
{
    struct gdb_thread *t, *next;
    struct gdb_breakpoint *b, *after;
    list_for_each_safe (t, next, &g->threads, link) {
        if (t->tid != g->pid)
            forget(t);
    }
    list_for_each_safe (b, after, &g->breakpoints, link) {
        list_remove(&b->link);
        free(b);
    }
    g->current = g->pid;
}

// A stop that is to be told, or 0.
static int32_t judge_stop(struct gdb *g, struct gdb_thread *t, int32_t status)
{
    int32_t signo = status >> 8 & 0x7f, event = status >> 16;
    switch (event) {
    case LINUX_PTRACE_EVENT_STOP:
        t->interrupted = false;
        // Otherwise it was asked for by us, or is a new thread's first.
        t->listening = signo != LINUX_SIGTRAP;
        return 0;
    case LINUX_PTRACE_EVENT_EXEC:
        forget_program(g);
        return status;
    case 0:
        if (signo != LINUX_SIGTRAP && g->pass[gdb_signal_from_linux(signo)]) {
            t->signo = signo;
            return 0;
        }
        return status;
    default:
        return 0;
    }
}

// Takes what wait(2) has to tell. Threads with nothing to report go on, unless `stopping`.
static void take_events(struct gdb *g, bool stopping)
{
    int32_t tid, status;
    while ((tid = wait_tracees(g->self, &status)) > 0) {
        if ((status & 0xff) != 0x7f) {
            ended(g, tid, status);
            continue;
        }
        struct gdb_thread *t = find_or_make(g, tid);
        if (!t)
            continue;
        t->stopped = true;
        t->pending = judge_stop(g, t, status);
        if (t->listening) {
            struct task *task = task_of(g, tid);
            if (task && !ptrace_work_begin(g->self, task)) {
                (void)ptrace_listen(task);
                ptrace_work_end(g->self, task);
            }
            task_put(task);
        } else if (!t->pending && !stopping) {
            let_go(g, t, t->signo, t->step);
            t->signo = 0;
        }
    }
}

static struct gdb_thread *next_pending(struct gdb *g)
{
    struct gdb_thread *t = find(g, g->current);
    if (t && t->pending)
        return t;
    list_for_each (t, &g->threads, link) {
        if (t->pending)
            return t;
    }
    return NULL;
}

void gdb_stop_all(struct gdb *g)
{
    for (;;) {
        take_events(g, true);
        if (g->exited || all_stopped(g))
            return;
        interrupt_all(g);
        (void)!task_wait(g->self, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE);
    }
}

void gdb_report(struct gdb *g, int32_t tid, int32_t status)
{
    int32_t signo = status >> 8 & 0x7f;
    g->current = tid;
    gdb_print(g, "T%02xthread:%x;", (unsigned)gdb_signal_from_linux(signo), (unsigned)tid);
    if (status >> 16 == LINUX_PTRACE_EVENT_EXEC && g->exec_events) {
        gdb_print(g, "exec:");
        gdb_print_program(g);
        gdb_print(g, ";");
    }
    gdb_send(g);
}

void gdb_look(struct gdb *g)
{
    take_events(g, !g->running);
    if (!g->running)
        return;
    struct gdb_thread *t = g->exited ? NULL : next_pending(g);
    if (t) {
        gdb_stop_all(g);
        t = next_pending(g); // which may have gone with the process
    }
    if (g->exited) {
        bool killed = g->status & 0x7f;
        gdb_print(
            g, "%c%02x", killed ? 'X' : 'W',
            (unsigned)(killed ? gdb_signal_from_linux(g->status & 0x7f) : g->status >> 8 & 0xff));
        gdb_send(g);
        g->running = false;
    } else if (t) {
        int32_t status = t->pending;
        t->pending = 0;
        g->running = false;
        gdb_report(g, t->tid, status);
    }
}

// --- Going on ------------------------------------------------------------------------------------

void gdb_resume(struct gdb *g)
{
    struct gdb_thread *t;
    g->running = true;
    if (next_pending(g))
        return; // what was not told yet comes first
    list_for_each (t, &g->threads, link) {
        if (t->stopped && t->go && !t->listening) {
            let_go(g, t, t->signo, t->step);
            t->signo = 0;
        }
    }
}

void gdb_detach(struct gdb *g)
{
    struct gdb_breakpoint *b, *next;
    struct gdb_thread *t, *after;
    struct kernel *kernel = g->self->kernel;
    if (!g->exited)
        gdb_stop_all(g);
    list_for_each_safe (b, next, &g->breakpoints, link)
        gdb_remove_breakpoint(g, b->addr);
    lock_acquire(&kernel->tasklist);
    while (!list_empty(&g->self->ptrace.tracees))
        ptrace_untie(list_first(&g->self->ptrace.tracees, struct task, ptrace.link));
    lock_release(&kernel->tasklist);
    list_for_each_safe (t, after, &g->threads, link)
        forget(t);
}

void gdb_kill(struct gdb *g)
{
    struct task *leader = process_leader_get(g->process);
    if (leader)
        signal_kernel_process(leader, LINUX_SIGKILL);
    task_put(leader);
    while (!g->exited) {
        take_events(g, false);
        if (!g->exited)
            (void)!task_wait(g->self, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE);
    }
}

// --- Registers and memory ------------------------------------------------------------------------

enum { GENERAL = 33 * 8 + 4, FLOATING = 32 * 16 + 8 };
_Static_assert(GENERAL + FLOATING == GDB_REGISTERS, "what the target description lists");

static struct task *begin(struct gdb *g)
{
    struct task *task = task_of(g, g->current);
    if (task && ptrace_work_begin(g->self, task)) {
        task_put(task);
        task = NULL;
    }
    return task;
}

static void end(struct gdb *g, struct task *task)
{
    ptrace_work_end(g->self, task);
    task_put(task);
}

bool gdb_get_registers(struct gdb *g, uint8_t out[GDB_REGISTERS])
{
    struct task *task = begin(g);
    uint8_t set[REGSET_MAX];
    if (!task)
        return false;
    regset_get(task, LINUX_NT_PRSTATUS, set);
    memcpy(out, set, GENERAL);
    regset_get(task, LINUX_NT_PRFPREG, set);
    memcpy(out + GENERAL, set, FLOATING);
    end(g, task);
    return true;
}

bool gdb_set_registers(struct gdb *g, const uint8_t in[GDB_REGISTERS])
{
    struct task *task = begin(g);
    uint8_t set[REGSET_MAX];
    if (!task)
        return false;
    regset_get(task, LINUX_NT_PRSTATUS, set);
    memcpy(set, in, GENERAL);
    bool good = !regset_set(task, LINUX_NT_PRSTATUS, set, GENERAL + 4) &&
                !regset_set(task, LINUX_NT_PRFPREG, in + GENERAL, FLOATING);
    end(g, task);
    return good;
}

struct mm *gdb_mm(struct gdb *g)
{
    struct task *task = task_of(g, g->pid);
    struct mm *mm = task ? task_mm_get(task) : NULL;
    task_put(task);
    return mm;
}

// Puts the program's own words over those of breakpoints.
static void hide_breakpoints(struct gdb *g, uint64_t addr, uint8_t *bytes, size_t n)
{
    struct gdb_breakpoint *b;
    list_for_each (b, &g->breakpoints, link) {
        for (unsigned i = 0; i < sizeof b->word; i++) {
            if (b->addr + i >= addr && b->addr + i < addr + n)
                bytes[b->addr + i - addr] = (uint8_t)(b->word >> 8 * i);
        }
    }
}

size_t gdb_read_memory(struct gdb *g, uint64_t addr, uint8_t *out, size_t n)
{
    struct mm *mm = gdb_mm(g);
    ssize_t got = mm ? user_remote_read(mm, addr, out, n, true) : 0;
    if (mm)
        mm_put(mm);
    if (got <= 0)
        return 0;
    hide_breakpoints(g, addr, out, (size_t)got);
    return (size_t)got;
}

static size_t write_memory(struct gdb *g, uint64_t addr, const void *in, size_t n)
{
    struct mm *mm = gdb_mm(g);
    ssize_t put = mm ? user_remote_write(mm, addr, in, n, true) : 0;
    if (mm)
        mm_put(mm);
    return put > 0 ? (size_t)put : 0;
}

size_t gdb_write_memory(struct gdb *g, uint64_t addr, const uint8_t *in, size_t n)
{
    struct gdb_breakpoint *b;
    const uint32_t brk = BRK;
    size_t put = write_memory(g, addr, in, n);
    // What stands under a breakpoint is the program's now, and the breakpoint stays.
    list_for_each (b, &g->breakpoints, link) {
        if (b->addr + sizeof b->word <= addr || b->addr >= addr + put)
            continue;
        for (unsigned i = 0; i < sizeof b->word; i++) {
            uint64_t at = b->addr + i - addr;
            if (at < put)
                b->word = (b->word & ~(0xffu << 8 * i)) | (uint32_t)in[at] << 8 * i;
        }
        (void)write_memory(g, b->addr, &brk, sizeof brk);
    }
    return put;
}

bool gdb_insert_breakpoint(struct gdb *g, uint64_t addr)
{
    struct gdb_breakpoint *b;
    const uint32_t brk = BRK;
    uint32_t word;
    list_for_each (b, &g->breakpoints, link) {
        if (b->addr == addr)
            return true;
    }
    if (gdb_read_memory(g, addr, (uint8_t *)&word, sizeof word) != sizeof word ||
        !(b = malloc(sizeof *b)))
        return false;
    if (write_memory(g, addr, &brk, sizeof brk) != sizeof brk) {
        free(b);
        return false;
    }
    b->addr = addr;
    b->word = word;
    list_add_tail(&g->breakpoints, &b->link);
    return true;
}

bool gdb_remove_breakpoint(struct gdb *g, uint64_t addr)
{
    struct gdb_breakpoint *b, *next;
    bool found = false;
    list_for_each_safe (b, next, &g->breakpoints, link) {
        if (b->addr != addr)
            continue;
        (void)write_memory(g, addr, &b->word, sizeof b->word);
        list_remove(&b->link);
        free(b);
        found = true;
    }
    return found;
}
