// fanotify(7): what happens to files, told with a descriptor of each. Layer 4.
#ifndef KERNEL_FANOTIFY_H
#define KERNEL_FANOTIFY_H

#include "platform/base/compiler.h"

struct kernel;

NODISCARD int fanotify_create(struct kernel *kernel);
void fanotify_destroy(struct kernel *kernel); // every file is closed

#endif
