// A /tmp of a probe's own, in a mount namespace of its own, for probes that print what is mounted
// there: what the machine has mounted at or below /tmp is taken out of that namespace first.
#ifndef TESTS_GUEST_OWN_TMP_H
#define TESTS_GUEST_OWN_TMP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

// Unmounts one; false when there is none, or it cannot be unmounted.
static inline bool unmount_one_below_tmp(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024], point[256];
    bool done = false;
    while (f && !done && fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %*d %*s %*s %255s", point) == 1 && !strncmp(point, "/tmp", 4) &&
            (point[4] == '/' || !point[4]))
            done = umount2(point, MNT_DETACH) == 0;
    if (f)
        fclose(f);
    return done;
}

// In a namespace whose mounts nobody else shares. The result is mount(2)'s.
static inline int mount_own_tmp(const char *options)
{
    while (unmount_one_below_tmp())
        ;
    return mount("work", "/tmp", "tmpfs", 0, options);
}

#endif
