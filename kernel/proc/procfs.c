// The file system over the tables: inodes, directories, links, and text made on demand.
#include "kernel/file.h"
#include "kernel/mm.h"
#include "kernel/ns.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/proc/proc.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include "kernel/trace_access.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct proc_inode {
    struct proc_node node;
    int64_t time; // of its making
};

const struct proc_node *proc_node_of(const struct inode *inode)
{
    return &((const struct proc_inode *)inode->private)->node;
}

// --- Objects -------------------------------------------------------------------------------------

struct task *proc_task_get(const struct proc_node *node)
{
    struct task *task = node->tid ? task_find(node->kernel, node->tid) : NULL;
    if (task && task->start_ns != node->start_ns) {
        task_put(task);
        return NULL;
    }
    return task;
}

bool proc_may_access(const struct cred *who, const struct task *by, struct task *task)
{
    return (by && by->process == task->process) || cred_may_trace_fs(who, task);
}

static int check_access(const struct proc_node *node, const struct cred *who, const struct task *by)
{
    if (!node->tid)
        return 0;
    struct task *task = proc_task_get(node);
    if (!task)
        return node->entry->gone_error ? -node->entry->gone_error : -LINUX_ENOENT;
    bool may = !node->entry->needs_access || proc_may_access(who, by, task);
    task_put(task);
    return may ? 0 : -LINUX_EACCES;
}

// --- Inodes --------------------------------------------------------------------------------------

static const struct inode_ops proc_dir_ops, proc_link_ops, proc_magic_ops, proc_file_inode_ops;
static const struct inode_ops setting_dir_ops, setting_file_ops, guarded_dir_ops;
static const struct file_ops proc_dir_file_ops, proc_text_file_ops, proc_spliced_file_ops;

// One number for one object as long as the table and the object last.
static uint64_t node_ino(const struct proc_node *node)
{
    uint64_t h = (uint64_t)(uintptr_t)node->entry * 0x9e3779b97f4a7c15ull;
    h ^= (uint64_t)(uint32_t)node->tid * 0xc2b2ae3d27d4eb4full;
    h ^= ((uint64_t)(uint32_t)node->number + 1) * 0x165667b19e3779f9ull;
    return (h >> 24 & 0x7fffffff) | 0x80000000u;
}

static struct inode *make_inode(struct super *super, const struct proc_node *node, uint64_t ino)
{
    const struct proc_entry *e = node->entry;
    uint32_t type = e->mode & LINUX_S_IFMT;
    const struct inode_ops *ops = node->setting ? &setting_file_ops : &proc_file_inode_ops;
    if (type == LINUX_S_IFDIR)
        ops = node->setting                                       ? &setting_dir_ops
              : e->needs_access || e->own_access || e->gone_error ? &guarded_dir_ops
                                                                  : &proc_dir_ops;
    else if (type == LINUX_S_IFLNK)
        ops = e->follow ? &proc_magic_ops : &proc_link_ops;
    struct proc_inode *private = malloc(sizeof *private);
    struct inode *inode = private ? inode_create(super, ops, type, ino) : NULL;
    if (!inode) {
        free(private);
        return NULL;
    }
    private->node = *node;
    private->time = (int64_t)clock_realtime_ns();
    inode->private = private;
    if (type == LINUX_S_IFDIR)
        inode->file_ops = &proc_dir_file_ops;
    else if (type == LINUX_S_IFREG)
        inode->file_ops = e->file_ops                ? e->file_ops
                          : !node->tid || e->splices ? &proc_spliced_file_ops
                                                     : &proc_text_file_ops;
    return inode;
}

static void proc_evict(struct inode *inode)
{
    free(inode->private);
}

static int proc_getattr(struct inode *inode, struct vfs_stat *out)
{
    const struct proc_inode *private = inode->private;
    const struct proc_node *node = &private->node;
    *out = (struct vfs_stat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .mode = node->entry->live_mode ? node->entry->live_mode(node) : node->entry->mode,
        .nlink = inode->type == LINUX_S_IFDIR ? 2 : 1,
        .blksize = 1024,
        .atime = private->time,
        .mtime = private->time,
        .ctime = private->time,
        .btime = INT64_MIN,
    };
    if (node->entry->live_mode) // a descriptor's
        out->size = 64;
    struct task *task = node->tid ? proc_task_get(node) : NULL;
    if (!task)
        return 0;
    // What belongs to a process that changed its identity, or has no memory any more, is root's,
    // but for the directory itself.
    bool gone = atomic_load_explicit(&task->state, memory_order_relaxed) == TASK_ZOMBIE;
    bool own = node->entry->mode == (LINUX_S_IFDIR | 0555) || (!gone && task_is_dumpable(task));
    const struct cred *cred = own ? task_cred_get(task) : NULL;
    if (cred) {
        out->uid = cred->euid;
        out->gid = cred->egid;
        cred_put(cred);
    }
    task_put(task);
    return 0;
}

