// The terminal ish runs in, as the far end of a guest terminal.
//
// Output goes through a buffer and a thread of its own, because the host's terminal may make a
// writer wait. Keys are read only after the terminal was taken over (raw mode); until then its line
// editing and its signals are the host's. The modes it had come back at exit, at a stop and in a
// crash.
#ifndef TOOLS_HOST_TERMINAL_H
#define TOOLS_HOST_TERMINAL_H

#include <ish/ish.h>
#include <stdbool.h>
#include <stddef.h>

struct host_terminal;

// The terminal behind descriptors 0..2, NULL when none is one. Which of them are that terminal goes
// to `is_terminal`. Exits when out of memory.
struct host_terminal *host_terminal_find(bool is_terminal[3]);
// Makes the guest terminal and starts the threads. A negative Linux error number on failure.
int host_terminal_attach(struct host_terminal *t, ish_kernel *kernel, ish_terminal **out);
// Takes the terminal over if ish is in the foreground of it; `wait`: otherwise stops ish until it
// is.
void host_terminal_take_over(struct host_terminal *t, bool wait);
// Was it taken over, and so delivers keys?
bool host_terminal_taken(struct host_terminal *t);
// Gives the modes back for the time ish is stopped. Resume, after every continuation, undoes that
// in the foreground; in the background the terminal is left to whoever has it.
void host_terminal_suspend(struct host_terminal *t);
void host_terminal_resume(struct host_terminal *t);
void host_terminal_resized(struct host_terminal *t);
// A key that the host's terminal made a signal of.
void host_terminal_type(struct host_terminal *t, char key);
// Waits until everything written is out, ends the threads and gives the terminal back.
void host_terminal_end(struct host_terminal *t);
void host_terminal_free(struct host_terminal *t); // after the end; harmless with NULL

// Gives the modes back now, whatever the state; may be called from a signal handler.
void host_terminal_restore(void);
// True while a line on the terminal must end with CR LF.
bool host_terminal_is_raw(void);

#endif
