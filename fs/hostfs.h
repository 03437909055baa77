// A host directory as a file system (-r, -b). Layer 3.
//
// Owners are the host's, with the host user shown as 0; chown to anyone else is EPERM; set-id bits
// are not shown and cannot be set. Devices, sockets and FIFOs of the host are listed, opening one
// is ENXIO. Names may come and go behind our back, so nothing about them is cached.
#ifndef FS_HOSTFS_H
#define FS_HOSTFS_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"

// `dir` is a path of the host. -LINUX_ENOTDIR, -LINUX_ENOENT ...; -LINUX_EACCES when it is inside a
// metadata store that is in use. The super has one reference, to be given to vfs_mount.
NODISCARD int hostfs_create(struct vfs *vfs, const char *dir, struct super **out);

#endif
