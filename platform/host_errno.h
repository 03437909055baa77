// Host error numbers become Linux ones here, and nowhere else. Layer 1.
#ifndef PLATFORM_HOST_ERRNO_H
#define PLATFORM_HOST_ERRNO_H

#include "platform/base/compiler.h"

// The negative Linux errno of a host errno; -LINUX_EIO for one Linux does not have.
int errno_to_linux(int host_errno);
// "ENOENT" for 2; NULL for a number Linux does not use.
const char *errno_name(int linux_errno);
// "No such file or directory"; never NULL.
const char *errno_text(int linux_errno);

#endif
