// Memory of a process: maps, smaps, statm, mem, and the strings exec left on its stack.
#include "kernel/mm.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// --- maps and smaps ------------------------------------------------------------------------------

struct map_writer {
    struct proc_text *text;
    const struct path *root; // names are shown below it
    bool details;            // smaps
    struct mem_sharing sum;  // of all mappings so far
    uint64_t locked;         // portions of those that are locked
    char *name;              // LINUX_PATH_MAX bytes
};

static const char *mapping_name(struct map_writer *w, const struct mm_mapping *m)
{
    if (m->name || !m->file)
        return m->name;
    if (!m->file->path.dentry)
        return m->file->anon_name;
    return path_shown(&m->file->path, w->root, w->name, LINUX_PATH_MAX) >= 0 ? w->name : "";
}

static void show_line(struct map_writer *w, const struct mm_mapping *m)
{
    struct vfs_stat st = {0};
    if (m->file && m->file->inode && m->file->inode->ops->getattr(m->file->inode, &st))
        st = (struct vfs_stat){0};
    size_t before = w->text->len;
    proc_printf(
        w->text, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", (unsigned long long)m->start,
        (unsigned long long)m->end, m->prot & MEM_READ ? 'r' : '-', m->prot & MEM_WRITE ? 'w' : '-',
        m->prot & MEM_EXEC ? 'x' : '-', m->shared ? 's' : 'p', (unsigned long long)m->offset,
        (unsigned)(st.dev >> 8 & 0xfff), (unsigned)(st.dev & 0xff), (unsigned long long)st.ino);
    const char *name = mapping_name(w, m);
    enum { NAME_COLUMN = 73 };
    if (name && *name)
        proc_printf(
            w->text, "%*s%s",
            w->text->len - before < NAME_COLUMN ? (int)(NAME_COLUMN - (w->text->len - before)) : 0,
            "", name);
    proc_append(w->text, "\n", 1);
}

static uint64_t pages_kb(uint64_t pages)
{
    return pages * (FRAME_SIZE / 1024);
}

static uint64_t portion_kb(uint64_t portion)
{
    return portion >> MEM_PORTION_SHIFT >> 10;
}

// Memory of the pool is dirty: it has no other place. What a program writes to a host's file
// through a mapping is the file's at once, and the host's to clean.
static void show_details(struct proc_text *t, uint64_t size, const struct mem_sharing *m,
                         uint64_t locked)
{
    uint64_t private_clean = m->pages - m->shared_clean - m->shared_dirty - m->private_dirty;
    const struct {
        const char *name;
        uint64_t kb;
    } rows[] = {
        {"Rss:", pages_kb(m->pages)},
        {"Pss:", portion_kb(m->portion)},
        {"Pss_Dirty:", portion_kb(m->dirty_portion)},
        {"Shared_Clean:", pages_kb(m->shared_clean)},
        {"Shared_Dirty:", pages_kb(m->shared_dirty)},
        {"Private_Clean:", pages_kb(private_clean)},
        {"Private_Dirty:", pages_kb(m->private_dirty)},
        {"Referenced:", pages_kb(m->pages)},
        {"Anonymous:", pages_kb(m->anon)},
        {"LazyFree:", 0},
        {"AnonHugePages:", 0},
        {"ShmemPmdMapped:", 0},
        {"FilePmdMapped:", 0},
        {"Shared_Hugetlb:", 0},
        {"Private_Hugetlb:", 0},
        {"Swap:", 0},
        {"SwapPss:", 0},
        {"Locked:", portion_kb(locked)},
    };
    if (size)
        proc_printf(t,
                    "Size:           %8llu kB\nKernelPageSize:        4 kB\n"
                    "MMUPageSize:           4 kB\n",
                    (unsigned long long)(size / 1024));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        proc_printf(t, "%-15s %8llu kB\n", rows[i].name, (unsigned long long)rows[i].kb);
}

