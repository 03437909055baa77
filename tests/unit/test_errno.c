// Host errors reach the layers above as Linux numbers, whatever the host calls them.
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <string.h>

int main(void)
{
    struct tap t = {0, 0};
    CHECK(&t, errno_to_linux(ENOENT) == -LINUX_ENOENT, "ENOENT keeps its Linux number");
    CHECK(&t, errno_to_linux(ELOOP) == -40, "ELOOP is 40, as in asm-generic");
    CHECK(&t, errno_to_linux(999999) == -LINUX_EIO, "an unknown host error becomes EIO");
    CHECK(&t, !strcmp(errno_name(LINUX_EXDEV), "EXDEV"), "numbers have their names");
    CHECK(&t, errno_name(4000) == NULL, "unused numbers have none");
    return tap_finish(&t);
}
