// How a guest tells host.c when the host has no memory: numbers for prctl(2) that Linux does not
// use.
#ifndef TESTS_MEMORY_CONTROL_H
#define TESTS_MEMORY_CONTROL_H

enum no_memory_control {
    NO_MEMORY_EXEMPT = 0x4e4f4d00, // the calling thread is never refused
    NO_MEMORY_ARM,                 // first, count, kinds: refuse so many requests from that one on
    NO_MEMORY_DISARM,              // the result: how many were refused
};

// Kinds of requests.
enum {
    NO_MEMORY_HEAP = 1,
    NO_MEMORY_FRAME = 2,   // a page of the guest's
    NO_MEMORY_MAPPING = 4, // of the host's address space
    NO_MEMORY_THREAD = 8,
    NO_MEMORY_ALL = 15,
};

#endif
