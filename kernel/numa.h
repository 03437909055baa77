// Where memory is to be had: policies of tasks and mappings, on a machine of one node. Layer 4.
//
// A policy is a word, 0 for the default: nothing that is asked for can be anything but node 0, but
// what was asked for is kept, inherited, and told again.
#ifndef KERNEL_NUMA_H
#define KERNEL_NUMA_H

#include <stdint.h>

enum { NUMA_NODES_MAX = 16 }; // as ARM64 Linux is built

typedef uint32_t numa_policy;

#endif
