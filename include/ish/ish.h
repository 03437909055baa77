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
ISH_API const char *ish_error_name(int error); // "ENOENT"; NULL for a number Linux does not use

// Channels of the log by position: its name, and what it carries in *about. NULL past the last.
ISH_API const char *ish_log_channel(unsigned index, const char **about);

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
    // System calls the strace channel shows, a comma-separated list of names; NULL: all.
    const char *strace_calls;
    // When creation fails, gets a sentence for the user. NULL: not wanted.
    char *why;
    size_t why_size;
    // How names are resolved outside: the text of a resolv.conf(5). It becomes the guest's
    // /etc/resolv.conf when the root is a fakefs and has none there, an empty one, or one that
    // starts with the line "# written when the guest starts"; any other is the guest's own and
    // stays. NULL: nothing is written.
    const char *resolver;
} ish_kernel_config;

// Mounts the root and makes an empty machine. No guest code runs yet. -EINVAL for a bad config,
// otherwise what opening the root gives.
ISH_API int ish_kernel_create(const ish_kernel_config *config, ish_kernel **out);
// Binds a host directory into the guest's tree (`-b`). Before the first process.
ISH_API int ish_kernel_bind(ish_kernel *kernel, const char *host_dir, const char *guest_dir,
                            int read_only);
// 0 when the guest has a directory of this absolute name, else a negative error number.
ISH_API int ish_kernel_find_directory(ish_kernel *kernel, const char *guest_dir);

typedef struct ish_kernel_statistics {
    size_t size; // sizeof(ish_kernel_statistics)
    uint64_t processes_made;
    uint64_t memory_used, memory_limit; // bytes of guest memory
} ish_kernel_statistics;
ISH_API int ish_kernel_get_statistics(ish_kernel *kernel, ish_kernel_statistics *out);

// Kills every process, waits for them, flushes and closes the root, frees everything. Handles of
// processes and terminals stay valid until they are released, but everything is over for them. Not
// from a callback.
ISH_API void ish_kernel_destroy(ish_kernel *kernel);

// --- Processes -----------------------------------------------------------------------------------

typedef struct ish_spawn {
    size_t size;             // sizeof(ish_spawn)
    const char *path;        // looked up along PATH of envp when it has no slash
    const char *const *argv; // NULL-terminated, at least one
    const char *const *envp; // NULL-terminated; passed as it is, nothing is added
    const char *cwd;         // NULL: "/"
    uint32_t uid, gid;
    ish_terminal *terminal; // the controlling terminal; NULL: none
    // What descriptors 0..2 are: a descriptor of the host, which is duplicated, or ISH_FD_*.
    int descriptors[3];
    // A connected socket of the host with gdb at its other end, which is duplicated: the process
    // waits for it before its first instruction. NULL: none.
    const int *debugger;
} ish_spawn;
enum {
    ISH_FD_CLOSED = -1,
    ISH_FD_TERMINAL = -2, // the terminal
};

// Starts a process in a session of its own. The first one is the guest's init (pid 1): when it
// ends, every other process is killed. Fails as execve(2) does: -ENOENT, -EACCES, -ENOEXEC ...
ISH_API int ish_process_start(ish_kernel *kernel, const ish_spawn *spawn, ish_process **out);
// Waits for its end. *status: as wait(2) reports it. Not from a callback.
ISH_API int ish_process_wait(ish_process *process, int *status);
ISH_API int ish_process_signal(ish_process *process, int linux_signal);
// The same for every process that is still in the group it was started in.
ISH_API int ish_process_signal_group(ish_process *process, int linux_signal);
ISH_API int ish_process_pid(const ish_process *process);
ISH_API void ish_process_release(ish_process *process);

// --- Terminals -----------------------------------------------------------------------------------

typedef struct ish_terminal_config {
    size_t size; // sizeof(ish_terminal_config)
    uint16_t rows, columns, pixel_width, pixel_height;
    void *context; // of the callbacks below, which must not wait

    // Bytes the guest wrote, after output processing. Returns how many were taken. After fewer than
    // all, the guest's writers wait, and it is not called again until ish_terminal_output_ready().
    // Called from any thread, also inside ish_terminal_input(), never concurrently with itself.
    size_t (*output)(void *context, const void *bytes, size_t count);
    // ish_terminal_input() took less than it was given, and would now take more. May be NULL.
    void (*input_ready)(void *context);
    // The guest uses the terminal as a terminal for the first time: it waits for input or sets
    // modes. A front end that shares a terminal with other programs takes it over now. May be NULL.
    void (*attention)(void *context);
    // The last guest descriptor of the terminal closed. May be NULL.
    void (*closed)(void *context);
} ish_terminal_config;

