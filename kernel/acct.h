// Process accounting (acct(2)): a record of every process that ends, in a file. Layer 4.
#ifndef KERNEL_ACCT_H
#define KERNEL_ACCT_H

struct kernel;
struct task;

// The last thread of a process ends; its address space is still there. No lock held.
void acct_process(struct task *task);
void acct_destroy(struct kernel *kernel);

#endif
