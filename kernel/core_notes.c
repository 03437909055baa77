// The notes of a core file: registers of every thread, and what the process was.
#include "kernel/core_internal.h"
#include "kernel/group.h"
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/ptrace_regs.h"
#include "kernel/signal_internal.h"
#include "kernel/usage.h"
#include "platform/abi/elf.h"
#include "platform/abi/time.h"
#include "platform/clock.h"
#include <stdlib.h>
#include <string.h>

struct note_prstatus {
    int32_t signo, code, error;
    int16_t cursig;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    struct linux_timeval utime, stime, cutime, cstime;
    struct linux_user_pt_regs regs;
    int32_t fpvalid;
};
_Static_assert(sizeof(struct note_prstatus) == 392, "struct elf_prstatus");

struct note_prpsinfo {
    char state, sname, zomb, nice;
    uint64_t flag;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char fname[16];
    char psargs[80];
};
_Static_assert(sizeof(struct note_prpsinfo) == 136, "struct elf_prpsinfo");

// --- Building ------------------------------------------------------------------------------------

void core_append(struct core_buffer *b, const void *bytes, size_t n)
{
    if (b->failed)
        return;
    if (b->room - b->len < n) {
        size_t room = b->room ? b->room : 4096;
        while (room - b->len < n)
            room *= 2;
        uint8_t *grown = realloc(b->bytes, room);
        if (!grown) {
            b->failed = true;
            return;
        }
        b->bytes = grown;
        b->room = room;
    }
    memcpy(b->bytes + b->len, bytes, n);
    b->len += n;
}

static void pad(struct core_buffer *b)
{
    static const uint8_t zero[4];
    core_append(b, zero, -b->len & 3);
}

static void add_note(struct core_buffer *b, const char *owner, uint32_t type, const void *desc,
                     size_t n)
{
    struct elf64_nhdr head = {(uint32_t)strlen(owner) + 1, (uint32_t)n, type};
    core_append(b, &head, sizeof head);
    core_append(b, owner, head.namesz);
    pad(b);
    core_append(b, desc, n);
    pad(b);
}

static struct linux_timeval to_timeval(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NSEC_PER_SEC),
                                  (int64_t)(ns % NSEC_PER_SEC / (NSEC_PER_SEC / 1000000))};
}

// --- Threads -------------------------------------------------------------------------------------

struct identity {
    int32_t ppid, pgrp, sid;
};

static struct identity identity_of(struct task *task)
{
    struct identity id = {.ppid = process_parent_pid(task->process)};
    struct pgrp *pgrp = task_pgrp_get(task);
    if (pgrp) {
        id.pgrp = pgrp->pgid;
        id.sid = pgrp->session->sid;
        pgrp_put(pgrp);
    }
    return id;
}

static void add_status(struct core_buffer *b, struct task *t, const struct siginfo *info,
                       const struct identity *id)
{
    struct process *p = t->process;
    uint8_t regs[REGSET_MAX];
    struct cpu_times times;
    task_cpu_times(t, &times);
    struct note_prstatus s = {
        .signo = info->signo,
        .cursig = (int16_t)info->signo,
        .pid = t->pid,
        .ppid = id->ppid,
        .pgrp = id->pgrp,
        .sid = id->sid,
        .utime = to_timeval(times.user_ns),
        .stime = to_timeval(times.system_ns),
        .fpvalid = 1,
    };
    lock_acquire(&p->lock);
    s.sigpend = t->pending.set;
    s.sighold = t->blocked;
    lock_release(&p->lock);
    regset_get(t, LINUX_NT_PRSTATUS, regs);
    memcpy(&s.regs, regs, sizeof s.regs);
    add_note(b, "CORE", LINUX_NT_PRSTATUS, &s, sizeof s);
}

