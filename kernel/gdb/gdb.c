// The server's life: it waits for the debugger and for the process at the same time.
#include "kernel/gdb/gdb.h"
#include "kernel/cred.h"
#include "kernel/gdb/gdb_internal.h"
#include "kernel/host_fd.h"
#include "kernel/ns.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/task_internal.h"
#include "kernel/task_pool.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/ptrace.h"
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 1 << LINUX_PTRACE_EVENT_CLONE | 1 << LINUX_PTRACE_EVENT_EXEC };

static void on_readable(struct wait_entry *entry, uint32_t events)
{
    (void)events;
    task_wake(CONTAINER_OF(entry, struct gdb, readable)->self);
}

// --- The tracer ----------------------------------------------------------------------------------

static int make_tracer(struct kernel *kernel, struct task **out)
{
    struct task *task = task_allocate(kernel);
    if (!task)
        return -LINUX_ENOMEM;
    struct process *p = task->process = process_allocate(kernel);
    task->cred = cred_create_root();
    if (p)
        p->sighand = sighand_create();
    struct path root;
    vfs_root(kernel->vfs, &root);
    int err = p && p->sighand && task->cred ? fs_context_create(&root, &task->fs) : -LINUX_ENOMEM;
    path_put(&root);
    if (err) {
        task_put(task);
        return err;
    }
    // Found by nobody: it is in no table. Its process has it as its one thread, not referenced.
    p->leader = task;
    list_add_tail(&p->threads, &task->thread_link);
    task->ns = namespaces_get(kernel->ns->initial);
    memcpy(task->comm, "gdb", 4);
    *out = task;
    return 0;
}

static void end_tracer(struct task *task)
{
    list_remove(&task->thread_link);
    fs_context_put(task->fs);
    task_ns_set(task, NULL);
    task->fs = NULL;
    task_put(task);
}

// --- The server ----------------------------------------------------------------------------------

static void free_server(struct gdb *g)
{
    file_put(g->connection);
    gdb_close_files(g);
    process_put(g->process);
    if (g->self)
        end_tracer(g->self);
    free(g);
}

struct registration {
    struct poll_table table;
    struct gdb *g;
};

static void register_reader(struct poll_table *table, struct file *file, struct wait_queue *q)
{
    struct gdb *g = CONTAINER_OF(table, struct registration, table)->g;
    (void)file;
    if (!g->readable.queue)
        wait_queue_add(q, &g->readable);
}

// One turn: what has come from either side. False when it is over.
static bool serve(struct gdb *g)
{
    bool open = gdb_receive(g);
    gdb_look(g);
    for (enum gdb_input input; !g->gone && (input = gdb_next_packet(g)) != GDB_NOTHING;) {
        if (input == GDB_PACKET && !g->running) {
            gdb_answer(g);
        } else if (input == GDB_INTERRUPT && g->running) {
            gdb_stop_all(g);
            if (!g->exited) {
                g->running = false;
                gdb_report(g, g->current, LINUX_SIGINT << 8 | 0x7f);
            }
        }
        gdb_look(g);
    }
    return open && !g->gone && !g->exited;
}

static void server_main(struct task *self)
{
    struct gdb *g = self->process->tracer_state;
    struct task_waiter children;
    struct registration registration = {{register_reader}, g};
    task_waiter_add(&children, self, &self->process->child_wait, 0);
    (void)file_poll(g->connection, &registration.table);
    // The process's first stop is that of being traced, which is not told.
    gdb_stop_all(g);
    while (serve(g))
        (void)!task_wait(self, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE);
    wait_queue_remove(&g->readable);
    task_waiter_remove(&children);
    gdb_detach(g);
    free_server(g);
}

// From now on the task stops where it can.
static void tie(struct gdb *g, struct task *task)
{
    struct kernel *kernel = task->kernel;
    lock_acquire(&kernel->tasklist);
    ptrace_tie(g->self, task, true, OPTIONS);
    lock_acquire(&task->process->lock);
    task->ptrace.trap_stop = true;
    atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
    lock_release(&task->process->lock);
    lock_release(&kernel->tasklist);
}

int gdb_serve(struct task *task, int fd)
{
    struct kernel *kernel = task->kernel;
    struct task_worker *worker = NULL;
    struct gdb *g = calloc(1, sizeof *g);
    struct gdb_thread *first = calloc(1, sizeof *first);
    int err = g && first ? make_tracer(kernel, &g->self) : -LINUX_ENOMEM;
    if (!err)
        err = host_fd_open(kernel, fd, g->self->cred, &g->connection);
    if (!err)
        err = task_pool_reserve(kernel->task_pool, &worker);
    if (err) {
        if (g)
            free_server(g);
        free(first);
        return err;
    }
    list_init(&g->threads);
    list_init(&g->breakpoints);
    list_init(&g->readable.node);
    g->readable.wake = on_readable;
    g->process = process_get(task->process);
    g->pid = g->current = first->tid = task->pid;
    list_add_tail(&g->threads, &first->link);
    g->self->process->tracer_state = g;
    tie(g, task);
    task_pool_run(worker, server_main, g->self);
    return 0;
}
