#include "platform/random.h"
#include "platform/base/log.h"
#include <errno.h>
#include <stdlib.h>
#if !defined(__APPLE__)
#include <sys/random.h>
#endif

void random_bytes(void *buf, size_t n)
{
#if defined(__APPLE__)
    arc4random_buf(buf, n);
#else
    for (char *p = buf; n > 0;) {
        ssize_t got = getrandom(p, n, 0);
        ISH_ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
#endif
}
