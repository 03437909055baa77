// execve: everything that can fail is done beside the running program; then the other threads end
// and the new one takes its place.
#include "kernel/exec.h"
#include "fs/landlock.h"
#include "fs/notify.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/futex.h"
#include "kernel/keys.h"
#include "kernel/posix_timer.h"
#include "kernel/process.h"
#include "kernel/rlimit.h"
#include "kernel/rseq.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_SIZE = 256,      // how much of a file decides its format (BINPRM_BUF_SIZE)
    INTERPRETERS_MAX = 5, // `#!` lines followed
};

// --- Opening -------------------------------------------------------------------------------------

int exec_open(const struct vfs_caller *c, const struct path *base, const char *name, unsigned walk,
              struct file **out)
{
    struct path p;
    int err = path_walk(c, base, name, walk, &p);
    if (err)
        return err;
    uint32_t type = path_inode(&p)->type;
    if (type == LINUX_S_IFLNK)
        err = -LINUX_ELOOP;
    else if (type != LINUX_S_IFREG)
        err = -LINUX_EACCES;
    else
        err = vfs_permission(c, &p, LINUX_X_OK);
    if (!err)
        err = landlock_check(c, &p, LANDLOCK_EXECUTE | LANDLOCK_READ_FILE);
    if (!err) {
        // Execute permission is enough to run a file: the read is the kernel's own.
        struct vfs_caller own = *c;
        own.cred = c->task->kernel->root_cred;
        err = vfs_open_path(&own, &p, LINUX_O_RDONLY | LINUX_O_LARGEFILE, out);
        if (!err)
            notify_file(*out, NOTIFY_OPEN_EXEC);
    }
    path_put(&p);
    if (!err && (err = inode_deny_write((*out)->inode))) {
        file_put(*out);
        *out = NULL;
    }
    return err;
}

void exec_close(struct file *file)
{
    inode_allow_write(file->inode);
    file_put(file);
}

// What loading needs to find the interpreter, which stays as it is until that is done.
struct interp_search {
    struct vfs_caller caller;
    struct file *found;
};

static int open_interp(void *context, const char *path, struct file **out)
{
    struct interp_search *search = context;
    int err = exec_open(&search->caller, NULL, path, WALK_FOLLOW, out);
    if (!err)
        search->found = file_get(*out);
    return err;
}

static int read_head(struct file *file, char head[HEAD_SIZE])
{
    memset(head, 0, HEAD_SIZE);
    struct iter it;
    uint64_t pos = 0;
    iter_kernel(&it, head, HEAD_SIZE);
    ssize_t n = file_read(file, &it, &pos);
    return n < 0 ? (int)n : 0;
}

// --- Scripts -------------------------------------------------------------------------------------

static bool blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

// Splits "#! interpreter [argument]" in place. The argument is one word with inner blanks, or NULL.
// A line that does not end within the head is accepted only if the interpreter's name does.
static bool parse_script(char head[HEAD_SIZE], char **interpreter, char **argument)
{
    char *start = head + 2, *limit = head + HEAD_SIZE;
    char *end = memchr(start, '\n', (size_t)(limit - start));
    bool truncated = !end;
    if (truncated)
        end = limit;
    while (start < end && blank(*start))
        start++;
    char *sep = start;
    while (sep < end && !blank(*sep) && *sep)
        sep++;
    if (sep == start || (truncated && sep == limit))
        return false;
    if (truncated)
        end = limit - 1;
    while (end > sep && (blank(end[-1]) || !end[-1]))
        end--;
    char *arg = sep;
    while (arg < end && blank(*arg))
        arg++;
    *end = '\0';
    *argument = arg < end && *arg ? arg : NULL;
    *sep = '\0';
    *interpreter = start;
    return true;
}

// One step from a script to its interpreter. *file is replaced.
static int follow_script(const struct vfs_caller *c, char head[HEAD_SIZE], const char *script,
                         struct exec_args *args, char **interp, struct file **file)
{
    char *name, *argument;
    if (!parse_script(head, &name, &argument))
        return -LINUX_ENOEXEC;
    const char *words[3];
    size_t count = 0;
    words[count++] = name;
    if (argument)
        words[count++] = argument;
    words[count++] = script;
    int err = exec_args_prepend(args, words, count);
    if (err)
        return err;
    struct file *next;
    err = exec_open(c, NULL, name, WALK_FOLLOW, &next);
    if (err)
        return err;
    exec_close(*file);
    *file = next;
    free(*interp);
    *interp = strdup(name);
    return *interp ? 0 : -LINUX_ENOMEM;
}

// --- Loading -------------------------------------------------------------------------------------

