#include "platform/host_errno.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/compiler.h"
#include <errno.h>
#include <stddef.h>

static const struct {
    int linux_errno;
    int host_errno; // 0: this host has no such error
    const char *name, *text;
} table[] = {
#include "platform/abi/errno_rows.inc"
};

int errno_to_linux(int host_errno)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].host_errno == host_errno && host_errno != 0)
            return -table[i].linux_errno;
#if defined(ENOTSUP) && ENOTSUP != EOPNOTSUPP
    if (host_errno == ENOTSUP)
        return -LINUX_EOPNOTSUPP;
#endif
#if defined(ENOATTR) && ENOATTR != ENODATA
    if (host_errno == ENOATTR)
        return -LINUX_ENODATA;
#endif
    return -LINUX_EIO;
}

const char *errno_name(int linux_errno)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].linux_errno == linux_errno)
            return table[i].name;
    return NULL;
}

const char *errno_text(int linux_errno)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].linux_errno == linux_errno)
            return table[i].text;
    return "Unknown error";
}
