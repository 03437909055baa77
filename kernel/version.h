// What this Linux calls itself, in uname(2) and /proc. Layer 4.
#ifndef KERNEL_VERSION_H
#define KERNEL_VERSION_H

#define KERNEL_SYSNAME "Linux"
#define KERNEL_RELEASE "6.1.0-ish"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC"
#define KERNEL_MACHINE "aarch64"

#endif
