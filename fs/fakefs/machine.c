#include "fs/fakefs/machine.h"
#include "fs/hostfs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdio.h>
#include <string.h>

static void free_parts(struct machine *m)
{
    if (m->vfs)
        vfs_destroy(m->vfs);
    cred_put(m->cred);
    if (m->frames)
        frame_pool_destroy(m->frames);
    memset(m, 0, sizeof *m);
}

// Without a file system yet.
static int make_parts(struct machine *m)
{
    memset(m, 0, sizeof *m);
    int err = frame_pool_create(0, &m->frames);
    if (!err)
        err = vfs_create(m->frames, &m->vfs);
    m->cred = err ? NULL : cred_create_root();
    return !err && !m->cred ? -LINUX_ENOMEM : err;
}

// `err`: of making the parts and `super`.
static int mount_root(struct machine *m, struct super *super, const char *source, const char *type,
                      int err)
{
    if (!err)
        err = vfs_mount(m->vfs, NULL, super, source, type, 0);
    if (err) {
        free_parts(m);
        return err;
    }
    struct path at;
    vfs_root(m->vfs, &at);
    m->caller = (struct vfs_caller){.vfs = m->vfs, .cred = m->cred, .root = at, .cwd = at};
    return 0;
}

int machine_start(struct machine *m, const char *root, char why[FAKEFS_WHY_MAX])
{
    struct super *super = NULL;
    int err = make_parts(m);
    why[0] = 0;
    if (!err)
        err = fakefs_create(m->vfs, root, NULL, why, &super);
    err = mount_root(m, super, root, "fakefs", err);
    if (err && !why[0])
        snprintf(why, FAKEFS_WHY_MAX, "%s: %s", root, errno_text(-err));
    return err;
}

int machine_start_host(struct machine *m, const char *dir, char why[FAKEFS_WHY_MAX])
{
    struct super *super = NULL;
    int err = make_parts(m);
    if (!err)
        err = hostfs_create(m->vfs, dir, &super);
    err = mount_root(m, super, dir, "hostfs", err);
    if (err)
        snprintf(why, FAKEFS_WHY_MAX, "%s: %s", dir, errno_text(-err));
    return err;
}

int machine_start_empty(struct machine *m)
{
    struct super *super = NULL;
    int err = make_parts(m);
    if (!err)
        err = tmpfs_create(m->vfs, 0, 0755, &super);
    return mount_root(m, super, "none", "tmpfs", err);
}

void machine_stop(struct machine *m)
{
    path_put(&m->caller.root);
    free_parts(m);
}
