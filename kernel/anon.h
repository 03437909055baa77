// Inodes of objects that are in no tree: pipes, sockets, memory files. Layer 4.
//
// They live in internal file systems of their own ("pipefs", "sockfs"), so that fstat, fchmod and
// magic links treat them like any other file.
#ifndef KERNEL_ANON_H
#define KERNEL_ANON_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdint.h>

struct kernel;

struct anon {
    struct super *pipefs, *sockfs;
    struct super *memory; // a tmpfs nobody mounts: memfd
    _Atomic uint64_t next_ino;
    struct lock epoll_nest; // kernel/epoll.c
};

NODISCARD int anon_create(struct kernel *kernel);
void anon_destroy(struct kernel *kernel);

// An inode of `super` (pipefs or sockfs) with one reference. `mode` includes the type. It owns
// `attached` from now on, also when this fails.
NODISCARD int anon_inode_create(struct anon *anon, struct super *super, uint32_t mode,
                                const struct cred *cred, void *attached,
                                void (*attached_free)(void *), struct inode **out);

#endif
