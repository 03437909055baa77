// Running programs: execve(2), and the first program of a process started from outside. Layer 4.
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

#include "fs/vfs.h"
#include "kernel/mm.h"
#include "platform/base/compiler.h"
#include <stddef.h>
#include <stdint.h>

struct cred;
struct task;

// Argument and environment strings, copied out of wherever they came from.
struct exec_args {
    char **argv, **envp; // each ends with NULL
    size_t argc, envc;
    size_t bytes, limit; // strings and pointers so far; -LINUX_E2BIG beyond
};
void exec_args_init(struct exec_args *args, struct task *task);
void exec_args_free(struct exec_args *args);
// Appends a copy. `environment`: to envp. -LINUX_E2BIG, -LINUX_ENOMEM.
NODISCARD int exec_args_add(struct exec_args *args, bool environment, const char *text);
// Copies the guest's argv and envp.
NODISCARD int exec_args_read(struct exec_args *args, struct task *task, uaddr_t argv, uaddr_t envp);
// Replaces argv[0] by `words` (scripts: interpreter, its argument, the script).
NODISCARD int exec_args_prepend(struct exec_args *args, const char *const *words, size_t count);

// A program ready to run: nothing of the task has changed yet.
struct exec_image {
    struct mm *mm;
    struct cred *cred;
    uint64_t entry, sp;
    char comm[16];
    bool secure;
    bool dumpable;
    bool begun; // of a failed exec_load: the error is fatal to the task that execs
};
// Loads `file` (borrowed), following `#!` lines. `name`: how it was called, for AT_EXECFN and comm.
// `hidden`: the file has no name an interpreter could open (descriptor with close-on-exec).
NODISCARD int exec_load(struct task *task, const struct vfs_caller *c, struct file *file,
                        const char *name, bool hidden, struct exec_args *args,
                        struct exec_image *out);
void exec_image_free(struct exec_image *image);
// Opens a program for execution: a regular file the caller may execute and nobody has open for
// writing (-LINUX_ETXTBSY). Nobody can write it until exec_close().
void exec_close(struct file *file);
NODISCARD int exec_open(const struct vfs_caller *c, const struct path *base, const char *name,
                        unsigned walk, struct file **out);
// Makes the task run the image, whose contents are consumed. The task is alone in its process and
// either the caller or not running yet. An error is fatal to the task.
NODISCARD int exec_install(struct task *task, struct exec_image *image);

#endif
