// File systems a guest may mount, by name. Layer 4.
#ifndef KERNEL_MOUNT_TYPES_H
#define KERNEL_MOUNT_TYPES_H

#include "platform/base/compiler.h"

struct super;
struct task;

// A file system of this type with these options ("size=64m,mode=1777", consumed; may be NULL),
// owned by the caller's user namespace. -LINUX_ENODEV for an unknown type, -LINUX_EINVAL for an
// option.
NODISCARD int mount_type_create(struct task *task, const char *type, char *options,
                                struct super **out);
// 0 or -LINUX_ENODEV.
NODISCARD int mount_type_check(const char *type);

#endif
