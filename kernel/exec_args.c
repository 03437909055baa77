#include "kernel/exec.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"
#include <stdlib.h>
#include <string.h>

enum {
    STRING_MAX = 32 * 4096, // one string, with its NUL (MAX_ARG_STRLEN)
    TOTAL_MIN = 32 * 4096,  // whatever the stack limit is (ARG_MAX)
    TOTAL_MAX = 8 * 1024 * 1024 / 4 * 3,
    FIRST_TRY = 256, // most strings are shorter
    POINTER_BATCH = 32,
};

void exec_args_init(struct exec_args *args, struct task *task)
{
    *args = (struct exec_args){0};
    uint64_t limit = task_rlimit(task, LINUX_RLIMIT_STACK) / 4;
    args->limit = limit > TOTAL_MAX ? TOTAL_MAX : limit < TOTAL_MIN ? TOTAL_MIN : (size_t)limit;
}

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}

void exec_args_free(struct exec_args *args)
{
    free_strings(args->argv, args->argc);
    free_strings(args->envp, args->envc);
    *args = (struct exec_args){0};
}

// Counts grow in powers of two: room for the next string and the NULL behind it.
static int make_room(char ***strings, size_t count)
{
    if (count && (count + 1) & count)
        return 0;
    char **grown = realloc(*strings, (count * 2 + 2) * sizeof **strings);
    if (!grown)
        return -LINUX_ENOMEM;
    *strings = grown;
    return 0;
}

static int charge(struct exec_args *args, size_t length)
{
    args->bytes += length + 1 + sizeof(uint64_t);
    return args->bytes > args->limit ? -LINUX_E2BIG : 0;
}

// Takes over `text`, also on failure.
static int append(struct exec_args *args, bool environment, char *text, size_t length)
{
    char ***strings = environment ? &args->envp : &args->argv;
    size_t *count = environment ? &args->envc : &args->argc;
    int err = charge(args, length);
    if (!err)
        err = make_room(strings, *count);
    if (err) {
        free(text);
        return err;
    }
    (*strings)[(*count)++] = text;
    (*strings)[*count] = NULL;
    return 0;
}

int exec_args_add(struct exec_args *args, bool environment, const char *text)
{
    char *copy = strdup(text);
    return copy ? append(args, environment, copy, strlen(copy)) : -LINUX_ENOMEM;
}

static int read_string(struct task *task, uaddr_t addr, char **out, size_t *length)
{
    for (size_t size = FIRST_TRY;; size = size * 16 < STRING_MAX ? size * 16 : STRING_MAX) {
        char *text = malloc(size);
        if (!text)
            return -LINUX_ENOMEM;
        ssize_t n = user_string(task, addr, text, size);
        if (n >= 0) {
            *out = text;
            *length = (size_t)n;
            return 0;
        }
        free(text);
        if (n != -LINUX_ENAMETOOLONG)
            return (int)n;
        if (size == STRING_MAX)
            return -LINUX_E2BIG;
    }
}

static int read_vector(struct exec_args *args, struct task *task, bool environment, uaddr_t vector)
{
    if (!vector)
        return 0;
    for (;; vector += POINTER_BATCH * sizeof(uint64_t)) {
        uint64_t pointers[POINTER_BATCH];
        size_t got = user_read_partial(task, vector, pointers, sizeof pointers) / sizeof *pointers;
        for (size_t i = 0; i < got; i++) {
            char *text = NULL;
            size_t length = 0;
            if (!pointers[i])
                return 0;
            int err = read_string(task, pointers[i], &text, &length);
            if (!err)
                err = append(args, environment, text, length);
            if (err)
                return err;
        }
        if (got < POINTER_BATCH)
            return -LINUX_EFAULT;
    }
}

int exec_args_read(struct exec_args *args, struct task *task, uaddr_t argv, uaddr_t envp)
{
    int err = read_vector(args, task, false, argv);
    if (!err)
        err = read_vector(args, task, true, envp);
    // A program never sees argc 0, as since Linux 5.18.
    if (!err && args->argc == 0)
        err = exec_args_add(args, false, "");
    return err;
}

int exec_args_prepend(struct exec_args *args, const char *const *words, size_t count)
{
    struct exec_args out = {.limit = args->limit, .bytes = args->bytes};
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        err = exec_args_add(&out, false, words[i]);
    for (size_t i = 1; !err && i < args->argc; i++)
        err = exec_args_add(&out, false, args->argv[i]);
    if (err) {
        exec_args_free(&out);
        return err;
    }
    free_strings(args->argv, args->argc);
    args->argv = out.argv;
    args->argc = out.argc;
    return 0;
}
