// Host objects that belong to a metadata store, which no mount may show.
#include "fs/vfs_core.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

int vfs_hide(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    lock_acquire(&vfs->hidden_lock);
    struct vfs_hidden *grown = realloc(vfs->hidden, (vfs->hidden_count + 1) * sizeof *vfs->hidden);
    if (grown) {
        vfs->hidden = grown;
        vfs->hidden[vfs->hidden_count++] = (struct vfs_hidden){dev, ino};
    }
    lock_release(&vfs->hidden_lock);
    return grown ? 0 : -LINUX_ENOMEM;
}

void vfs_unhide(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    lock_acquire(&vfs->hidden_lock);
    for (size_t i = 0; i < vfs->hidden_count; i++) {
        if (vfs->hidden[i].dev != dev || vfs->hidden[i].ino != ino)
            continue;
        vfs->hidden[i] = vfs->hidden[--vfs->hidden_count];
        break;
    }
    lock_release(&vfs->hidden_lock);
}

bool vfs_is_hidden(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    bool found = false;
    lock_acquire(&vfs->hidden_lock);
    for (size_t i = 0; i < vfs->hidden_count && !found; i++)
        found = vfs->hidden[i].dev == dev && vfs->hidden[i].ino == ino;
    lock_release(&vfs->hidden_lock);
    return found;
}
