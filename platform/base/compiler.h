// Compiler attributes behind one spelling. Layer 0; includes nothing.
//
// Supported: clang >= 14, gcc >= 12. An attribute a compiler lacks expands to nothing, except
// MUSTTAIL and PRESERVE_NONE, whose absence selects another dispatch mode (emu/dispatch.h).
#ifndef PLATFORM_BASE_COMPILER_H
#define PLATFORM_BASE_COMPILER_H

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

// The caller must look at the result, or say (void). Goes on every function that returns an error.
// gcc's older spelling knows no (void); in clang 14 only the older one is known.
#if defined(__clang__)
#define NODISCARD __attribute__((warn_unused_result))
#else
#define NODISCARD [[nodiscard]]
#endif
#define NORETURN          __attribute__((noreturn))
#define NOINLINE          __attribute__((noinline))
#define ALWAYS_INLINE     inline __attribute__((always_inline))
#define COLD              __attribute__((cold, noinline))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ALIGNED(n)        __attribute__((aligned(n)))
#define MAYBE_UNUSED      __attribute__((unused))
#define FALLTHROUGH       __attribute__((fallthrough))
#define PUBLIC_API        __attribute__((visibility("default")))

// Keeps a variable in a register and has the compiler forget how it was computed: it neither
// computes it twice nor keeps its parts.
#define IN_REGISTER(variable) __asm__("" : "+r"(variable))

#if defined(__has_attribute)
#define COMPILER_HAS(a) __has_attribute(a)
#else
#define COMPILER_HAS(a) 0
#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_TSAN        __attribute__((no_sanitize("thread")))
#define BUILT_FOR_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define NO_TSAN        __attribute__((no_sanitize_thread))
#define BUILT_FOR_TSAN 1
#endif
#ifndef BUILT_FOR_TSAN
#define BUILT_FOR_TSAN 0
#endif
#ifndef NO_TSAN
#define NO_TSAN
#endif

// Clang thread-safety analysis, used on function contracts only: member annotations reject correct
// C in the clang versions we pin.
#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name)  TSA(capability(name))
#define ACQUIRES(...)     TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...)     TSA(release_capability(__VA_ARGS__))
#define TRY_ACQUIRES(...) TSA(try_acquire_capability(__VA_ARGS__))
#define REQUIRES(...)     TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)     TSA(locks_excluded(__VA_ARGS__))
#define NO_TSA            TSA(no_thread_safety_analysis)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif
