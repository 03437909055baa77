// Every socket that a descriptor of a guest's process names.
#include "kernel/net/socket_list.h"
#include "kernel/fd.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/socket.h"
#include "kernel/task.h"
#include <stdlib.h>

static bool is_listed(const struct socket_list *list, const struct file *file)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->files[i] == file)
            return true;
    }
    return false;
}

// Takes over the reference.
static void list_add_socket(struct socket_list *list, struct file *file)
{
    struct file **files = list->files;
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 32;
        files = realloc(files, room * sizeof(struct file *));
        if (files) {
            list->files = files;
            list->room = room;
        }
    }
    if (!files || is_listed(list, file))
        file_put(file);
    else
        list->files[list->count++] = file;
}

static void list_sockets_of(struct socket_list *list, struct task *task)
{
    struct fd_table *files = task_files_get(task);
    if (!files)
        return;
    for (int fd = -1; (fd = fd_table_next(files, fd)) >= 0;) {
        bool cloexec;
        struct file *file = fd_table_lookup(files, fd, &cloexec);
        if (file && socket_of(file))
            list_add_socket(list, file);
        else
            file_put(file);
    }
    fd_table_put(files, NULL);
}

void socket_list_fill(struct kernel *kernel, struct socket_list *list)
{
    *list = (struct socket_list){NULL, 0, 0};
    struct task *task = task_next_process(kernel, 0);
    while (task) {
        int32_t pid = task->tgid;
        list_sockets_of(list, task);
        task_put(task);
        task = task_next_process(kernel, pid);
    }
}

void socket_list_free(struct socket_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        file_put(list->files[i]);
    free(list->files);
}
