// Processes started from outside the guest, and waiting for them.
#include "kernel/cred.h"
#include "kernel/exec.h"
#include "kernel/fd.h"
#include "kernel/gdb/gdb.h"
#include "kernel/group_internal.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/rlimit.h"
#include "kernel/signal_internal.h"
#include "kernel/task_internal.h"
#include "kernel/task_pool.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Finding the program -------------------------------------------------------------------------

static const char *environment(const char *const *envp, const char *name)
{
    size_t n = strlen(name);
    for (; envp && *envp; envp++)
        if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
            return *envp + n + 1;
    return NULL;
}

// As execvp: the first entry of PATH that can be executed; a file that may not be is remembered.
static int find_in_path(const struct vfs_caller *c, const char *name, const char *path, char *found,
                        struct file **out)
{
    int result = -LINUX_ENOENT;
    while (path) {
        const char *end = path + strcspn(path, ":");
        int n = snprintf(found, LINUX_PATH_MAX, "%.*s%s%s", (int)(end - path), path,
                         end > path ? "/" : "", name);
        if (n > 0 && n < LINUX_PATH_MAX) {
            int err = exec_open(c, NULL, found, WALK_FOLLOW, out);
            if (!err)
                return 0;
            if (err != -LINUX_ENOENT && err != -LINUX_ENOTDIR)
                result = err;
        }
        path = *end ? end + 1 : NULL;
    }
    return result;
}

static int find_program(const struct vfs_caller *c, const struct task_spawn *spawn, char *found,
                        struct file **out)
{
    if (strchr(spawn->path, '/')) {
        if (strlen(spawn->path) >= LINUX_PATH_MAX)
            return -LINUX_ENAMETOOLONG;
        snprintf(found, LINUX_PATH_MAX, "%s", spawn->path);
        return exec_open(c, NULL, found, WALK_FOLLOW, out);
    }
    const char *path = environment(spawn->envp, "PATH");
    return find_in_path(c, spawn->path, path ? path : "/bin:/usr/bin", found, out);
}

// --- Building the task ---------------------------------------------------------------------------

static int make_place(struct task *task, const char *cwd)
{
    struct path root, dir;
    vfs_root(task->kernel->vfs, &root);
    int err = fs_context_create(&root, &task->fs);
    path_put(&root);
    if (err || !cwd)
        return err;
    struct vfs_caller c;
    task_caller(task, &c);
    err = path_walk(&c, NULL, cwd, WALK_FOLLOW | WALK_DIRECTORY, &dir);
    task_caller_done(&c);
    if (err)
        return err;
    struct path old = task->fs->cwd;
    task->fs->cwd = dir;
    path_put(&old);
    return 0;
}

static int make_task(struct kernel *kernel, const struct task_spawn *spawn, struct task **out)
{
    struct task *task = *out = task_allocate(kernel);
    if (!task)
        return -LINUX_ENOMEM;
    struct process *p = task->process = process_allocate(kernel);
    task->cred = cred_create_user(spawn->uid, spawn->gid);
    if (!p || !task->cred)
        return -LINUX_ENOMEM;
    p->spawned = true;
    p->dumpable = 1;
    p->sighand = sighand_create();
    if (!p->sighand)
        return -LINUX_ENOMEM;
    rlimit_defaults(kernel, p->rlimit);
    task->exit_signal = LINUX_SIGCHLD;
    task->timer_slack_ns = task->default_timer_slack_ns = TASK_DEFAULT_TIMER_SLACK_NS;
    task->start_ns = clock_monotonic_ns();
    task->start_boot_ns = clock_boottime_ns();
    task->ns = namespaces_get(kernel->ns->initial);
    return make_place(task, spawn->cwd);
}

static int load_program(struct task *task, const struct task_spawn *spawn)
{
    struct exec_args args;
    struct exec_image image;
    struct vfs_caller c;
    struct file *file;
    char *found = malloc(LINUX_PATH_MAX);
    if (!found)
        return -LINUX_ENOMEM;
    exec_args_init(&args, task);
    task_caller(task, &c);
    int err = find_program(&c, spawn, found, &file);
    if (!err) {
        for (const char *const *a = spawn->argv; !err && a && *a; a++)
            err = exec_args_add(&args, false, *a);
        for (const char *const *e = spawn->envp; !err && e && *e; e++)
            err = exec_args_add(&args, true, *e);
        if (!err && args.argc == 0)
            err = exec_args_add(&args, false, "");
        if (!err)
            err = exec_load(task, &c, file, found, false, &args, &image);
        exec_close(file);
    }
    if (!err)
        err = exec_install(task, &image);
    task_caller_done(&c);
    exec_args_free(&args);
    free(found);
    return err;
}

// Gives the task its number, session and group. A published task that never ran is taken out again
// by abandon().
static int enter(struct task *task)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    lock_acquire(&kernel->tasklist);
    const struct pid_choice any = {0};
    int err = task_publish(task, NULL, &any);
    if (!err) {
        err = session_start(p);
        if (!err && p->pid == 1)
            kernel->init_process = p;
    }
    lock_release(&kernel->tasklist);
    return err;
}

static void abandon(struct task *task)
{
    struct list released;
    list_init(&released);
    bool published = task->pid != 0;
    if (published) {
        task_leave_terminal(task);
        lock_acquire(&task->kernel->tasklist);
        task->process->live_threads--;
        task_release(task, &released);
        lock_release(&task->kernel->tasklist);
    }
    if (task->cpu.mem)
        mem_detach(&task->cpu);
    if (task->mm)
        mm_put(task->mm);
    if (task->files)
        fd_table_put(task->files, task);
    fs_context_put(task->fs);
    task_ns_set(task, NULL);
    task->mm = NULL;
    task->files = NULL;
    task->fs = NULL;
    if (published)
        task_put_released(&released);
    else
        task_put(task);
}

int task_spawn(struct kernel *kernel, const struct task_spawn *spawn, struct task **out)
{
    struct task *task = NULL;
    struct task_worker *worker = NULL;
    int err = make_task(kernel, spawn, &task);
    if (task)
        task->files = spawn->files;
    else
        fd_table_put(spawn->files, NULL);
    if (!err)
        err = task_pool_reserve(kernel->task_pool, &worker);
    if (!err)
        err = enter(task);
    if (!err && spawn->prepare)
        err = spawn->prepare(task, spawn->context);
    if (!err)
        err = load_program(task, spawn);
    if (!err && spawn->debugger)
        err = gdb_serve(task, *spawn->debugger);
    if (err) {
        if (worker)
            task_pool_cancel(worker);
        if (task)
            abandon(task);
        return err;
    }
    *out = task_get(task);
    task_pool_run(worker, task_thread, task_get(task));
    return 0;
}

int task_join(struct task *leader)
{
    struct kernel *kernel = leader->kernel;
    struct process *p = leader->process;
    lock_acquire(&kernel->tasklist);
    while (!p->gone)
        cond_wait(&kernel->task_gone, &kernel->tasklist, COND_FOREVER);
    lock_release(&kernel->tasklist);
    return process_exit_status(p);
}
