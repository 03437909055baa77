// Random bytes of the host. Layer 1.
#ifndef PLATFORM_RANDOM_H
#define PLATFORM_RANDOM_H

#include <stddef.h>

// Fills the buffer from the host's cryptographic generator. Cannot fail.
void random_bytes(void *buf, size_t n);

#endif