ISH_API int ish_terminal_create(ish_kernel *kernel, const ish_terminal_config *config,
                                ish_terminal **out);
// Input as typed; the guest's line discipline edits, echoes and makes signals of it. Never waits;
// returns the bytes taken, which may be fewer when the guest does not read. -EIO after a hangup.
ISH_API ptrdiff_t ish_terminal_input(ish_terminal *terminal, const void *bytes, size_t count);
ISH_API int ish_terminal_resize(ish_terminal *terminal, uint16_t rows, uint16_t columns,
                                uint16_t pixel_width, uint16_t pixel_height);
// `output` will take bytes again.
ISH_API void ish_terminal_output_ready(ish_terminal *terminal);
// Waits until `output` took everything the guest wrote so far, or the terminal was hung up. Not
// from a callback.
ISH_API void ish_terminal_drain(ish_terminal *terminal);
// The far end went away: SIGHUP to the session, end of file for readers. Also when it is released.
ISH_API void ish_terminal_hangup(ish_terminal *terminal);
// No callback runs after it returns. Not from a callback.
ISH_API void ish_terminal_release(ish_terminal *terminal);

// --- Roots that do not run -----------------------------------------------------------------------
// Work on files, without a kernel; a root is locked meanwhile (-EBUSY when somebody has it). These
// functions are in a library of their own (ish_roots), which needs libarchive.

typedef struct ish_work {
    size_t size;   // sizeof(ish_work)
    void *context; // of the callbacks, which come from the thread that called
    // Between blocks of work. `total` is 0 when it is not known; `entries`: files so far. Anything
    // but 0 cancels: -ECANCELED. May be NULL.
    int (*progress)(void *context, uint64_t bytes, uint64_t total, uint64_t entries);
    // One line for each thing worth telling. May be NULL.
    void (*report)(void *context, const char *line);
    // When the work fails, gets a sentence for the user. NULL: not wanted.
    char *why;
    size_t why_size;
    uint64_t entries; // out
    uint64_t skipped; // out: what had no place where it went
} ish_work;

// Makes the root `root`, which must not exist or be an empty folder, of an archive or a container
// image: `source` is a path of the host, or NULL for what `descriptor` gives. `image`: which one of
// several, or NULL. Reports what an image says about running it, in lines of "name value". After a
// failure nothing is left.
ISH_API int ish_root_import(ish_work *work, const char *source, int descriptor, const char *image,
                            const char *root);
enum ish_compression { ISH_PLAIN, ISH_GZIP, ISH_XZ, ISH_ZSTD };
// Writes the root as a pax archive.
ISH_API int ish_root_export(ish_work *work, const char *root, int descriptor,
                            enum ish_compression compression);
// Converts a root of iSH (version 3) where it is. Cancelled, the next one goes on.
ISH_API int ish_root_convert(ish_work *work, const char *root);

typedef struct ish_root_state {
    size_t size;             // sizeof(ish_root_state)
    uint64_t objects, rows;  // files; those that have something recorded
    uint64_t lost;           // records of files that are gone
    uint64_t repaired, left; // problems
} ish_root_state;
// Checks what is recorded for a root, and repairs it if asked. A root that was copied is told its
// new files first. Reports each problem. 0: look at *out.
ISH_API int ish_root_check(ish_work *work, const char *root, int repair, ish_root_state *out);

// Places of files: `root` is a root, or NULL for the host.
// Copies as cp -a does; `to` may be a directory, and "/." at the end of `from` means what is in it.
// Existing files are replaced in one step. What the host has no place for (owners, devices, set-id
// bits, attributes other than user's) is counted in `skipped`. -EINVAL unless one is a root.
ISH_API int ish_root_copy(ish_work *work, const char *from_root, const char *from,
                          const char *to_root, const char *to);
// Gives the contents of a file piece by piece; anything but 0 ends it and is returned.
ISH_API int ish_root_read(ish_work *work, const char *root, const char *path,
                          int (*sink)(void *context, const void *data, size_t size));
typedef struct ish_root_entry {
    size_t size;        // sizeof(ish_root_entry)
    const char *name;   // until the callback returns
    const char *target; // of a symlink; else NULL
    uint32_t mode, uid, gid, links;
    uint64_t inode, device, bytes; // device: of a device node
    int64_t modified;              // ns since 1970
} ish_root_entry;
// Gives what is in a directory, in the order of names, or the one thing that `path` is.
ISH_API int ish_root_list(ish_work *work, const char *root, const char *path,
                          int (*each)(void *context, const ish_root_entry *entry));

#ifdef __cplusplus
}
#endif
#endif
