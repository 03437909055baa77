#include "tests/isa/oracle.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 }; // a batch takes milliseconds

static void die(const char *what)
{
    fprintf(stderr, "differential: %s\n", what);
    exit(2);
}

void oracle_start(struct oracle *o, char **command)
{
    int in[2], out[2], fd = memfd_create("isa", 0);
    if (fd < 0 || ftruncate(fd, sizeof *o->shared) || pipe(in) || pipe(out))
        die("no pipe or memory");
    o->shared = mmap(NULL, sizeof *o->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (o->shared == MAP_FAILED)
        die("no memory");
    o->pid = fork();
    if (o->pid == 0) {
        // Above the descriptors that are given away.
        int to = dup(in[0]), from = dup(out[1]), memory = dup(fd);
        dup2(to, 0);
        dup2(from, 1);
        dup2(memory, ISA_FD);
        for (int i = ISA_FD + 1; i < 32; i++)
            close(i);
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(fd);
    o->to = in[1];
    o->from = out[0];
}

void oracle_send(struct oracle *o, unsigned which)
{
    unsigned char byte = (unsigned char)which;
    if (write(o->to, &byte, 1) != 1)
        die("the oracle does not read");
}

// Says what became of an oracle that does not answer.
static void bury(struct oracle *o, bool silent)
{
    int status = 0;
    if (silent)
        kill(o->pid, SIGKILL);
    waitpid(o->pid, &status, 0);
    if (silent)
        printf("# the oracle was silent for %d s and was killed\n", PATIENCE_MS / 1000);
    else
        printf("# the oracle ended with wait status %#x\n", (unsigned)status);
}

bool oracle_wait(struct oracle *o, unsigned which)
{
    unsigned char byte;
    struct pollfd ready = {o->from, POLLIN, 0};
    bool silent = poll(&ready, 1, PATIENCE_MS) == 0;
    if (!silent && read(o->from, &byte, 1) == 1 && byte == which)
        return true;
    bury(o, silent);
    return false;
}

void oracle_stop(struct oracle *o)
{
    oracle_send(o, ISA_BATCHES);
    close(o->to);
    close(o->from);
    waitpid(o->pid, NULL, 0);
    munmap(o->shared, sizeof *o->shared);
}
