// The steps of emu/crypto.h on the host's instructions. For files compiled for hosts that have
// them; where the compiler was not told so, they are the portable ones.
#ifndef EMU_CRYPTO_HOST_H
#define EMU_CRYPTO_HOST_H

#include "emu/crypto.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CRYPTO_IN(v)  ((__m128i)(v).vs64)
#define CRYPTO_OUT(v) ((union vreg){.vs64 = (VREG_TYPE(vs64))(v)})
#define CRYPTO_REV(v) _mm_shuffle_epi32(v, 0x1b)

static ALWAYS_INLINE union vreg host_aes_encrypt(union vreg state, union vreg key)
{
    state.vu64 ^= key.vu64;
    return CRYPTO_OUT(_mm_aesenclast_si128(CRYPTO_IN(state), _mm_setzero_si128()));
}

static ALWAYS_INLINE union vreg host_aes_decrypt(union vreg state, union vreg key)
{
    state.vu64 ^= key.vu64;
    return CRYPTO_OUT(_mm_aesdeclast_si128(CRYPTO_IN(state), _mm_setzero_si128()));
}

// The last decryption round undoes all of an encryption round but the mixing.
static ALWAYS_INLINE union vreg host_aes_mix(union vreg state)
{
    const __m128i zero = _mm_setzero_si128();
    return CRYPTO_OUT(_mm_aesenc_si128(_mm_aesdeclast_si128(CRYPTO_IN(state), zero), zero));
}

static ALWAYS_INLINE union vreg host_aes_inverse_mix(union vreg state)
{
    return CRYPTO_OUT(_mm_aesimc_si128(CRYPTO_IN(state)));
}

static ALWAYS_INLINE union vreg host_clmul(uint64_t a, uint64_t b)
{
    return CRYPTO_OUT(
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)a), _mm_cvtsi64_si128((int64_t)b), 0));
}

// The host adds the round constant itself, keeps `a` in the highest lane, and wants e added to the
// first word.
static ALWAYS_INLINE union vreg host_sha1_rounds(union vreg abcd, uint32_t e, union vreg wk,
                                                 enum crypto_sha1 which)
{
    const uint32_t k = which == CRYPTO_SHA1_CHOOSE   ? 0x5a827999
                       : which == CRYPTO_SHA1_PARITY ? 0x6ed9eba1
                                                     : 0x8f1bbcdc;
    const __m128i w =
        _mm_add_epi32(_mm_sub_epi32(CRYPTO_REV(CRYPTO_IN(wk)), _mm_set1_epi32((int)k)),
                      _mm_set_epi32((int)e, 0, 0, 0));
    const __m128i state = CRYPTO_REV(CRYPTO_IN(abcd));
    const __m128i r = which == CRYPTO_SHA1_CHOOSE   ? _mm_sha1rnds4_epu32(state, w, 0)
                      : which == CRYPTO_SHA1_PARITY ? _mm_sha1rnds4_epu32(state, w, 1)
                                                    : _mm_sha1rnds4_epu32(state, w, 2);
    return CRYPTO_OUT(CRYPTO_REV(r));
}

// The host keeps the state as a b e f and c d g h, the first in the highest lane, and does two
// rounds at a time.
static ALWAYS_INLINE union vreg host_sha256_rounds(union vreg abcd, union vreg efgh, union vreg wk,
                                                   bool second)
{
    const __m128i x = CRYPTO_REV(CRYPTO_IN(abcd)), y = CRYPTO_REV(CRYPTO_IN(efgh));
    const __m128i w = CRYPTO_IN(wk);
    const __m128i abef = _mm_unpackhi_epi64(y, x), cdgh = _mm_unpacklo_epi64(y, x);
    const __m128i two = _mm_sha256rnds2_epu32(cdgh, abef, w);
    const __m128i four = _mm_sha256rnds2_epu32(abef, two, _mm_unpackhi_epi64(w, w));
    return CRYPTO_OUT(
        CRYPTO_REV(second ? _mm_unpacklo_epi64(two, four) : _mm_unpackhi_epi64(two, four)));
}

static ALWAYS_INLINE union vreg host_sha256_su0(union vreg d, union vreg n)
{
    return CRYPTO_OUT(_mm_sha256msg1_epu32(CRYPTO_IN(d), CRYPTO_IN(n)));
}

