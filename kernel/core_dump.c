#include "kernel/core_dump.h"
#include "kernel/core_internal.h"
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "platform/abi/elf.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/wait.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

#define CORE_NAME "core" // /proc/sys/kernel/core_pattern

enum { NAMES_ROOM = LINUX_PATH_MAX, DUMPABLE = 1 };

// On the dumping thread's stack.
struct core_dump {
    struct task *task; // that writes it
    unsigned left;     // threads that have still to arrive; guarded by process->lock
};

// --- Threads -------------------------------------------------------------------------------------

void core_dump_prepare(struct task *task, int signo)
{
    struct process *p = task->process;
    task->core_wanted = !p->group_exit && signal_in(SIGNAL_CORE_SET, signo) &&
                        p->dumpable == DUMPABLE &&
                        p->rlimit[LINUX_RLIMIT_CORE].cur >= MEM_PAGE_SIZE;
}

// All threads are on their way to their ends: those that have not got to core_dump_join() yet.
// process->lock is held.
static void begin(struct task *task, struct core_dump *d)
{
    struct process *p = task->process;
    *d = (struct core_dump){.task = task};
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        t->core_counted = t != task && !t->exit_begun && !t->core_passed;
        d->left += t->core_counted;
    }
    p->core = d;
}

static void end(struct task *task, bool written)
{
    struct process *p = task->process;
    p->core = NULL;
    if (written)
        p->exit_status |= LINUX_WSTATUS_CORE;
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        if (t->core_waits)
            task_wake(t);
}

void core_dump_join(struct task *task) NO_TSA
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    if (p->core && p->core->task != task) {
        task->core_waits = true;
        // One that was being made when the others were counted ends too.
        if (task->core_counted && --p->core->left == 0)
            task_wake(p->core->task);
        while (p->core) {
            lock_release(&p->lock);
            (void)!task_sleep(task, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE, TASK_DISK);
            lock_acquire(&p->lock);
        }
        task->core_waits = false;
        task->exit_status = p->exit_status;
    }
    task->core_passed = true;
    lock_release(&p->lock);
}

// --- What of memory ------------------------------------------------------------------------------

struct survey {
    struct task *task;
    const struct path *root;
    uint32_t filter;
    struct core_segment *segments;
    size_t count, room;
    bool failed; // out of memory
};

static bool is_elf(struct task *task, uint64_t addr)
{
    char magic[4];
    return !user_get(task, addr, &magic) && memcmp(magic, "\177ELF", sizeof magic) == 0;
}

static bool is_vdso(const struct mm_mapping *m)
{
    return m->name && strcmp(m->name, "[vdso]") == 0;
}

static uint64_t size_of(const struct survey *s, const struct mm_mapping *m, bool named)
{
    uint64_t whole = m->end - m->start;
    bool file = m->file && named;
    if (m->dont_dump)
        return 0;
    if (is_vdso(m))
        return whole;
    if (m->shared)
        return s->filter & (file ? CORE_FILTER_FILE_SHARED : CORE_FILTER_ANON_SHARED) ? whole : 0;
    if ((m->held.anon || !file) && s->filter & CORE_FILTER_ANON_PRIVATE)
        return m->held.anon ? whole : 0;
    if (!file)
        return 0;
    if (s->filter & CORE_FILTER_FILE_PRIVATE)
        return whole;
    bool head = s->filter & CORE_FILTER_ELF_HEADERS && m->offset == 0 && m->prot & MEM_READ &&
                is_elf(s->task, m->start);
    return head ? MEM_PAGE_SIZE : 0;
}

// Shared memory is a file too, but one that no directory has.
static bool has_name(const struct mm_mapping *m)
{
    struct vfs_stat st;
    return m->file && m->file->path.dentry && !m->file->inode->ops->getattr(m->file->inode, &st) &&
           st.nlink > 0;
}

static void add_segment(void *ctx, const struct mm_mapping *m)
{
    struct survey *s = ctx;
    if (s->failed)
        return;
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        struct core_segment *grown = realloc(s->segments, room * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->segments = grown;
        s->room = room;
    }
    bool named = has_name(m);
    struct core_segment *seg = &s->segments[s->count++];
    *seg = (struct core_segment){
        .start = m->start,
        .end = m->end,
        .size = size_of(s, m, named),
        .offset_pages = m->offset / MEM_PAGE_SIZE,
        .prot = m->prot,
        .sparse = !m->file && !is_vdso(m),
    };
    if (!named)
        return;
    char *name = malloc(NAMES_ROOM);
    if (name && path_name(&m->file->path, s->root, name, NAMES_ROOM) >= 0) {
        seg->name = name;
        return;
    }
    free(name);
}

// --- Writing -------------------------------------------------------------------------------------

struct writer {
    struct file *file;
    uint64_t pos, emitted, limit;
};

static bool emit(struct writer *w, const void *bytes, size_t n)
{
    struct iter it;
    if (n > w->limit - w->emitted)
        return false;
    uint8_t piece[MEM_PAGE_SIZE];
    for (size_t done = 0; done < n;) {
        size_t part = n - done < sizeof piece ? n - done : sizeof piece;
        memcpy(piece, (const uint8_t *)bytes + done, part);
        iter_kernel(&it, piece, part);
        if (file_write(w->file, &it, &w->pos) != (ssize_t)part)
            return false;
        done += part;
    }
    w->emitted += n;
    return true;
}

