// Where a round happens: a directory, namespaces, and descriptors of every kind.
#ifndef TESTS_FUZZ_PLACE_H
#define TESTS_FUZZ_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct place {
    uint16_t ports[2]; // that this process listens on
    pid_t child;       // one that waits for a signal
};

// Makes the place of a round for the calling process, with `null` as its standard descriptors. What
// is not to be had is left out.
void place_make(struct place *place, uint64_t round, int null, bool inet);
void place_drop_capability(unsigned capability);
// Removes what a round left in the file systems of the root.
void place_clean(void);

#endif
