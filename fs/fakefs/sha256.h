// SHA-256 (FIPS 180-4), for the digests of container images. Layer 3.
#ifndef FS_FAKEFS_SHA256_H
#define FS_FAKEFS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t count; // bytes so far
    unsigned char block[64];
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t n);
void sha256_end(struct sha256 *h, char hex[SHA256_HEX + 1]);

#endif