// A tracer without the right to trace everybody must not get hold of a set-id program, nor another
// process that can move its working directory or root.
static bool is_watched(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool watched = false;
    if (task->ptrace.tracer) {
        const struct cred *cred = task_cred_get(task->ptrace.tracer);
        watched = !cred_capable_in(cred, task->cred->user_ns, LINUX_CAP_SYS_PTRACE);
        cred_put(cred);
    }
    uint32_t own = 1;
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        own += t != task && t->fs == task->fs;
    lock_release(&p->lock);
    return watched || atomic_load_explicit(&task->fs->refs, memory_order_relaxed) > own;
}

// What the file gives to who runs it: nothing from a nosuid mount, no ids with no_new_privs.
static int read_rights(struct task *task, struct file *file, struct exec_rights *out)
{
    enum { CAPS_MAX = 24 };
    struct inode *inode = file->inode;
    struct vfs_stat st;
    *out = (struct exec_rights){
        .no_new_privs = atomic_load_explicit(&task->no_new_privs, memory_order_relaxed)};
    if (vfs_mount_flags(&file->path) & MOUNT_NOSUID)
        return 0;
    int err = inode->ops->getattr(inode, &st);
    if (err)
        return err;
    const uint32_t group_bits = LINUX_S_ISGID | LINUX_S_IXGRP;
    out->uid = st.uid;
    out->gid = st.gid;
    out->set_uid = st.mode & LINUX_S_ISUID && !out->no_new_privs;
    out->set_gid = (st.mode & group_bits) == group_bits && !out->no_new_privs;
    uint8_t caps[CAPS_MAX];
    ssize_t n = inode->ops->getxattr
                    ? inode->ops->getxattr(inode, "security.capability", caps, sizeof caps)
                    : -LINUX_ENODATA;
    if (n > 0 && !cred_parse_file_caps(caps, (size_t)n, out))
        return -LINUX_EINVAL;
    if (out->set_uid || out->set_gid || out->has_caps)
        out->watched = is_watched(task);
    return 0;
}

static int prepare_cred(struct task *task, const struct vfs_caller *c, struct file *file,
                        struct exec_image *image)
{
    struct exec_rights rights;
    int err = read_rights(task, file, &rights);
    if (!err)
        err = cred_for_exec(task->cred, &rights, &image->secure, &image->cred);
    // A program that its caller may run but not read must not be read in memory either.
    image->dumpable = !err && cred_keeps_dumpable(task->cred, image->cred) &&
                      !path_permission(c, &file->path, LINUX_R_OK);
    return err;
}

static int load_elf(struct task *task, const struct vfs_caller *c, struct file *file,
                    const char *name, const struct exec_args *args, struct exec_image *image)
{
    struct kernel *kernel = task->kernel;
    struct interp_search search = {.caller = *c};
    struct elf_image elf = {0};
    int err = prepare_cred(task, c, file, image);
    if (!err)
        err = mm_create(kernel, &image->mm);
    if (!err)
        rlimit_apply(task->process, image->mm);
    if (!err)
        err = elf_load(image->mm, file, open_interp, &search, &elf);
    if (search.found)
        exec_close(search.found);
    image->begun = image->mm && elf.begun;
    if (err)
        return err;
    mm_set_exe(image->mm, file);
    struct exec_strings strings = {
        .argv = args->argv,
        .envp = args->envp,
        .argc = args->argc,
        .envc = args->envc,
        .execfn = name,
        .uid = cred_show_uid(image->cred, image->cred->uid),
        .euid = cred_show_uid(image->cred, image->cred->euid),
        .gid = cred_show_gid(image->cred, image->cred->gid),
        .egid = cred_show_gid(image->cred, image->cred->egid),
        .secure = image->secure,
        .stack_limit = task_rlimit(task, LINUX_RLIMIT_STACK),
    };
    image->entry = elf.entry;
    return elf_build_stack(kernel, image->mm, &elf, &strings, &image->sp);
}

static void set_comm(struct exec_image *image, const char *name)
{
    const char *slash = strrchr(name, '/');
    snprintf(image->comm, sizeof image->comm, "%s", slash ? slash + 1 : name);
}

