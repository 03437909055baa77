// What the parts of the gdb server share. All state belongs to its thread. Layer 4.
#ifndef KERNEL_GDB_GDB_INTERNAL_H
#define KERNEL_GDB_GDB_INTERNAL_H

#include "fs/vfs.h"
#include "kernel/user.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include "platform/wait_queue.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mm;
struct process;
struct task;

enum {
    GDB_PACKET_MAX = 16384, // both ways, without framing
    GDB_OPEN_MAX = 16,      // files the debugger has open
    GDB_SIGNALS = 152,      // the protocol's own numbers
};

struct gdb_thread {
    struct list link;
    int32_t tid;
    bool stopped;
    bool interrupted; // asked to stop
    bool listening;   // in a stop of its group, which it may leave by itself
    int32_t pending;  // a stop not reported yet, as wait(2) has it; 0: none
    // What the debugger wants of it when it goes on.
    bool go, step;
    int32_t signo;
};

struct gdb_breakpoint {
    struct list link;
    uint64_t addr;
    uint32_t word; // what stands there in the program
};

struct gdb {
    struct task *self; // the tracer
    struct process *process;
    int32_t pid, current; // the process; the thread that registers and memory are of
    struct list threads, breakpoints;
    bool running, exited, exec_events;
    int32_t status;            // once exited
    uint8_t pass[GDB_SIGNALS]; // signals that are not worth a stop

    struct file *connection;
    struct wait_entry readable;
    bool no_ack, ends_ack; // ends_ack: after this answer
    bool gone;             // nobody reads any more
    char in[GDB_PACKET_MAX + 16];
    size_t in_count;
    char packet[GDB_PACKET_MAX + 1]; // the one being answered
    size_t packet_len;
    char out[GDB_PACKET_MAX + 1]; // its answer
    size_t out_count;
    struct file *files[GDB_OPEN_MAX];
};

// --- Packets (kernel/gdb/packet.c) ---------------------------------------------------------------

// Takes what has arrived. False at the end of the connection.
bool gdb_receive(struct gdb *g);
enum gdb_input { GDB_NOTHING, GDB_PACKET, GDB_INTERRUPT };
enum gdb_input gdb_next_packet(struct gdb *g); // into g->packet, ended by a NUL
void gdb_print(struct gdb *g, const char *fmt, ...) PRINTF_LIKE(2, 3); // adds to the answer
void gdb_print_hex(struct gdb *g, const void *bytes, size_t n);
void gdb_print_binary(struct gdb *g, const void *bytes, size_t n); // as much as fits
void gdb_send(struct gdb *g);                                      // the answer, and begins another
// Hexadecimal numbers and bytes of a packet. *at is moved behind them.
bool gdb_scan_number(const char **at, uint64_t *out);
size_t gdb_scan_bytes(const char **at, uint8_t *out, size_t max);

// --- The process (kernel/gdb/target.c) -----------------------------------------------------------

void gdb_look(struct gdb *g); // at what happened to threads; may end g->running with a report
void gdb_report(struct gdb *g, int32_t tid, int32_t status);
void gdb_resume(struct gdb *g); // every thread as its fields say
void gdb_stop_all(struct gdb *g);
void gdb_detach(struct gdb *g);
void gdb_kill(struct gdb *g);
struct gdb_thread *gdb_thread(struct gdb *g, int32_t tid); // NULL: there is no such thread
int32_t gdb_signal_from_linux(int32_t signo);
int32_t gdb_signal_to_linux(int32_t signal);
// Of the current thread. Registers as the `g` packet has them.
enum { GDB_REGISTERS = 31 * 8 + 8 + 8 + 4 + 32 * 16 + 4 + 4 };
bool gdb_get_registers(struct gdb *g, uint8_t out[GDB_REGISTERS]);
bool gdb_set_registers(struct gdb *g, const uint8_t in[GDB_REGISTERS]);
// Breakpoints do not show. Returns the bytes transferred.
size_t gdb_read_memory(struct gdb *g, uint64_t addr, uint8_t *out, size_t n);
size_t gdb_write_memory(struct gdb *g, uint64_t addr, const uint8_t *in, size_t n);
bool gdb_insert_breakpoint(struct gdb *g, uint64_t addr);
bool gdb_remove_breakpoint(struct gdb *g, uint64_t addr);
struct mm *gdb_mm(struct gdb *g); // referenced, or NULL

// --- Requests (kernel/gdb/request.c, kernel/gdb/query.c) -----------------------------------------

void gdb_answer(struct gdb *g);
void gdb_answer_query(struct gdb *g);
void gdb_answer_file(struct gdb *g);
void gdb_close_files(struct gdb *g);
void gdb_print_program(struct gdb *g); // the program's path, in hexadecimal

#endif