static bool emit_segment(struct writer *w, struct task *task, const struct core_segment *s)
{
    uint64_t base = w->pos, end = s->start + s->size;
    for (uint64_t at = s->start; at < end; at += MEM_PAGE_SIZE) {
        uint8_t page[MEM_PAGE_SIZE];
        if (s->sparse)
            at = mm_next_present(task->mm, at, end);
        if (at == end)
            break;
        w->pos = base + (at - s->start);
        if (user_remote_read(task->mm, at, page, sizeof page, true) == (ssize_t)sizeof page &&
            !emit(w, page, sizeof page))
            return false;
    }
    w->pos = base + s->size;
    return true;
}

static struct elf64_phdr segment_header(const struct core_segment *s, uint64_t offset)
{
    return (struct elf64_phdr){
        .type = ELF_PT_LOAD,
        .flags = (s->prot & MEM_READ ? ELF_PF_R : 0u) | (s->prot & MEM_WRITE ? ELF_PF_W : 0u) |
                 (s->prot & MEM_EXEC ? ELF_PF_X : 0u),
        .offset = offset,
        .vaddr = s->start,
        .filesz = s->size,
        .memsz = s->end - s->start,
        .align = MEM_PAGE_SIZE,
    };
}

// The ELF header, the program headers, and the notes.
static void build_head(const struct survey *s, const struct core_buffer *notes,
                       struct core_buffer *out)
{
    size_t phnum = s->count + 1;
    struct elf64_ehdr e = {
        .ident = {0x7f, 'E', 'L', 'F', ELF_CLASS64, ELF_DATA2LSB, ELF_EV_CURRENT},
        .type = ELF_ET_CORE,
        .machine = ELF_EM_AARCH64,
        .version = ELF_EV_CURRENT,
        .phoff = sizeof e,
        .ehsize = sizeof e,
        .phentsize = sizeof(struct elf64_phdr),
        .phnum = (uint16_t)phnum,
    };
    core_append(out, &e, sizeof e);
    uint64_t at = sizeof e + phnum * sizeof(struct elf64_phdr);
    struct elf64_phdr note = {
        .type = ELF_PT_NOTE, .offset = at, .filesz = notes->len, .align = sizeof(uint32_t)};
    core_append(out, &note, sizeof note);
    at = (at + notes->len + MEM_PAGE_MASK) & ~MEM_PAGE_MASK;
    for (size_t i = 0; i < s->count; i++) {
        struct elf64_phdr load = segment_header(&s->segments[i], at);
        core_append(out, &load, sizeof load);
        at += s->segments[i].size;
    }
    core_append(out, notes->bytes, notes->len);
}

static bool write_all(struct writer *w, struct task *task, const struct siginfo *info,
                      const struct vfs_caller *c, const struct survey *s)
{
    struct core_buffer notes = {0}, head = {0};
    core_notes(task, info, s->segments, s->count, &notes);
    if (!notes.failed)
        build_head(s, &notes, &head);
    bool ok = !notes.failed && !head.failed && emit(w, head.bytes, head.len);
    w->pos = (w->pos + MEM_PAGE_MASK) & ~MEM_PAGE_MASK;
    for (size_t i = 0; ok && i < s->count; i++)
        ok = emit_segment(w, task, &s->segments[i]);
    // The last page may not be there.
    if (ok)
        ok = file_truncate(c, w->file, w->pos) == 0;
    free(notes.bytes);
    free(head.bytes);
    return ok;
}

// What has the name goes first: nobody else is to get hold of memory. So a file system that does
// not keep owners and modes is no place for it.
static int open_core(const struct vfs_caller *c, struct file **out)
{
    (void)!vfs_unlink(c, NULL, CORE_NAME);
    int err =
        vfs_open(c, NULL, CORE_NAME,
                 LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_RDWR | LINUX_O_NOFOLLOW | LINUX_O_LARGEFILE,
                 0600, 0, out);
    if (err)
        return err;
    struct vfs_stat st;
    struct inode *inode = (*out)->inode;
    err = inode->ops->getattr(inode, &st);
    if (!err && (st.uid != c->cred->fsuid || (st.mode & 0677) != 0600))
        err = -LINUX_EPERM;
    if (err)
        file_put(*out);
    return err;
}

static bool dump(struct task *task, const struct siginfo *info)
{
    struct vfs_caller c;
    struct writer w = {.limit = task_rlimit(task, LINUX_RLIMIT_CORE)};
    task_caller(task, &c);
    struct survey s = {.task = task, .root = &c.root};
    lock_acquire(&task->process->lock);
    s.filter = task->process->core_filter;
    lock_release(&task->process->lock);
    bool ok = open_core(&c, &w.file) == 0;
    if (ok) {
        ok = !mm_each_mapping(task->mm, true, add_segment, &s) && !s.failed &&
             write_all(&w, task, info, &c, &s);
        file_put(w.file);
    }
    for (size_t i = 0; i < s.count; i++)
        free(s.segments[i].name);
    free(s.segments);
    task_caller_done(&c);
    log_printf(&task->kernel->log, LOG_SIGNAL, "%s[%d]: %s", task->comm, task->pid,
               ok ? "core dumped" : "no core could be written");
    return ok;
}

void core_dump(struct task *task, struct siginfo *info) NO_TSA
{
    struct process *p = task->process;
    struct core_dump d;
    if (!task->core_wanted)
        return;
    task->core_wanted = false;
    begin(task, &d);
    while (d.left > 0) {
        lock_release(&p->lock);
        (void)!task_sleep(task, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE, TASK_DISK);
        lock_acquire(&p->lock);
    }
    lock_release(&p->lock);
    bool written = dump(task, info);
    lock_acquire(&p->lock);
    end(task, written);
}