int exec_load(struct task *task, const struct vfs_caller *c, struct file *file, const char *name,
              bool hidden, struct exec_args *args, struct exec_image *out)
{
    *out = (struct exec_image){0};
    set_comm(out, name);
    int err = inode_deny_write(file->inode);
    if (err)
        return err;
    file_get(file);
    char *interp = NULL; // the script of the next step, once there was one
    for (int depth = 0;; depth++) {
        char head[HEAD_SIZE];
        err = read_head(file, head);
        if (err || head[0] != '#' || head[1] != '!')
            break;
        if (depth >= INTERPRETERS_MAX)
            err = -LINUX_ELOOP;
        else if (hidden)
            err = -LINUX_ENOENT;
        else
            err = follow_script(c, head, interp ? interp : name, args, &interp, &file);
        if (err)
            break;
    }
    if (!err)
        err = load_elf(task, c, file, name, args, out);
    free(interp);
    exec_close(file);
    if (err) {
        bool begun = out->begun;
        exec_image_free(out);
        out->begun = begun;
    }
    return err;
}

void exec_image_free(struct exec_image *image)
{
    if (image->mm)
        mm_put(image->mm);
    cred_put(image->cred);
    *image = (struct exec_image){0};
}

// --- The change ----------------------------------------------------------------------------------

// Handlers are code of the old program: caught signals get their default action back. Actions
// shared with another process by CLONE_SIGHAND stay as they are over there.
static int reset_actions(struct process *p)
{
    struct sighand *fresh = sighand_copy(p->sighand);
    if (!fresh)
        return -LINUX_ENOMEM;
    for (int sig = 1; sig <= LINUX_NSIG; sig++) {
        bool ignored = fresh->action[sig].handler == LINUX_SIG_IGN;
        fresh->action[sig] =
            (struct linux_sigaction){.handler = ignored ? LINUX_SIG_IGN : LINUX_SIG_DFL};
    }
    lock_acquire(&p->lock);
    struct sighand *old = p->sighand;
    p->sighand = fresh;
    lock_release(&p->lock);
    sighand_put(old);
    return 0;
}

static int change_mm(struct task *task, struct mm *mm)
{
    struct mm *old = task->mm;
    if (old)
        task_leave_mm(task);
    int err = mem_attach(mm_mem(mm), &task->cpu);
    if (err)
        return err;
    lock_acquire(&task->lock);
    task->mm = mm;
    lock_release(&task->lock);
    vfork_release(task);
    if (old)
        mm_put(old);
    return 0;
}

static void reset_cpu(struct task *task, const struct exec_image *image)
{
    struct cpu *cpu = &task->cpu;
    memset(cpu->x, 0, sizeof cpu->x);
    memset(cpu->v, 0, sizeof cpu->v);
    cpu_set_pstate(cpu, CPU_PSTATE_SSBS); // as where no mitigation is forced
    cpu->fpcr = cpu->fpsr = 0;
    cpu->tpidr_el0 = 0;
    cpu->excl_size = 0;
    cpu->pc = image->entry;
    cpu->x[CPU_SP] = image->sp;
}

static void mark_execed(struct task *task, bool secure)
{
    struct process *p = task->process;
    lock_acquire(&task->kernel->tasklist);
    p->execed = true;
    p->execs++;
    task->exit_signal = LINUX_SIGCHLD;
    if (secure)
        task->pdeath_signal = 0;
    lock_release(&task->kernel->tasklist);
}

// Who may look into the task is judged by its credentials and whether it is dumpable. While these,
// and then its memory, are changed one by one, none may let somebody in whom the program before or
// the one to come would not.
static void install_cred(struct task *task, struct exec_image *image)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    if (!image->dumpable)
        p->dumpable = 0;
    lock_release(&p->lock);
    cred_commit(task, image->cred);
    image->cred = NULL;
}

int exec_install(struct task *task, struct exec_image *image)
{
    struct process *p = task->process;
    posix_timers_end(p);
    int err = reset_actions(p);
    if (!err) {
        install_cred(task, image);
        err = change_mm(task, image->mm);
    }
    if (err) {
        exec_image_free(image);
        return err;
    }
    image->mm = NULL;
    reset_cpu(task, image);
    signal_altstack_reset(task);
    task->fault_address = task->fault_esr = 0;
    rseq_clear(task);
    task->clear_child_tid = 0;
    atomic_store_explicit(&task->robust_list, 0, memory_order_relaxed);
    task_comm_set(task, image->comm);
    mark_execed(task, image->secure);
    lock_acquire(&p->lock);
    p->dumpable = image->dumpable;
    lock_release(&p->lock);
    atomic_store_explicit(&p->membarrier, 0, memory_order_relaxed);
    fd_table_close_on_exec(task->files, task);
    keys_exec(task);
    return 0;
}

// --- System calls --------------------------------------------------------------------------------

static int run_image(struct task *task, struct exec_image *image)
{
    int32_t old_tid = task->pid;
    int err = fd_table_unshare(task);
    if (!err)
        err = task_become_alone(task);
    if (err) {
        exec_image_free(image);
        return err == -LINUX_EAGAIN ? -ERESTARTNOINTR : err;
    }
    if (exec_install(task, image)) {
        struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_KERNEL};
        signal_force(task, &kill);
        return 0;
    }
    ptrace_exec(task, old_tid);
    return 0;
}

