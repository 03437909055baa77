// What a fresh kernel instance needs before its first program: pipes and other nameless files,
// sockets, and the system mounts. Layer 4. Called by kernel/api.c in the order given here.
#ifndef KERNEL_BOOT_H
#define KERNEL_BOOT_H

#include "platform/base/compiler.h"

struct kernel;

// Makes kernel->anon, kernel->net and kernel->inotify, and registers fifos with the VFS. After
// vfs_create().
NODISCARD int boot_files(struct kernel *kernel);
void boot_files_done(struct kernel *kernel); // every file is closed

// Mounts /proc, /sys, /dev (with its nodes and links), /dev/shm and, when the terminal layer made
// one, /dev/pts; each only where the root has the directory. After the root was mounted.
NODISCARD int boot_mounts(struct kernel *kernel);

// Makes `text` the guest's /etc/resolv.conf, after the line that says so, unless the guest has one
// of its own there. A root that does not allow it goes without. After boot_mounts().
void boot_resolver(struct kernel *kernel, const char *text);

#endif