static int proc_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    (void)inode;
    // Opening with O_TRUNC, as shells do before they write to a setting.
    return attr->mask == ATTR_SIZE ? 0 : -LINUX_EPERM;
}

// Of settings: no capability overrides the mode.
static int setting_permission(struct inode *inode, const struct vfs_caller *c, unsigned mask)
{
    struct vfs_stat st;
    int err = proc_getattr(inode, &st);
    if (err)
        return err;
    unsigned shift = c->cred->fsuid == 0 ? 6 : cred_in_group(c->cred, 0) ? 3 : 0;
    return mask & ~(st.mode >> shift & 7) ? -LINUX_EACCES : 0;
}

// Of directories that show what a process has open.
static int guarded_permission(struct inode *inode, const struct vfs_caller *c, unsigned mask)
{
    const struct proc_node *node = proc_node_of(inode);
    int err = node->entry->own_access ? 0 : check_access(node, c->cred, c->task);
    if (!err)
        err = inode_permission_usual(c, inode, mask);
    if (err != -LINUX_EACCES || !node->entry->own_access || !c->task)
        return err;
    struct task *task = proc_task_get(node);
    if (task && task->process == c->task->process)
        err = 0;
    task_put(task);
    return err;
}

// --- Directories ---------------------------------------------------------------------------------

// Is there a network to show? Of a directory that is none's in particular there always is.
static bool has_network(const struct proc_node *dir)
{
    if (!dir->entry->of_network)
        return true;
    struct task *task = proc_task_get(dir);
    struct namespaces *ns = task ? task_ns_get(task) : NULL;
    bool has = ns;
    namespaces_put(ns);
    task_put(task);
    return has;
}

static int proc_lookup(struct inode *dir, const char *name, const struct vfs_caller *c,
                       struct inode **out)
{
    const struct proc_node *parent = proc_node_of(dir);
    const struct proc_entry *e = parent->entry;
    struct proc_node child = *parent;
    int err = check_access(parent, c->cred, c->task);
    if (err)
        return err;
    err = -LINUX_ENOENT;
    if (!has_network(parent))
        return err;
    for (const struct proc_entry *s = e->children; s && s->name; s++) {
        if (strcmp(s->name, name) == 0) {
            child.entry = s;
            child.setting |= s->settings;
            err = 0;
            break;
        }
    }
    if (err && e->lookup)
        err = e->lookup(parent, name, c, &child);
    if (err)
        return err;
    *out = make_inode(dir->super, &child, node_ino(&child));
    return *out ? 0 : -LINUX_ENOMEM;
}

static uint8_t dirent_type(uint32_t mode)
{
    return (uint8_t)((mode & LINUX_S_IFMT) >> 12); // d_type is the type of st_mode, as in Linux
}

// Positions: 0 and 1 are the dots, then the table, then DYNAMIC + key + 1 for those made up.
enum { DYNAMIC = 1 << 16 };

static bool emit_dots(struct file *file, uint64_t *pos, struct dir_sink *sink)
{
    while (*pos < 2) {
        // One dot, then two. The parent's number is not worth a lookup.
        if (!sink->emit(sink, "..", (size_t)*pos + 1, file->inode->ino, LINUX_DT_DIR, *pos + 1))
            return false;
        ++*pos;
    }
    return true;
}

static bool emit_table(const struct proc_node *dir, uint64_t *pos, struct dir_sink *sink)
{
    const struct proc_entry *table = dir->entry->children;
    size_t count = 0;
    while (table && table[count].name)
        count++;
    while (*pos < 2 + count) {
        struct proc_node child = *dir;
        child.entry = &table[*pos - 2];
        const char *name = child.entry->name;
        if (!sink->emit(sink, name, strlen(name), node_ino(&child), dirent_type(child.entry->mode),
                        *pos + 1))
            return false;
        ++*pos;
    }
    return true;
}

