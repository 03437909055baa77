// For probes of mounts: a namespace whose mounts are the probe's own to count.
#ifndef TESTS_GUEST_OWN_MOUNTS_H
#define TESTS_GUEST_OWN_MOUNTS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

// The point of the last mount on /tmp or below it.
static inline bool last_below_tmp(char point[256])
{
    char line[1024], at[256];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %*d %*s %*s %255s", at) == 1 && !strncmp(at, "/tmp", 4) &&
            (!at[4] || at[4] == '/')) {
            memcpy(point, at, sizeof at);
            found = true;
        }
    if (f)
        fclose(f);
    return found;
}

// Takes away what the machine has mounted there; the namespace is private.
static inline void clear_tmp(void)
{
    char point[256];
    while (last_below_tmp(point) && !umount2(point, MNT_DETACH))
        continue;
}

#endif
