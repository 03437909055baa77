// Checking a root that nobody uses. Layer 3; linked by the tools alone.
#ifndef FS_FAKEFS_FSCK_H
#define FS_FAKEFS_FSCK_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct fsck {
    bool repair;
    // Called for each thing found, one line of text. `fixed`: it was repaired.
    void (*report)(void *ctx, bool fixed, const char *line);
    bool (*step)(void *ctx, uint64_t bytes, uint64_t total, uint64_t entries); // as archive_job
    void *ctx;
    uint64_t objects, rows;     // out
    uint64_t fixed, left, lost; // out: problems repaired, still there; rows without an object
};

// 0, or a negative errno with the reason reported: the root could not be checked at all.
NODISCARD int fsck_run(struct fsck *f, const char *root);

#endif