// The host leaves adding the words nine before to another instruction.
static ALWAYS_INLINE union vreg host_sha256_su1(union vreg d, union vreg n, union vreg m)
{
    const __m128i nine = _mm_alignr_epi8(CRYPTO_IN(m), CRYPTO_IN(n), 4);
    return CRYPTO_OUT(_mm_sha256msg2_epu32(_mm_add_epi32(CRYPTO_IN(d), nine), CRYPTO_IN(m)));
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_AES) && defined(__ARM_FEATURE_SHA2)
#include <arm_neon.h>

#define CRYPTO_IN8(v)   ((uint8x16_t)(v).vu8)
#define CRYPTO_IN32(v)  ((uint32x4_t)(v).vu32)
#define CRYPTO_OUT8(v)  ((union vreg){.vu8 = (VREG_TYPE(vu8))(v)})
#define CRYPTO_OUT32(v) ((union vreg){.vu32 = (VREG_TYPE(vu32))(v)})

static ALWAYS_INLINE union vreg host_aes_encrypt(union vreg state, union vreg key)
{
    return CRYPTO_OUT8(vaeseq_u8(CRYPTO_IN8(state), CRYPTO_IN8(key)));
}

static ALWAYS_INLINE union vreg host_aes_decrypt(union vreg state, union vreg key)
{
    return CRYPTO_OUT8(vaesdq_u8(CRYPTO_IN8(state), CRYPTO_IN8(key)));
}

static ALWAYS_INLINE union vreg host_aes_mix(union vreg state)
{
    return CRYPTO_OUT8(vaesmcq_u8(CRYPTO_IN8(state)));
}

static ALWAYS_INLINE union vreg host_aes_inverse_mix(union vreg state)
{
    return CRYPTO_OUT8(vaesimcq_u8(CRYPTO_IN8(state)));
}

static ALWAYS_INLINE union vreg host_clmul(uint64_t a, uint64_t b)
{
    return (union vreg){.q = (__uint128_t)vmull_p64(a, b)};
}

static ALWAYS_INLINE union vreg host_sha1_rounds(union vreg abcd, uint32_t e, union vreg wk,
                                                 enum crypto_sha1 which)
{
    const uint32x4_t x = CRYPTO_IN32(abcd), w = CRYPTO_IN32(wk);
    return CRYPTO_OUT32(which == CRYPTO_SHA1_CHOOSE   ? vsha1cq_u32(x, e, w)
                        : which == CRYPTO_SHA1_PARITY ? vsha1pq_u32(x, e, w)
                                                      : vsha1mq_u32(x, e, w));
}

static ALWAYS_INLINE union vreg host_sha256_rounds(union vreg abcd, union vreg efgh, union vreg wk,
                                                   bool second)
{
    const uint32x4_t x = CRYPTO_IN32(abcd), y = CRYPTO_IN32(efgh), w = CRYPTO_IN32(wk);
    return CRYPTO_OUT32(second ? vsha256h2q_u32(y, x, w) : vsha256hq_u32(x, y, w));
}

static ALWAYS_INLINE union vreg host_sha256_su0(union vreg d, union vreg n)
{
    return CRYPTO_OUT32(vsha256su0q_u32(CRYPTO_IN32(d), CRYPTO_IN32(n)));
}

static ALWAYS_INLINE union vreg host_sha256_su1(union vreg d, union vreg n, union vreg m)
{
    return CRYPTO_OUT32(vsha256su1q_u32(CRYPTO_IN32(d), CRYPTO_IN32(n), CRYPTO_IN32(m)));
}

#else

#define host_aes_encrypt     crypto_aes_encrypt
#define host_aes_decrypt     crypto_aes_decrypt
#define host_aes_mix         crypto_aes_mix
#define host_aes_inverse_mix crypto_aes_inverse_mix
#define host_clmul           crypto_clmul
#define host_sha1_rounds     crypto_sha1_rounds
#define host_sha256_rounds   crypto_sha256_rounds
#define host_sha256_su0      crypto_sha256_su0
#define host_sha256_su1      crypto_sha256_su1

#endif
#endif
