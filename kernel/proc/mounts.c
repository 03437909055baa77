// /proc/PID/mounts and mountinfo.
#include "kernel/ns.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include <string.h>

struct mount_writer {
    struct proc_text *text;
    bool info; // mountinfo
};

// Text in which white space and backslashes are octal escapes.
static void append_escaped(struct proc_text *t, const char *text)
{
    for (; *text; text++) {
        if (strchr(" \t\n\\", *text))
            proc_printf(t, "\\%03o", (unsigned)(unsigned char)*text);
        else
            proc_append(t, text, 1);
    }
}

static void append_options(struct proc_text *t, unsigned flags)
{
    proc_printf(t, "%s%s%s%s%s%s%s%s", flags & MOUNT_RDONLY ? "ro" : "rw",
                flags & MOUNT_NOSUID ? ",nosuid" : "", flags & MOUNT_NODEV ? ",nodev" : "",
                flags & MOUNT_NOEXEC ? ",noexec" : "", flags & MOUNT_NOATIME ? ",noatime" : "",
                flags & MOUNT_NODIRATIME ? ",nodiratime" : "",
                flags & (MOUNT_NOATIME | MOUNT_STRICTATIME) ? "" : ",relatime",
                flags & MOUNT_NOSYMFOLLOW ? ",nosymfollow" : "");
}

static void show_mount(void *ctx, const struct vfs_mount_info *info)
{
    struct mount_writer *w = ctx;
    struct proc_text *t = w->text;
    if (w->info) {
        proc_printf(t, "%d %d %u:%u ", info->id, info->parent_id,
                    (unsigned)(info->dev >> 8 & 0xfff), (unsigned)(info->dev & 0xff));
        append_escaped(t, info->subtree);
        proc_append(t, " ", 1);
        append_escaped(t, info->point);
        proc_append(t, " ", 1);
        append_options(t, info->flags);
        if (info->peers)
            proc_printf(t, " shared:%d", info->peers);
        if (info->master)
            proc_printf(t, " master:%d", info->master);
        if (info->unbindable)
            proc_printf(t, " unbindable");
        proc_printf(t, " - %s ", info->type);
        append_escaped(t, info->source);
        proc_printf(t, " %s%s\n", info->super_rdonly ? "ro" : "rw", info->options);
        return;
    }
    append_escaped(t, info->source);
    proc_append(t, " ", 1);
    append_escaped(t, info->point);
    proc_printf(t, " %s ", info->type);
    append_options(t, info->flags | (info->super_rdonly ? (unsigned)MOUNT_RDONLY : 0));
    proc_printf(t, "%s 0 0\n", info->options);
}

static int show_all(struct proc_text *t, const struct proc_kept *kept, bool info)
{
    struct mount_writer w = {t, info};
    vfs_each_mount(kept->ns->mnt, &kept->root, show_mount, &w);
    return 0;
}

int proc_show_mounts(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                     struct task *reader)
{
    (void)task, (void)reader;
    return show_all(t, kept, false);
}

int proc_show_mountinfo(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                        struct task *reader)
{
    (void)task, (void)reader;
    return show_all(t, kept, true);
}
