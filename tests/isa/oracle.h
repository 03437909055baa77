// The other machine: a process that runs executor.c, and the memory shared with it.
#ifndef TESTS_ISA_ORACLE_H
#define TESTS_ISA_ORACLE_H

#include "platform/base/compiler.h"
#include "tests/isa/case.h"
#include <stdbool.h>
#include <sys/types.h>

struct oracle {
    pid_t pid;
    int to, from;
    struct isa_shared *shared;
};

void oracle_start(struct oracle *o, char **command);
void oracle_send(struct oracle *o, unsigned which);
// False when it ended, or had to be ended because a case does not; which is printed.
NODISCARD bool oracle_wait(struct oracle *o, unsigned which);
void oracle_stop(struct oracle *o);

#endif