static void show_flags(struct proc_text *t, const struct mm_mapping *m)
{
    proc_printf(t, "THPeligible:    0\nVmFlags: %s%s%s%smr mw me %sac\n",
                m->prot & MEM_READ ? "rd " : "", m->prot & MEM_WRITE ? "wr " : "",
                m->prot & MEM_EXEC ? "ex " : "", m->shared ? "sh " : "", m->locked ? "lo " : "");
}

static void show_mapping(void *ctx, const struct mm_mapping *m)
{
    struct map_writer *w = ctx;
    show_line(w, m);
    if (w->details) {
        show_details(w->text, m->end - m->start, &m->held, m->locked ? m->held.portion : 0);
        show_flags(w->text, m);
    }
}

static void add_mapping(void *ctx, const struct mm_mapping *m)
{
    struct map_writer *w = ctx;
    w->sum.pages += m->held.pages;
    w->sum.anon += m->held.anon;
    w->sum.shared_clean += m->held.shared_clean;
    w->sum.shared_dirty += m->held.shared_dirty;
    w->sum.private_dirty += m->held.private_dirty;
    w->sum.portion += m->held.portion;
    w->sum.dirty_portion += m->held.dirty_portion;
    w->locked += m->locked ? m->held.portion : 0;
}

// Referenced; NULL: there was none, or the process ended or became another program.
static struct mm *kept_mm(const struct proc_kept *kept)
{
    return kept->mm ? mm_get_unless_gone(kept->mm) : NULL;
}

static int show_mappings(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                         struct task *reader, bool details)
{
    if (!task)
        return -LINUX_ESRCH;
    struct mm *mm = kept_mm(kept);
    if (!mm)
        return 0;
    struct path root;
    vfs_root(task->kernel->vfs, &root);
    if (reader) {
        path_put(&root);
        lock_acquire(&reader->fs->lock);
        root = reader->fs->root;
        path_get(&root);
        lock_release(&reader->fs->lock);
    }
    struct map_writer w = {
        .text = t, .root = &root, .details = details, .name = malloc(LINUX_PATH_MAX)};
    int err = w.name ? mm_each_mapping(mm, details, show_mapping, &w) : -LINUX_ENOMEM;
    free(w.name);
    path_put(&root);
    mm_put(mm);
    return err;
}

int proc_show_maps(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                   struct task *reader)
{
    return show_mappings(t, kept, task, reader, false);
}

int proc_show_smaps(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                    struct task *reader)
{
    return show_mappings(t, kept, task, reader, true);
}

int proc_show_smaps_rollup(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                           struct task *reader)
{
    (void)reader;
    struct mm *mm = task ? kept_mm(kept) : NULL;
    if (!mm)
        return -LINUX_ESRCH;
    struct map_writer w = {.text = t};
    int err = mm_each_mapping(mm, true, add_mapping, &w);
    mm_put(mm);
    if (err)
        return err;
    proc_printf(t, "%08x-%08llx ---p 00000000 00:00 0 %24s[rollup]\n", 0,
                (unsigned long long)MEM_VA_END, "");
    show_details(t, 0, &w.sum, w.locked);
    return 0;
}

int proc_show_statm(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    struct mm_usage m = {0};
    struct mm *mm = task_mm_get(task);
    if (mm) {
        mm_usage_get(mm, &m);
        mm_put(mm);
    }
    proc_printf(
        t, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(m.virtual_size / FRAME_SIZE),
        (unsigned long long)(m.rss / FRAME_SIZE), (unsigned long long)(m.rss_file / FRAME_SIZE),
        (unsigned long long)(m.exec / FRAME_SIZE),
        (unsigned long long)((m.data + m.stack) / FRAME_SIZE));
    return 0;
}

// --- Strings of exec -----------------------------------------------------------------------------

enum { STRINGS_MAX = 2 << 20 };