static void add_registers(struct core_buffer *b, struct task *t)
{
    static const struct {
        uint32_t type;
        const char *owner;
    } sets[] = {
        {LINUX_NT_PRFPREG, "CORE"},          {LINUX_NT_ARM_TLS, "LINUX"},
        {LINUX_NT_ARM_HW_BREAK, "LINUX"},    {LINUX_NT_ARM_HW_WATCH, "LINUX"},
        {LINUX_NT_ARM_SYSTEM_CALL, "LINUX"},
    };
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        uint8_t regs[REGSET_MAX];
        size_t unit;
        regset_get(t, sets[i].type, regs);
        add_note(b, sets[i].owner, sets[i].type, regs, regset_size(sets[i].type, &unit));
    }
}

// The next thread that waits for the core, after the one with tid `after`; referenced.
static struct task *next_waiting(struct process *p, int32_t after)
{
    struct task *t;
    while ((t = task_next_thread(p, after)) != NULL) {
        lock_acquire(&p->lock);
        bool waits = t->core_waits;
        lock_release(&p->lock);
        if (waits)
            return t;
        after = t->pid;
        task_put(t);
    }
    return NULL;
}

// --- The process ---------------------------------------------------------------------------------

static void add_process(struct core_buffer *b, struct task *task, const struct identity *id,
                        const struct mm_layout *layout)
{
    struct note_prpsinfo s = {
        .sname = 'R',
        .nice = (char)task->nice,
        .uid = task->cred->uid,
        .gid = task->cred->gid,
        .pid = task->tgid,
        .ppid = id->ppid,
        .pgrp = id->pgrp,
        .sid = id->sid,
    };
    task_comm_get(task, s.fname);
    size_t n = (size_t)(layout->arg_end - layout->arg_start);
    if (n > sizeof s.psargs - 1)
        n = sizeof s.psargs - 1;
    n = user_read_partial(task, layout->arg_start, s.psargs, n);
    for (size_t i = 0; i < n; i++)
        if (!s.psargs[i])
            s.psargs[i] = ' ';
    add_note(b, "CORE", LINUX_NT_PRPSINFO, &s, sizeof s);
}

static void add_files(struct core_buffer *b, const struct core_segment *segments, size_t count)
{
    struct core_buffer files = {0}, names = {0};
    uint64_t head[2] = {0, MEM_PAGE_SIZE};
    core_append(&files, head, sizeof head);
    for (size_t i = 0; i < count; i++) {
        const struct core_segment *s = &segments[i];
        if (!s->name)
            continue;
        uint64_t row[3] = {s->start, s->end, s->offset_pages};
        core_append(&files, row, sizeof row);
        core_append(&names, s->name, strlen(s->name) + 1);
        head[0]++;
    }
    b->failed |= files.failed || names.failed;
    if (!b->failed && head[0]) {
        memcpy(files.bytes, head, sizeof head);
        core_append(&files, names.bytes, names.len);
        b->failed |= files.failed;
        add_note(b, "CORE", LINUX_NT_FILE, files.bytes, files.len);
    }
    free(files.bytes);
    free(names.bytes);
}

void core_notes(struct task *task, const struct siginfo *info, const struct core_segment *segments,
                size_t count, struct core_buffer *out)
{
    struct identity id = identity_of(task);
    struct mm_layout layout;
    mm_layout_get(task->mm, &layout);
    struct linux_siginfo guest_info;
    signal_info_to_guest(info, &guest_info);

    add_status(out, task, info, &id);
    add_process(out, task, &id, &layout);
    add_note(out, "CORE", LINUX_NT_SIGINFO, &guest_info, sizeof guest_info);
    add_note(out, "CORE", LINUX_NT_AUXV, layout.auxv, layout.auxv_count * sizeof layout.auxv[0]);
    add_files(out, segments, count);
    add_registers(out, task);
    struct task *t = NULL;
    for (int32_t tid = 0; (t = next_waiting(task->process, tid)) != NULL;
         tid = t->pid, task_put(t)) {
        add_status(out, t, info, &id);
        add_registers(out, t);
    }
}