// Where Linux finds a fault only after it has taken the old program down, it ends the process.
static void end_by_fault(struct task *task, int err, const char *name)
{
    struct process *p = task->process;
    log_printf(&task->kernel->log, LOG_WARN, "%s[%d]: cannot load %s: error %d", task->comm,
               task->pid, name, -err);
    lock_acquire(&p->lock);
    signal_begin_group_exit(p, LINUX_SIGSEGV);
    lock_release(&p->lock);
}

static int exec_file(struct task *task, const struct vfs_caller *c, struct file *file,
                     const char *name, bool hidden, uaddr_t argv, uaddr_t envp)
{
    struct exec_args args;
    struct exec_image image = {0};
    exec_args_init(&args, task);
    int err = exec_args_read(&args, task, argv, envp);
    if (!err)
        err = exec_load(task, c, file, name, hidden, &args, &image);
    if (!err) {
        log_printf(&task->kernel->log, LOG_EXEC, "[%d] exec %s", task->pid, name);
        err = run_image(task, &image);
    } else if (image.begun) {
        end_by_fault(task, err, name);
    }
    exec_args_free(&args);
    return err;
}

static int64_t exec_by_path(struct task *task, const char *path, uaddr_t argv, uaddr_t envp)
{
    struct vfs_caller c;
    struct file *file;
    task_caller(task, &c);
    int err = exec_open(&c, NULL, path, WALK_FOLLOW, &file);
    if (!err) {
        err = exec_file(task, &c, file, path, false, argv, envp);
        exec_close(file);
    }
    task_caller_done(&c);
    return err ? err : syscall_final_result(task, 0);
}

int64_t sys_execve(struct task *task, uaddr_t path, uaddr_t argv, uaddr_t envp)
{
    char *name;
    int err = user_path(task, path, &name);
    if (err)
        return err;
    int64_t result = exec_by_path(task, name, argv, envp);
    free(name);
    return result;
}

// The name of a program given by descriptor: what a script's interpreter can open.
static int descriptor_name(char *buf, size_t size, int32_t fd, const char *path)
{
    int n = *path ? snprintf(buf, size, "/dev/fd/%d/%s", (int)fd, path)
                  : snprintf(buf, size, "/dev/fd/%d", (int)fd);
    return n > 0 && (size_t)n < size ? 0 : -LINUX_ENAMETOOLONG;
}

static int64_t exec_at(struct task *task, int32_t dirfd, const char *path, uint32_t flags,
                       uaddr_t argv, uaddr_t envp)
{
    enum { NAME_SIZE = 4096 + 32 };
    struct fd_base base;
    int err = fd_base_get(task, dirfd, path, &base);
    if (err)
        return err;
    unsigned walk = (flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0u : WALK_FOLLOW) |
                    (flags & LINUX_AT_EMPTY_PATH ? WALK_EMPTY : 0u);
    struct vfs_caller c;
    struct file *file = NULL;
    char *name = malloc(NAME_SIZE);
    task_caller(task, &c);
    err = name ? descriptor_name(name, NAME_SIZE, dirfd, path) : -LINUX_ENOMEM;
    if (!err && base.path && !base.path->dentry)
        err = -LINUX_EACCES; // AT_EMPTY_PATH on what is in no tree, hence no program
    if (!err)
        err = exec_open(&c, base.path, path, walk, &file);
    if (!err) {
        bool hidden = fd_cloexec_get(task, dirfd) == 1;
        err = exec_file(task, &c, file, name, hidden, argv, envp);
        exec_close(file);
    }
    free(name);
    task_caller_done(&c);
    fd_base_done(&base);
    return err ? err : syscall_final_result(task, 0);
}

int64_t sys_execveat(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t argv, uaddr_t envp,
                     uint32_t flags)
{
    if (flags & ~(uint32_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW))
        return -LINUX_EINVAL;
    char *name;
    int err = user_path(task, path, &name);
    if (err)
        return err;
    int64_t result;
    if (!*name && !(flags & LINUX_AT_EMPTY_PATH))
        result = -LINUX_ENOENT;
    else if (*name == '/' ||
             (dirfd == LINUX_AT_FDCWD && *name && !(flags & LINUX_AT_SYMLINK_NOFOLLOW)))
        result = exec_by_path(task, name, argv, envp);
    else
        result = exec_at(task, dirfd, name, flags, argv, envp);
    free(name);
    return result;
}