// Appends what can be read of [from, to).
static void append_memory(struct proc_text *t, struct mm *mm, uint64_t from, uint64_t to)
{
    uint8_t buf[4096];
    if (to > from && to - from > STRINGS_MAX)
        to = from + STRINGS_MAX;
    while (from < to) {
        size_t n = to - from < sizeof buf ? (size_t)(to - from) : sizeof buf;
        ssize_t got = user_remote_read(mm, from, buf, n, true);
        if (got <= 0)
            return;
        proc_append(t, buf, (size_t)got);
        from += (uint64_t)got;
    }
}

int proc_show_cmdline(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    struct mm *mm = task_mm_get(task);
    if (!mm)
        return 0;
    struct mm_layout layout;
    mm_layout_get(mm, &layout);
    append_memory(t, mm, layout.arg_start, layout.arg_end);
    // A program that wrote a title over its arguments, without the final NUL: up to a page of it is
    // shown, and it may go on in the environment.
    if (t->len > 0 && t->buf[t->len - 1] != '\0') {
        uint64_t from = layout.arg_start, to = layout.arg_end;
        if (layout.env_start == to && layout.env_end > to)
            to = layout.env_end;
        t->len = 0;
        append_memory(t, mm, from, to - from < FRAME_SIZE ? to : from + FRAME_SIZE);
        size_t end = strnlen(t->buf, t->len);
        t->len = end < t->len ? end + 1 : end;
    }
    mm_put(mm);
    return 0;
}

int proc_show_environ(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader)
{
    (void)task, (void)reader;
    struct mm *mm = kept_mm(kept);
    if (!mm)
        return 0;
    struct mm_layout layout;
    mm_layout_get(mm, &layout);
    append_memory(t, mm, layout.env_start, layout.env_end);
    mm_put(mm);
    return 0;
}

int proc_show_auxv(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                   struct task *reader)
{
    (void)task, (void)reader;
    if (!kept->mm)
        return 0;
    struct mm_layout layout;
    mm_layout_get(kept->mm, &layout); // which outlives the memory
    proc_append(t, layout.auxv, layout.auxv_count * sizeof layout.auxv[0]);
    return 0;
}

// --- mem: the address is the file position -------------------------------------------------------

static ssize_t mem_transfer(struct file *file, struct iter *it, uint64_t *pos, bool write)
{
    struct mm *mm = kept_mm(proc_kept_of(file));
    if (!mm)
        return 0;
    uint8_t buf[4096];
    size_t done = 0;
    ssize_t err = 0;
    while (it->left > 0) {
        size_t n = it->left < sizeof buf ? it->left : sizeof buf;
        if (write)
            err = iter_get(it, buf, n);
        ssize_t got = err     ? err
                      : write ? user_remote_write(mm, *pos, buf, n, true)
                              : user_remote_read(mm, *pos, buf, n, true);
        if (got > 0 && !write)
            err = iter_put(it, buf, (size_t)got);
        if (got <= 0 || err) {
            err = err ? err : got ? got : -LINUX_EIO;
            break;
        }
        *pos += (uint64_t)got;
        done += (size_t)got;
        if ((size_t)got < n)
            break;
    }
    mm_put(mm);
    return done ? (ssize_t)done : err;
}

static ssize_t mem_read(struct file *file, struct iter *it, uint64_t *pos)
{
    return mem_transfer(file, it, pos, false);
}

static ssize_t mem_write(struct file *file, struct iter *it, uint64_t *pos)
{
    return mem_transfer(file, it, pos, true);
}

static int64_t mem_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence == LINUX_SEEK_CUR)
        offset = (int64_t)((uint64_t)offset + file->pos);
    else if (whence != LINUX_SEEK_SET)
        return -LINUX_EINVAL;
    file->pos = (uint64_t)offset;
    return offset;
}

const struct file_ops proc_mem_file_ops = {
    .read = mem_read,
    .write = mem_write,
    .seek = mem_seek,
    .release = proc_file_release,
};
