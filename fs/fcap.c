// File capabilities across user namespaces: the value of security.capability (vfs_ns_cap_data).
//
// What is stored is of revision 2, which counts everywhere, or 3 with the machine's id of the user
// who is root where it counts. A caller sees and gives ids of its own namespace.
#include "fs/vfs_core.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

enum { SIZE_2 = 20, SIZE_3 = 24, REVISION_AT = 3, ROOT_AT = 20 }; // little-endian words

static uint32_t get_root(const uint8_t raw[SIZE_3])
{
    uint32_t id = 0;
    for (unsigned i = 0; i < 4; i++)
        id |= (uint32_t)raw[ROOT_AT + i] << 8 * i;
    return id;
}

static void put_root(uint8_t raw[SIZE_3], uint32_t id)
{
    raw[REVISION_AT] = 3;
    for (unsigned i = 0; i < 4; i++)
        raw[ROOT_AT + i] = (uint8_t)(id >> 8 * i);
}

bool fcap_is_valid(const void *value, size_t size)
{
    const uint8_t *raw = value;
    return (size == SIZE_2 && raw[REVISION_AT] == 2) || (size == SIZE_3 && raw[REVISION_AT] == 3);
}

static uint32_t from_machine(const struct user_ns *ns, uint32_t id)
{
    return ns ? user_ns_from_machine(ns, ID_UID, id) : id;
}

bool fcap_counts(const struct user_ns *ns, uint32_t root)
{
    for (; ns; ns = user_ns_parent(ns))
        if (user_ns_from_machine(ns, ID_UID, root) == 0)
            return true;
    return root == 0;
}

ssize_t fcap_show(const struct cred *cred, const void *stored, size_t size, void *buf, size_t room)
{
    uint8_t raw[SIZE_3] = {0};
    if (!fcap_is_valid(stored, size))
        return -LINUX_EINVAL;
    memcpy(raw, stored, size);
    const uint32_t root = size == SIZE_3 ? get_root(raw) : 0;
    const uint32_t mine = from_machine(cred->user_ns, root);
    size_t shown = SIZE_3;
    if (mine != ID_NONE && mine != 0) {
        put_root(raw, mine);
    } else if (fcap_counts(cred->user_ns, root)) {
        raw[REVISION_AT] = 2;
        shown = SIZE_2;
    } else {
        return -LINUX_EOVERFLOW;
    }
    if (room == 0)
        return (ssize_t)shown;
    if (room < shown)
        return -LINUX_ERANGE;
    memcpy(buf, raw, shown);
    return (ssize_t)shown;
}

int fcap_store(const struct cred *cred, const void *value, size_t *size, uint8_t raw[SIZE_3])
{
    if (!fcap_is_valid(value, *size))
        return -LINUX_EINVAL;
    memset(raw, 0, SIZE_3);
    memcpy(raw, value, *size);
    if (*size == SIZE_2 && cred_capable(cred, LINUX_CAP_SETFCAP))
        return 0; // for everybody
    uint32_t root = *size == SIZE_3 ? get_root(raw) : 0;
    if (cred->user_ns)
        root = user_ns_to_machine(cred->user_ns, ID_UID, root);
    if (root == ID_NONE)
        return -LINUX_EINVAL;
    put_root(raw, root);
    *size = SIZE_3;
    return 0;
}
