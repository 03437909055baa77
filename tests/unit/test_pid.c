// Numbers of tasks: unique, in order, reused only when nothing has them any more.
#include "kernel/pid.h"
#include "platform/abi/linux_errno.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

static struct task *some_task(void)
{
    static long place;
    return (struct task *)(void *)&place; // never looked at
}

int main(void)
{
    struct tap t = {0, 0};
    struct pid_table *table = NULL;
    CHECK(&t, pid_table_create(&table) == 0, "a table can be made");
    CHECK(&t, pid_slot(table, 1) == NULL, "unused numbers have no slot");
    CHECK(&t,
          pid_slot(table, 0) == NULL && pid_slot(table, -5) == NULL &&
              pid_slot(table, PID_MAX) == NULL,
          "nor have numbers out of range");
    CHECK(&t, pid_allocate(table) == 1, "the first number is 1");
    pid_slot(table, 1)->task = some_task();
    CHECK(&t, pid_allocate(table) == 2, "then 2");
    pid_slot(table, 2)->task = some_task();
    pid_slot(table, 2)->pgrp = (struct pgrp *)(void *)some_task();
    pid_slot(table, 2)->task = NULL;
    CHECK(&t, pid_allocate(table) == 3, "numbers go up, even past one that was freed");
    pid_slot(table, 3)->task = some_task();
    CHECK(&t, pid_allocate_exact(table, 2) == -LINUX_EEXIST, "a group keeps its number in use");
    CHECK(&t, pid_allocate_exact(table, 0) == -LINUX_EINVAL, "0 is no number");
    CHECK(&t, pid_allocate_exact(table, 5000) == 5000, "a wanted number");
    pid_slot(table, 5000)->task = some_task();
    CHECK(&t, pid_next_task(table, 4) == 5000, "walks skip what is not there");
    CHECK(&t, pid_next_task(table, 5001) == 0, "and end");

    int32_t pid, last = 3;
    bool rising = true;
    while ((pid = pid_allocate(table)) > last) {
        rising &= pid != 5000;
        pid_slot(table, pid)->task = some_task();
        last = pid;
    }
    CHECK(&t, rising && last == PID_MAX - 1, "every number up to the limit is given out once");
    CHECK(&t, pid == -LINUX_EAGAIN, "and then none");
    pid_slot(table, 400)->task = NULL;
    CHECK(&t, pid_allocate(table) == 400, "a freed number is found again");
    pid_table_destroy(table);
    return tap_finish(&t);
}
