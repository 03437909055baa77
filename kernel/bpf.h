// Classic BPF as seccomp filters use it. Layer 4.
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include "platform/abi/seccomp.h"
#include "platform/base/compiler.h"
#include <stddef.h>

// Only programs that end, in bounds, whatever the data: -LINUX_EINVAL for others.
NODISCARD int bpf_check(const struct linux_sock_filter *program, size_t count);
// Runs a checked program.
uint32_t bpf_run(const struct linux_sock_filter *program, const struct linux_seccomp_data *data);

#endif
