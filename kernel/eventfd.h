// Eventfds that the kernel itself counts up. Layer 4.
#ifndef KERNEL_EVENTFD_H
#define KERNEL_EVENTFD_H

#include <stdbool.h>

struct file;

bool file_is_eventfd(const struct file *file);
void eventfd_signal(struct file *file); // adds 1; at its limit the counter stays there

#endif