static void emit_dynamic(const struct proc_node *dir, uint64_t *pos, struct dir_sink *sink)
{
    int64_t key = *pos < DYNAMIC ? -1 : (int64_t)(*pos - DYNAMIC) - 1;
    char name[PROC_NAME_MAX];
    struct proc_node child = *dir;
    while (dir->entry->next(dir, &key, name, &child)) {
        uint64_t after = DYNAMIC + (uint64_t)key + 1;
        if (!sink->emit(sink, name, strlen(name), node_ino(&child), dirent_type(child.entry->mode),
                        after))
            return;
        *pos = after;
        child = *dir;
    }
}

static int proc_readdir(struct file *file, uint64_t *pos, struct dir_sink *sink)
{
    const struct proc_node *dir = proc_node_of(file->inode);
    if (!has_network(dir))
        return -LINUX_EINVAL;
    // The right to look was established by open.
    struct task *task = dir->tid ? proc_task_get(dir) : NULL;
    if (dir->tid && !task)
        return -LINUX_ENOENT;
    if (task)
        task_put(task);
    if (!emit_dots(file, pos, sink))
        return 0;
    if (*pos < DYNAMIC && !emit_table(dir, pos, sink))
        return 0;
    if (dir->entry->next)
        emit_dynamic(dir, pos, sink);
    return 0;
}

// It has no size, so its end is where it begins.
static int64_t proc_seek_dir(struct file *file, int64_t offset, unsigned whence)
{
    if (whence == LINUX_SEEK_DATA || whence == LINUX_SEEK_HOLE)
        return -LINUX_ENXIO;
    if (whence == LINUX_SEEK_CUR)
        offset += (int64_t)file->pos;
    else if (whence != LINUX_SEEK_SET && whence != LINUX_SEEK_END)
        return -LINUX_EINVAL;
    if (offset < 0)
        return -LINUX_EINVAL;
    file->pos = (uint64_t)offset;
    return offset;
}

static const struct file_ops proc_dir_file_ops = {
    .readdir = proc_readdir,
    .seek = proc_seek_dir,
};

int proc_dir_task(const struct file *file, struct task **out)
{
    if (file->ops != &proc_dir_file_ops)
        return -LINUX_EBADF;
    const struct proc_node *node = proc_node_of(file->inode);
    if (node->entry != &proc_process_dir)
        return -LINUX_EBADF;
    *out = proc_task_get(node);
    return *out ? 0 : -LINUX_ESRCH;
}

static const struct inode_ops proc_dir_ops = {
    .lookup = proc_lookup,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .evict = proc_evict,
};

static const struct inode_ops guarded_dir_ops = {
    .lookup = proc_lookup,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .permission = guarded_permission,
    .evict = proc_evict,
};

static const struct inode_ops setting_dir_ops = {
    .lookup = proc_lookup,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .permission = setting_permission,
    .evict = proc_evict,
};

// --- Links ---------------------------------------------------------------------------------------

static ssize_t proc_readlink(struct inode *inode, const struct vfs_caller *c, char *buf,
                             size_t size)
{
    const struct proc_node *node = proc_node_of(inode);
    int err = check_access(node, c->cred, c->task);
    return err ? err : node->entry->readlink(node, c, buf, size);
}

static int proc_follow(struct inode *inode, const struct vfs_caller *c, struct path *out)
{
    const struct proc_node *node = proc_node_of(inode);
    int err = check_access(node, c->cred, c->task);
    return err ? err : node->entry->follow(node, c, out);
}

static const struct inode_ops proc_link_ops = {
    .readlink = proc_readlink,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .evict = proc_evict,
};

static const struct inode_ops proc_magic_ops = {
    .readlink = proc_readlink,
    .follow = proc_follow,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .evict = proc_evict,
};

// --- Text files ----------------------------------------------------------------------------------

// The text as it was when reading began; reading from the start again makes a new one.
struct proc_file {
    struct gate gate; // one reader makes or copies the text at a time
    struct proc_text text;
    bool made;
    struct proc_kept kept;
};

const struct proc_kept *proc_kept_of(const struct file *file)
{
    return &((const struct proc_file *)file->private)->kept;
}

static int show_kept(struct file *file, struct proc_file *pf, struct task *reader)
{
    const struct proc_node *node = proc_node_of(file->inode);
    struct task *task = proc_task_get(node);
    int err = node->entry->show_kept(&pf->text, &pf->kept, task, reader);
    task_put(task);
    return err;
}

