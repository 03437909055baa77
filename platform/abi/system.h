// What uname(2), sysinfo(2), getrandom(2) and reboot(2) exchange. Layer 0.
#ifndef PLATFORM_ABI_SYSTEM_H
#define PLATFORM_ABI_SYSTEM_H

#include <stdint.h>

enum { LINUX_UTS_LENGTH = 64 };

struct linux_utsname {
    char sysname[LINUX_UTS_LENGTH + 1], nodename[LINUX_UTS_LENGTH + 1];
    char release[LINUX_UTS_LENGTH + 1], version[LINUX_UTS_LENGTH + 1];
    char machine[LINUX_UTS_LENGTH + 1], domainname[LINUX_UTS_LENGTH + 1];
};
_Static_assert(sizeof(struct linux_utsname) == 390, "struct new_utsname");

struct linux_sysinfo {
    int64_t uptime;
    uint64_t loads[3]; // times 65536
    uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t pad2;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit, pad3;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "struct sysinfo");

enum {
    LINUX_GRND_NONBLOCK = 1,
    LINUX_GRND_RANDOM = 2,
    LINUX_GRND_INSECURE = 4,
};

enum {
    LINUX_REBOOT_MAGIC2 = 672274793,
    LINUX_REBOOT_MAGIC2A = 85072278,
    LINUX_REBOOT_MAGIC2B = 369367448,
    LINUX_REBOOT_MAGIC2C = 537993216,
};
#define LINUX_REBOOT_MAGIC1        0xfee1deadu
#define LINUX_REBOOT_CMD_RESTART   0x01234567u
#define LINUX_REBOOT_CMD_HALT      0xcdef0123u
#define LINUX_REBOOT_CMD_CAD_ON    0x89abcdefu
#define LINUX_REBOOT_CMD_CAD_OFF   0u
#define LINUX_REBOOT_CMD_POWER_OFF 0x4321fedcu
#define LINUX_REBOOT_CMD_RESTART2  0xa1b2c3d4u

#endif
