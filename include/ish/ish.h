// ish: runs ARM64 Linux programs inside this process.
//
// The one public header. Handles are opaque; every struct starts with its size, so that a program
// built against an older header keeps working. Functions return 0 or a positive result, or a
// negative Linux error number (ish_error_text() has the words). Unless a function says otherwise it
// may be called from any thread. Callbacks are never called with an internal lock held, get the
// context pointer given with them, and may call any function except those marked "not from a
// callback".
#ifndef ISH_ISH_H
#define ISH_ISH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ISH_API __attribute__((visibility("default")))

typedef struct ish_kernel ish_kernel;     // one Linux
typedef struct ish_process ish_process;   // a process started from outside
typedef struct ish_terminal ish_terminal; // a guest terminal with a backend of the embedder's

ISH_API const char *ish_version(void);
ISH_API const char *ish_error_text(int error); // for a negative result; never NULL

// --- A kernel ------------------------------------------------------------------------------------

typedef enum ish_root_kind {
    ISH_ROOT_FAKEFS, // a directory made by fakefsify (data/ and meta.db)
    ISH_ROOT_HOST,   // a host directory as it is
} ish_root_kind;

typedef struct ish_kernel_config {
    size_t size; // sizeof(ish_kernel_config)
    ish_root_kind root_kind;
    const char *root_path;
    uint64_t memory_limit; // bytes of guest memory; 0: a limit derived from the host's memory
    unsigned cpu_count;    // 0: as many as the host gives
    const char *hostname;  // NULL: "ish"
    // Diagnostics: channels are a comma-separated list ("error,warn,strace"); NULL: the default.
    // `log` gets one line at a time, from any thread. NULL: dropped.
    const char *log_channels;
    void (*log)(void *context, const char *channel, const char *line);
    void *log_context;
} ish_kernel_config;

// Mounts the root and makes an empty machine. No guest code runs yet.
ISH_API int ish_kernel_create(const ish_kernel_config *config, ish_kernel **out);
// Binds a host directory into the guest's tree (`-b`). Before the first process.
ISH_API int ish_kernel_bind(ish_kernel *kernel, const char *host_dir, const char *guest_dir,
                            int read_only);
// Kills every process, waits for them, flushes and closes the root, frees everything. Not from a
// callback.
ISH_API void ish_kernel_destroy(ish_kernel *kernel);

// --- Processes -----------------------------------------------------------------------------------

typedef struct ish_spawn {
    size_t size;             // sizeof(ish_spawn)
    const char *path;        // looked up along PATH of envp when it has no slash
    const char *const *argv; // NULL-terminated, at least one
    const char *const *envp; // NULL-terminated; passed as it is, nothing is added
    const char *cwd;         // NULL: "/"
    uint32_t uid, gid;
    ish_terminal *terminal; // controlling terminal and descriptors 0..2; NULL: use host_fds
    int host_fds[3];        // descriptors of the host for 0..2 when terminal is NULL; -1: closed
} ish_spawn;

// Starts a process. The first one is the guest's init (pid 1).
ISH_API int ish_process_start(ish_kernel *kernel, const ish_spawn *spawn, ish_process **out);
// Waits for its end. *status: as wait(2) reports it. Not from a callback.
ISH_API int ish_process_wait(ish_process *process, int *status);
ISH_API int ish_process_signal(ish_process *process, int linux_signal);
ISH_API int ish_process_pid(const ish_process *process);
ISH_API void ish_process_release(ish_process *process);

// --- Terminals -----------------------------------------------------------------------------------

typedef struct ish_terminal_config {
    size_t size; // sizeof(ish_terminal_config)
    uint16_t rows, columns, pixel_width, pixel_height;
    // Bytes the guest wrote, after output processing. May be called from any guest thread, never
    // concurrently with itself.
    void (*output)(void *context, const void *bytes, size_t count);
    // The last guest descriptor of the terminal closed. May be NULL.
    void (*hangup)(void *context);
    void *context;
} ish_terminal_config;

ISH_API int ish_terminal_create(ish_kernel *kernel, const ish_terminal_config *config,
                                ish_terminal **out);
// Input as typed; the guest's line discipline edits, echoes and makes signals of it. Never waits;
// returns the bytes taken, which may be fewer when the guest does not read.
ISH_API ptrdiff_t ish_terminal_input(ish_terminal *terminal, const void *bytes, size_t count);
ISH_API int ish_terminal_resize(ish_terminal *terminal, uint16_t rows, uint16_t columns,
                                uint16_t pixel_width, uint16_t pixel_height);
// The far end went away: SIGHUP to the session, end of file for readers.
ISH_API void ish_terminal_hangup(ish_terminal *terminal);
ISH_API void ish_terminal_release(ish_terminal *terminal);

#ifdef __cplusplus
}
#endif
#endif
