// User namespaces: which ids of the machine the members see under which numbers
// (user_namespaces(7)). Layer 3.
//
// Credentials, inodes and System V objects hold the machine's own ids everywhere; system calls
// translate at their edge. The initial namespace is NULL: there every id is itself.
#ifndef FS_USER_NS_H
#define FS_USER_NS_H

#include "fs/namespace.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cred;

enum id_kind { ID_UID, ID_GID, ID_KINDS };
enum { ID_OVERFLOW = 65534, ID_EXTENTS_MAX = 340, USER_NS_LEVEL_MAX = 33 };
#define ID_NONE UINT32_MAX

struct id_extent {
    uint32_t first, machine, count; // `first` inside is `machine` outside of every namespace
};
struct id_map {
    uint32_t count;
    struct id_extent extent[];
};

struct user_ns {
    struct namespace base;                  // base.owner is the parent
    unsigned level;                         // immutable: 1 below the initial one
    uint32_t owner_uid, owner_gid;          // of the maker, machine ids; immutable
    bool maker_could_setfcap;               // immutable
    _Atomic bool setgroups_denied;          // once true it stays
    _Atomic(struct id_map *) map[ID_KINDS]; // NULL until written, then immutable
};

// A child of `parent` made by somebody with credentials `maker`. NULL without memory.
struct user_ns *user_ns_create(struct user_ns *parent, const struct cred *maker, uint32_t inum);
static inline struct user_ns *user_ns_get(struct user_ns *ns)
{
    return (struct user_ns *)(void *)namespace_get((struct namespace *)(void *)ns);
}
static inline void user_ns_put(struct user_ns *ns)
{
    namespace_put((struct namespace *)(void *)ns);
}
static inline struct user_ns *user_ns_parent(const struct user_ns *ns)
{
    return ns->base.owner;
}

// The machine's id for what `ns` calls `id`; ID_NONE when it is not mapped.
uint32_t user_ns_to_machine(const struct user_ns *ns, enum id_kind kind, uint32_t id);
// The reverse.
uint32_t user_ns_from_machine(const struct user_ns *ns, enum id_kind kind, uint32_t machine);
// What is shown for an id: ID_OVERFLOW when it is not mapped.
static inline uint32_t user_ns_show(const struct user_ns *ns, enum id_kind kind, uint32_t machine)
{
    if (LIKELY(!ns))
        return machine;
    uint32_t id = user_ns_from_machine(ns, kind, machine);
    return id == ID_NONE ? (uint32_t)ID_OVERFLOW : id;
}

// Sets the map from the text of a write to /proc/PID/{uid,gid}_map. `writer` are the credentials
// of who writes. -LINUX_EINVAL for text that is none, -LINUX_EPERM.
NODISCARD int user_ns_write_map(struct user_ns *ns, enum id_kind kind, const struct cred *writer,
                                char *text);
// "deny" and "allow" of /proc/PID/setgroups.
NODISCARD int user_ns_write_setgroups(struct user_ns *ns, const struct cred *writer,
                                      const char *text);
bool user_ns_may_setgroups(struct user_ns *ns);
// Do file capabilities that count for the namespace whose root is the machine's user `root` count
// in `ns`? (fs/fcap.c)
bool fcap_counts(const struct user_ns *ns, uint32_t root);

#endif
