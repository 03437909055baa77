// bench NAME [SCALE]   runs one workload, prints its name and checksum
// bench list           names and kinds, one a line
// bench nop            ends at once: what starting costs
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *program_path;

static const struct workload *const tables[] = {
    integer_workloads, memory_workloads, float_workloads, call_workloads,
    process_workloads, thread_workloads, storm_workloads,
};

static const struct workload *find_workload(const char *name)
{
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct workload *w = tables[t]; w->name; w++) {
            if (!strcmp(w->name, name))
                return w;
        }
    }
    return NULL;
}

static void list_workloads(void)
{
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct workload *w = tables[t]; w->name; w++)
            printf("%s %s\n", w->name, w->kind);
    }
}

int main(int argc, char **argv)
{
    program_path = argv[0];
    if (argc < 2) {
        fprintf(stderr, "usage: bench list | nop | NAME [SCALE]\n");
        return 2;
    }
    if (!strcmp(argv[1], "nop"))
        return 0;
    if (!strcmp(argv[1], "list")) {
        list_workloads();
        return 0;
    }
    const struct workload *w = find_workload(argv[1]);
    unsigned long scale = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (!w || scale == 0 || scale > 1000000) {
        fprintf(stderr, "bench: no such workload or scale\n");
        return 2;
    }
    printf("%s %llu\n", w->name, (unsigned long long)w->run((unsigned)scale));
    return 0;
}
