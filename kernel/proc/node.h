// The tree of procfs and sysfs as data: what an inode stands for, and tables of entries. Layer 4.
//
// A node names its object by number (a task by thread id and start time) and holds no reference:
// every operation looks the object up again, so nothing lives longer because somebody once looked
// at it here.
#ifndef KERNEL_PROC_NODE_H
#define KERNEL_PROC_NODE_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;
struct pid_ns;
struct task;
struct proc_entry;

struct proc_node {
    const struct proc_entry *entry;
    struct kernel *kernel;
    struct pid_ns *pid_ns; // whose numbers the tree shows; the file system holds it
    int32_t tid;           // of a task's node, else 0
    uint64_t start_ns;     // of that task: tells a later one with the same number
    int32_t number;        // descriptor, CPU
    bool setting;          // below /proc/sys: even root has no more than the owner's rights
};

// The text of a file under construction.
struct proc_text {
    char *buf;
    size_t len, room;
    bool failed; // out of memory: what was added since is lost
};
void proc_printf(struct proc_text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void proc_append(struct proc_text *t, const void *bytes, size_t n);

// What a file that was opened at a task's node keeps of the task as it was then, though the task
// may end or become another program.
enum proc_keeps { PROC_KEEPS_NOTHING, PROC_KEEPS_MEMORY, PROC_KEEPS_MOUNTS, PROC_KEEPS_CRED };
struct proc_kept {
    struct mm *mm;         // held, and perhaps gone; NULL: there was none
    struct namespaces *ns; // with `root`, of PROC_KEEPS_MOUNTS
    struct path root;
    const struct cred *cred; // of PROC_KEEPS_CRED
};
const struct proc_kept *proc_kept_of(const struct file *file);

enum { PROC_NAME_MAX = 32 };

struct proc_entry {
    const char *name;
    uint32_t mode;     // type and permissions
    bool settings;     // everything below is a setting
    bool splices;      // of a task's files: splice(2) may read it, as it may all others
    bool needs_access; // only for those who may inspect the task (ptrace's rule)
    bool own_access;   // of a directory: the process itself may, whoever owns it
    bool admin_writes; // to write needs CAP_SYS_ADMIN where the task lives
    // As needs_access, but judged at each read: the error then, 0 for none.
    int unread_error;
    bool of_network; // of a directory: empty as soon as the task has no namespaces any more
    bool live;       // each read makes the text anew, not only one from the start
    bool walked;     // at the end of the text the task is looked for once more
    // Of a directory or a link: the error once the task is gone. 0: ENOENT.
    int gone_error;
    enum proc_keeps keeps;

    // Text files: one of the two. `task` is the one the node stands for; `reader` may be NULL.
    int (*show)(struct proc_text *t, const struct proc_node *node, struct task *reader);
    int (*show_task)(struct proc_text *t, struct task *task, struct task *reader);
    // With `keeps`: from what is kept. `task` is NULL when it is gone.
    int (*show_kept)(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                     struct task *reader);
    // A write: `text` is NUL-terminated. Returns 0 or an error. `writer` may be NULL.
    int (*store)(const struct proc_node *node, struct task *writer, char *text, size_t n);
    int (*store_kept)(const struct proc_kept *kept, struct task *writer, char *text);
    // Files that are no text.
    const struct file_ops *file_ops;

    // Directories: entries with names known in advance, ended by one without a name, and those that
    // are made up as they are asked for. `lookup` fills number/tid/start_ns/entry of *child.
    const struct proc_entry *children;
    int (*lookup)(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                  struct proc_node *child);
    // The first made-up child with a key above *key (start with -1): sets *key, its name and node.
    // False at the end.
    bool (*next)(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                 struct proc_node *child);

    // Symlinks. `follow`, when there is one, leads to the object itself.
    ssize_t (*readlink)(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                        size_t size);
    int (*follow)(const struct proc_node *node, const struct vfs_caller *c, struct path *out);
    // Permissions that depend on the object (descriptor links). NULL: `mode`.
    uint32_t (*live_mode)(const struct proc_node *node);
};

#define PROC_FILE(n, perm, fn)      {.name = (n), .mode = LINUX_S_IFREG | (perm), .show = (fn)}
#define PROC_TASK_FILE(n, perm, fn) {.name = (n), .mode = LINUX_S_IFREG | (perm), .show_task = (fn)}
#define PROC_DIR(n, perm, list)     {.name = (n), .mode = LINUX_S_IFDIR | (perm), .children = (list)}

// The task of a node, referenced; NULL when it is gone.
struct task *proc_task_get(const struct proc_node *node);
// May `who` inspect `task` (memory, descriptors)? Ptrace's rule: the process itself; the same user,
// unless the process changed its identity; CAP_SYS_PTRACE. `by` is who's task, or NULL.
bool proc_may_access(const struct cred *who, const struct task *by, struct task *task);

// The node of a file.
const struct proc_node *proc_node_of(const struct inode *inode);

// A file system whose root is `root`. `magic` is what statfs says.
NODISCARD int proc_super_create(struct kernel *kernel, const struct proc_entry *root,
                                uint32_t magic, struct pid_ns *pid_ns, struct super **out);

// --- Tables of other files -----------------------------------------------------------------------

extern const struct proc_entry proc_process_dir; // /proc/PID, kernel/proc/pid.c
extern const struct proc_entry proc_thread_dir;  // /proc/PID/task/TID
// /proc/sysvipc: kernel/ipc/msg.c, semctl.c and shm.c
int proc_show_queues(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_semaphores(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_segments(struct proc_text *t, const struct proc_node *node, struct task *reader);
extern const struct proc_entry proc_net_children[]; // /proc/PID/net, kernel/proc/net.c
extern const struct proc_entry proc_sys_children[]; // /proc/sys, kernel/proc/sysctl.c
// /proc/PID/fd and fdinfo: kernel/proc/pid_fd.c
int proc_fd_lookup(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                   struct proc_node *child);
bool proc_fd_next(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                  struct proc_node *child);
int proc_fdinfo_lookup(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                       struct proc_node *child);
bool proc_fdinfo_next(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                      struct proc_node *child);
// /proc/PID/{maps,smaps,smaps_rollup,statm,mem}: kernel/proc/pid_mem.c
int proc_show_maps(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                   struct task *reader);
int proc_show_smaps(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                    struct task *reader);
int proc_show_smaps_rollup(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                           struct task *reader);
int proc_show_statm(struct proc_text *t, struct task *task, struct task *reader);
int proc_show_cmdline(struct proc_text *t, struct task *task, struct task *reader);
int proc_show_environ(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader);
int proc_show_auxv(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                   struct task *reader);
extern const struct file_ops proc_mem_file_ops, proc_pagemap_file_ops;
void proc_file_release(struct file *file); // of both
// For files without an end to seek from.
int64_t proc_seek(struct file *file, int64_t offset, unsigned whence);
// kernel/proc/pid_status.c
int proc_show_stat(struct proc_text *t, struct task *task, struct task *reader);
int proc_show_status(struct proc_text *t, struct task *task, struct task *reader);
int proc_show_limits(struct proc_text *t, struct task *task, struct task *reader);
int proc_show_io(struct proc_text *t, struct task *task, struct task *reader);
// kernel/proc/pid_ns.c
extern const struct proc_entry proc_ns_children[];
int proc_show_uid_map(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader);
int proc_show_gid_map(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader);
int proc_show_setgroups(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                        struct task *reader);
int proc_store_uid_map(const struct proc_kept *kept, struct task *writer, char *text);
int proc_store_gid_map(const struct proc_kept *kept, struct task *writer, char *text);
int proc_store_setgroups(const struct proc_kept *kept, struct task *writer, char *text);
// kernel/proc/mounts.c
int proc_show_mounts(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                     struct task *reader);
int proc_show_mountinfo(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                        struct task *reader);
// kernel/proc/system.c
int proc_show_cpuinfo(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_meminfo(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_system_stat(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_uptime(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_loadavg(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_version(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_filesystems(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_devices(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_vmstat(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_swaps(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_cgroups(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_partitions(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_nothing(struct proc_text *t, const struct proc_node *node, struct task *reader);
int proc_show_newline(struct proc_text *t, const struct proc_node *node, struct task *reader);

// What only tasklist gives, copied at once.
struct proc_task_info {
    int32_t pid, tgid, ppid, pgid, sid; // as the reader knows them
    int32_t tracer;                     // the same; 0: none
    unsigned threads;
    int32_t exit_signal, exit_status;
    uint64_t children_user_ns, children_system_ns, children_min_faults, children_maj_faults;
};
void proc_task_info(struct task *task, struct task *reader, struct proc_task_info *out);
char proc_state_letter(struct task *task);

#endif