static int make_text(struct file *file, struct proc_file *pf, struct task *reader)
{
    const struct proc_node *node = proc_node_of(file->inode);
    pf->text.len = 0;
    pf->text.failed = false;
    int err;
    if (node->entry->show_kept) {
        err = show_kept(file, pf, reader);
    } else if (node->entry->show_task) {
        struct task *task = proc_task_get(node);
        if (!task)
            return -LINUX_ESRCH;
        const struct cred *who = reader ? reader->cred : file->cred;
        err = node->entry->unread_error && !proc_may_access(who, reader, task)
                  ? -node->entry->unread_error
                  : node->entry->show_task(&pf->text, task, reader);
        task_put(task);
    } else {
        err = node->entry->show ? node->entry->show(&pf->text, node, reader) : -LINUX_EINVAL;
    }
    if (!err && pf->text.failed)
        err = -LINUX_ENOMEM;
    pf->made = !err;
    return err;
}

static ssize_t proc_text_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct proc_file *pf = file->private;
    const struct proc_node *node = proc_node_of(file->inode);
    gate_enter(&pf->gate);
    ssize_t n = 0;
    if (*pos == 0 || !pf->made || node->entry->live)
        n = make_text(file, pf, it->task);
    else if (node->entry->walked && *pos >= pf->text.len)
        n = check_access(node, file->cred, it->task) == -LINUX_ENOENT ? -LINUX_ESRCH : 0;
    if (!n && *pos < pf->text.len && it->left > 0) {
        size_t want = pf->text.len - *pos;
        want = want < it->left ? want : it->left;
        n = (ssize_t)it->ops->copy_out(it, pf->text.buf + *pos, want);
        if (n > 0)
            *pos += (uint64_t)n;
        else
            n = -LINUX_EFAULT;
    }
    gate_leave(&pf->gate);
    return n;
}

static ssize_t proc_text_write(struct file *file, struct iter *it, uint64_t *pos)
{
    enum { WRITE_MAX = 4095 };
    const struct proc_node *node = proc_node_of(file->inode);
    const struct proc_entry *e = node->entry;
    if (!e->store && !e->store_kept)
        return node->tid ? -LINUX_EINVAL : -LINUX_EIO;
    size_t n = it->left < WRITE_MAX ? it->left : (size_t)WRITE_MAX;
    char text[WRITE_MAX + 1];
    int err = iter_get(it, text, n);
    if (err)
        return err;
    text[n] = '\0';
    err = e->store ? e->store(node, it->task, text, n)
                   : e->store_kept(proc_kept_of(file), it->task, text);
    if (err)
        return err;
    *pos += n;
    return (ssize_t)n;
}

int64_t proc_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence == LINUX_SEEK_CUR)
        offset += (int64_t)file->pos;
    else if (whence != LINUX_SEEK_SET)
        return -LINUX_EINVAL;
    if (offset < 0)
        return -LINUX_EINVAL;
    file->pos = (uint64_t)offset;
    return offset;
}

static void drop_kept(struct proc_kept *kept)
{
    mm_drop(kept->mm);
    if (kept->ns)
        path_put(&kept->root);
    namespaces_put(kept->ns);
    cred_put(kept->cred);
}

void proc_file_release(struct file *file)
{
    struct proc_file *pf = file->private;
    drop_kept(&pf->kept);
    gate_destroy(&pf->gate);
    free(pf->text.buf);
    free(pf);
}

static const struct file_ops proc_text_file_ops = {
    .read = proc_text_read,
    .write = proc_text_write,
    .seek = proc_seek,
    .release = proc_file_release,
};

static const struct file_ops proc_spliced_file_ops = {
    .traits = FILE_SPLICE,
    .read = proc_text_read,
    .write = proc_text_write,
    .seek = proc_seek,
    .release = proc_file_release,
};

static int check_admin(const struct proc_node *node, const struct cred *who)
{
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ESRCH;
    const struct cred *cred = task_cred_get(task);
    bool may = cred && cred_capable_in(who, cred->user_ns, LINUX_CAP_SYS_ADMIN);
    cred_put(cred);
    task_put(task);
    return may ? 0 : -LINUX_EACCES;
}

