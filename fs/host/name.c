// Names on hosts that take different names for the same (by case, by Unicode normalization).
//
// There, what may fold is spelt otherwise: an upper-case letter as % and its lower-case one, a byte
// beyond ASCII as % and two digits of base 16 of which the first is below 8, and % as %%. So every
// name has one spelling, which says itself what it stands for, and no two fold into each other.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

static const char digits[] = "0123456789abcdef";

static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

int host_name_escape(const char *name, char out[LINUX_NAME_MAX + 1])
{
    size_t at = 0;
    for (; *name; name++) {
        const unsigned char c = (unsigned char)*name;
        const size_t need = c >= 0x80 ? 3 : is_upper(c) || c == '%' ? 2 : 1;
        if (at + need > LINUX_NAME_MAX)
            return -LINUX_ENAMETOOLONG;
        if (need > 1)
            out[at++] = '%';
        if (c >= 0x80)
            out[at++] = digits[(c - 0x80) >> 4];
        out[at++] = c >= 0x80 ? digits[c & 15] : is_upper(c) ? (char)(c - 'A' + 'a') : (char)c;
    }
    out[at] = 0;
    return 0;
}

static bool take_byte(const char **at, unsigned char *out)
{
    const char *high = memchr(digits, (*at)[0], 8);
    const char *low = high && (*at)[1] ? memchr(digits, (*at)[1], 16) : NULL;
    if (!low)
        return false;
    *out = (unsigned char)(0x80 + (high - digits) * 16 + (low - digits));
    *at += 2;
    return true;
}

bool host_name_unescape(const char *name, char out[LINUX_NAME_MAX + 1])
{
    size_t n = 0;
    while (*name) {
        unsigned char c = (unsigned char)*name++;
        if (c >= 0x80 || is_upper(c) || n == LINUX_NAME_MAX)
            return false; // not a spelling of ours
        if (c == '%' && *name >= 'a' && *name <= 'z')
            c = (unsigned char)(*name++ - 'a' + 'A');
        else if (c == '%' && *name == '%')
            name++;
        else if (c == '%' && !take_byte(&name, &c))
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

int host_spelling(const struct host_fs *fs, const char **name, char buf[LINUX_NAME_MAX + 1])
{
    if (!fs->escaped)
        return 0;
    int err = host_name_escape(*name, buf);
    *name = buf;
    return err;
}
