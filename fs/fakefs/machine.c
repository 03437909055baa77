#include "fs/fakefs/machine.h"
#include "platform/abi/linux_errno.h"
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

int machine_start(struct machine *m, const char *root, char why[FAKEFS_WHY_MAX])
{
    struct super *super = NULL;
    memset(m, 0, sizeof *m);
    why[0] = 0;
    int err = frame_pool_create(0, &m->frames);
    if (!err)
        err = vfs_create(m->frames, &m->vfs);
    m->cred = err ? NULL : cred_create_root();
    if (!err && !m->cred)
        err = -LINUX_ENOMEM;
    if (!err)
        err = fakefs_create(m->vfs, root, NULL, why, &super);
    if (!err)
        err = vfs_mount(m->vfs, NULL, super, root, "fakefs", 0);
    if (err) {
        free_parts(m);
        return err;
    }
    struct path at;
    vfs_root(m->vfs, &at);
    m->caller = (struct vfs_caller){.vfs = m->vfs, .cred = m->cred, .root = at, .cwd = at};
    return 0;
}

void machine_stop(struct machine *m)
{
    path_put(&m->caller.root);
    free_parts(m);
}