static struct mm *hold_memory(struct task *task)
{
    struct mm *mm = task_mm_get(task);
    if (!mm)
        return NULL;
    mm_hold(mm);
    mm_put(mm);
    return mm;
}

// The memory of the moment in which it may be looked at: exec changes what that is judged by before
// it changes the memory, so a right that was there while the memory stayed the same is one to it.
static int keep_memory(const struct proc_node *node, struct task *task, const struct vfs_caller *c,
                       struct proc_kept *kept)
{
    kept->mm = hold_memory(task);
    for (;;) {
        int err = check_access(node, c->cred, c->task);
        struct mm *now = err ? NULL : hold_memory(task);
        bool same = now == kept->mm;
        mm_drop(kept->mm);
        kept->mm = now;
        if (err || same)
            return err;
    }
}

static int keep_mounts(struct task *task, struct proc_kept *kept)
{
    struct namespaces *ns = task_ns_get(task);
    if (!ns)
        return -LINUX_EINVAL;
    struct fs_context *fs = task_fs_get(task);
    if (!fs) {
        namespaces_put(ns);
        return -LINUX_ENOENT;
    }
    lock_acquire(&fs->lock);
    kept->root = fs->root;
    path_get(&kept->root);
    lock_release(&fs->lock);
    fs_context_put(fs);
    kept->ns = ns;
    return 0;
}

static int keep(const struct proc_node *node, const struct vfs_caller *c, struct proc_kept *kept)
{
    if (node->entry->keeps == PROC_KEEPS_NOTHING)
        return 0;
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ESRCH;
    int err = 0;
    if (node->entry->keeps == PROC_KEEPS_MEMORY)
        err = keep_memory(node, task, c, kept);
    else if (node->entry->keeps == PROC_KEEPS_MOUNTS)
        err = keep_mounts(task, kept);
    else
        kept->cred = task_cred_get(task);
    task_put(task);
    return err;
}

static int proc_open(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    const struct proc_node *node = proc_node_of(inode);
    int err = check_access(node, c->cred, c->task);
    if (!err && node->entry->admin_writes && file_is_writable(file))
        err = check_admin(node, c->cred);
    // A file with operations of its own needs only what it keeps.
    if (err || (node->entry->file_ops && node->entry->keeps == PROC_KEEPS_NOTHING))
        return err;
    struct proc_file *pf = calloc(1, sizeof *pf);
    if (!pf)
        return -LINUX_ENOMEM;
    err = keep(node, c, &pf->kept);
    if (err) {
        free(pf);
        return err;
    }
    gate_init(&pf->gate);
    file->private = pf;
    return 0;
}

static const struct inode_ops proc_file_inode_ops = {
    .open = proc_open,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .evict = proc_evict,
};

static const struct inode_ops setting_file_ops = {
    .open = proc_open,
    .getattr = proc_getattr,
    .setattr = proc_setattr,
    .permission = setting_permission,
    .evict = proc_evict,
};

// --- The file system -----------------------------------------------------------------------------

struct proc_super {
    uint32_t magic;
    struct pid_ns *pid_ns; // referenced
};

static int proc_statfs(struct super *s, struct vfs_statfs *out)
{
    const struct proc_super *private = s->private;
    *out = (struct vfs_statfs){.type = private->magic, .bsize = 4096, .namelen = 255};
    return 0;
}

static void proc_destroy(struct super *s)
{
    struct proc_super *private = s->private;
    inode_put(s->root);
    pid_ns_put(private->pid_ns);
    free(private);
}

static const struct super_ops proc_super_ops = {.destroy = proc_destroy, .statfs = proc_statfs};

int proc_super_create(struct kernel *kernel, const struct proc_entry *root, uint32_t magic,
                      struct pid_ns *pid_ns, struct super **out)
{
    struct proc_super *private = malloc(sizeof *private);
    struct super *super = private ? super_create(&proc_super_ops, kernel->vfs, private) : NULL;
    if (!super) {
        free(private);
        return -LINUX_ENOMEM;
    }
    *private = (struct proc_super){magic, pid_ns_get(pid_ns)};
    super->flags |= SUPER_NO_DCACHE | SUPER_FIXED_NAMES;
    const struct proc_node node = {.entry = root, .kernel = kernel, .pid_ns = pid_ns, .number = -1};
    super->root = make_inode(super, &node, 1);
    if (!super->root) {
        super_put(super);
        return -LINUX_ENOMEM;
    }
    *out = super;
    return 0;
}
