// File systems a guest may mount, by name, and the options of one. Layer 4.
//
// mount(2) gives options as text, fsconfig(2) one by one; both end in mount_options_set(), which
// checks each when it comes. What is wrong goes to the log of whoever has one.
#ifndef KERNEL_MOUNT_TYPES_H
#define KERNEL_MOUNT_TYPES_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdbool.h>

struct task;
struct mount_type;

// The latest messages of one fsopen(2), oldest first.
enum { MOUNT_LOG_LINES = 8, MOUNT_LOG_LINE = 320 };
struct mount_log {
    unsigned count;
    char line[MOUNT_LOG_LINES][MOUNT_LOG_LINE];
};

struct mount_options {
    const struct mount_type *type;
    char *type_name; // as it is shown
    char *source;    // NULL: not given
    bool set_rdonly, rdonly;
    struct tmpfs_options tmpfs;
    struct mount_log *log; // NULL: nobody reads it. Borrowed
};
// -LINUX_ENODEV for a type that may not be mounted, unless `existing`: options of a file system
// that is mounted already. Ends with mount_options_done().
NODISCARD int mount_options_init(struct mount_options *o, const char *type, bool existing,
                                 struct mount_log *log);
void mount_options_done(struct mount_options *o);
// One option; value NULL: a flag. -LINUX_EINVAL.
NODISCARD int mount_options_set(struct task *task, struct mount_options *o, const char *key,
                                const char *value);
// "size=64m,mode=1777", consumed; may be NULL.
NODISCARD int mount_options_parse(struct task *task, struct mount_options *o, char *text);

// A file system owned by the caller's user namespace.
NODISCARD int mount_options_create(struct task *task, struct mount_options *o, struct super **out);
// Gives what was set to the file system that is mounted already.
NODISCARD int mount_options_reconfigure(struct mount_options *o, struct super *super);

// MOUNT_ATTR_* of the newer calls: MOUNT_* without those of access times; and those, -LINUX_EINVAL.
int mount_attr_flags(uint64_t attr);
int mount_attr_atime(uint64_t attr);

#endif
