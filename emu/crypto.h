// The steps of AES, SHA-1, SHA-256 and carry-less multiplication that A64 has instructions for, in
// portable C. Layer 2. Op bodies prefer the host's instructions (emu/ops/crypto_host.c). Pure.
#ifndef EMU_CRYPTO_H
#define EMU_CRYPTO_H

#include "emu/cpu.h"
#include "emu/simd.h"

// AESE, AESD: add the round key, shift rows, substitute bytes. AESMC, AESIMC: mix columns.
union vreg crypto_aes_encrypt(union vreg state, union vreg key);
union vreg crypto_aes_decrypt(union vreg state, union vreg key);
union vreg crypto_aes_mix(union vreg state);
union vreg crypto_aes_inverse_mix(union vreg state);

// 64 x 64 -> 128 bits without carries.
union vreg crypto_clmul(uint64_t a, uint64_t b);

// Four rounds. `wk`: message words with the round constants added. SHA-1 returns a..d.
enum crypto_sha1 {
    CRYPTO_SHA1_CHOOSE,
    CRYPTO_SHA1_PARITY,
    CRYPTO_SHA1_MAJORITY,
};
union vreg crypto_sha1_rounds(union vreg abcd, uint32_t e, union vreg wk, enum crypto_sha1 which);
// Returns a..d, or e..h if `second`.
union vreg crypto_sha256_rounds(union vreg abcd, union vreg efgh, union vreg wk, bool second);

// Message schedule: SHA256SU0, SHA256SU1.
union vreg crypto_sha256_su0(union vreg d, union vreg n);
union vreg crypto_sha256_su1(union vreg d, union vreg n, union vreg m);

// Four rounds of SM4, or of its key expansion; keys: round keys, or the expansion's constants.
union vreg crypto_sm4(union vreg state, union vreg keys, bool expansion);

#endif
