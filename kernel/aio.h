// Asynchronous input and output (io_submit(2)). Layer 4.
#ifndef KERNEL_AIO_H
#define KERNEL_AIO_H

struct aio_contexts;

// What an address space had; harmless with NULL. Nobody uses it any more.
void aio_destroy(struct aio_contexts *contexts);

#endif
