#include "fs/user_ns.h"
#include "fs/cred.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <stdlib.h>
#include <string.h>

void namespace_init(struct namespace *ns, uint32_t kind, uint32_t inum, struct user_ns *owner,
                    void (*destroy)(struct namespace *ns))
{
    atomic_init(&ns->refs, 1);
    ns->kind = kind;
    ns->inum = inum;
    ns->owner = user_ns_get(owner);
    ns->destroy = destroy;
}

struct namespace *namespace_get(struct namespace *ns)
{
    if (ns)
        atomic_fetch_add_explicit(&ns->refs, 1, memory_order_relaxed);
    return ns;
}

void namespace_put(struct namespace *ns)
{
    if (!ns || atomic_fetch_sub_explicit(&ns->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct user_ns *owner = ns->owner;
    ns->destroy(ns);
    user_ns_put(owner);
}

static void user_ns_destroy(struct namespace *base)
{
    struct user_ns *ns = CONTAINER_OF(base, struct user_ns, base);
    for (unsigned kind = 0; kind < ID_KINDS; kind++)
        free(atomic_load_explicit(&ns->map[kind], memory_order_relaxed));
    free(ns);
}

struct user_ns *user_ns_create(struct user_ns *parent, const struct cred *maker, uint32_t inum)
{
    struct user_ns *ns = calloc(1, sizeof *ns);
    if (!ns)
        return NULL;
    namespace_init(&ns->base, (uint32_t)LINUX_CLONE_NEWUSER, inum, parent, user_ns_destroy);
    ns->level = parent ? parent->level + 1 : 1;
    ns->owner_uid = maker->euid;
    ns->owner_gid = maker->egid;
    ns->maker_could_setfcap = maker->cap_effective >> LINUX_CAP_SETFCAP & 1;
    bool denied = parent && atomic_load_explicit(&parent->setgroups_denied, memory_order_relaxed);
    atomic_init(&ns->setgroups_denied, denied);
    return ns;
}

// --- Translation ---------------------------------------------------------------------------------

static const struct id_map *map_of(const struct user_ns *ns, enum id_kind kind)
{
    return atomic_load_explicit(&ns->map[kind], memory_order_acquire);
}

uint32_t user_ns_to_machine(const struct user_ns *ns, enum id_kind kind, uint32_t id)
{
    if (!ns)
        return id;
    const struct id_map *map = map_of(ns, kind);
    for (uint32_t i = 0; map && i < map->count; i++) {
        const struct id_extent *e = &map->extent[i];
        if (id >= e->first && id - e->first < e->count)
            return e->machine + (id - e->first);
    }
    return ID_NONE;
}

uint32_t user_ns_from_machine(const struct user_ns *ns, enum id_kind kind, uint32_t machine)
{
    if (!ns)
        return machine;
    const struct id_map *map = map_of(ns, kind);
    for (uint32_t i = 0; map && i < map->count; i++) {
        const struct id_extent *e = &map->extent[i];
        if (machine >= e->machine && machine - e->machine < e->count)
            return e->first + (machine - e->machine);
    }
    return ID_NONE;
}

// The machine's id of a whole range of the parent's, which must lie in one extent.
static uint32_t range_to_machine(const struct user_ns *ns, enum id_kind kind, uint32_t id,
                                 uint32_t count)
{
    if (!ns)
        return id;
    const struct id_map *map = map_of(ns, kind);
    for (uint32_t i = 0; map && i < map->count; i++) {
        const struct id_extent *e = &map->extent[i];
        if (id >= e->first && id - e->first < e->count && e->count - (id - e->first) >= count)
            return e->machine + (id - e->first);
    }
    return ID_NONE;
}

// --- Writing a map -------------------------------------------------------------------------------

static bool parse_id(const char **at, uint32_t *out)
{
    uint64_t n = 0;
    *at += strspn(*at, " \t");
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || ((*at)[digits] && !strchr(" \t", (*at)[digits])))
        return false;
    for (; digits > 0; digits--) {
        n = n * 10 + (uint64_t)(*(*at)++ - '0');
        if (n > UINT32_MAX)
            return false;
    }
    *out = (uint32_t)n;
    return true;
}

static bool overlaps(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
    return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

// One line; `machine` holds the parent's id for now.
static int parse_line(const char *line, struct id_map *map)
{
    struct id_extent e;
    if (!parse_id(&line, &e.first) || !parse_id(&line, &e.machine) || !parse_id(&line, &e.count))
        return -LINUX_EINVAL;
    if (line[strspn(line, " \t")] || e.first == ID_NONE || e.machine == ID_NONE)
        return -LINUX_EINVAL;
    if (e.count == 0 || (uint64_t)e.first + e.count > UINT32_MAX ||
        (uint64_t)e.machine + e.count > UINT32_MAX)
        return -LINUX_EINVAL;
    for (uint32_t i = 0; i < map->count; i++)
        if (overlaps(e.first, e.count, map->extent[i].first, map->extent[i].count) ||
            overlaps(e.machine, e.count, map->extent[i].machine, map->extent[i].count))
            return -LINUX_EINVAL;
    if (map->count == ID_EXTENTS_MAX)
        return -LINUX_EINVAL;
    map->extent[map->count++] = e;
    return 0;
}

static int parse_map(char *text, struct id_map *map)
{
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
        if (!*line && !rest)
            break; // the end of the last line
        int err = parse_line(line, map);
        if (err)
            return err;
    }
    return map->count ? 0 : -LINUX_EINVAL;
}

// Mapping the parent's root takes what writing file capabilities in its name would take.
static bool root_allowed(const struct user_ns *ns, const struct cred *writer,
                         const struct id_map *map)
{
    bool maps_root = false;
    for (uint32_t i = 0; i < map->count; i++)
        maps_root |= map->extent[i].machine == 0;
    if (!maps_root)
        return true;
    if (writer->user_ns == ns)
        return ns->maker_could_setfcap;
    return cred_capable_in(writer, user_ns_parent(ns), LINUX_CAP_SETFCAP);
}

// The rules of user_namespaces(7), "Defining user and group ID mappings". `map` has machine ids.
static bool map_allowed(struct user_ns *ns, enum id_kind kind, const struct cred *writer,
                        const struct id_map *map)
{
    bool own = map->count == 1 && map->extent[0].count == 1 && ns->owner_uid == writer->euid;
    if (own && kind == ID_UID && map->extent[0].machine == writer->euid)
        return true;
    if (own && kind == ID_GID && map->extent[0].machine == writer->egid &&
        atomic_load_explicit(&ns->setgroups_denied, memory_order_acquire))
        return true;
    return cred_capable_in(writer, user_ns_parent(ns),
                           kind == ID_UID ? LINUX_CAP_SETUID : LINUX_CAP_SETGID);
}

static int check_map(struct user_ns *ns, enum id_kind kind, const struct cred *writer,
                     struct id_map *map)
{
    if (kind == ID_UID && !root_allowed(ns, writer, map))
        return -LINUX_EPERM;
    for (uint32_t i = 0; i < map->count; i++) {
        struct id_extent *e = &map->extent[i];
        e->machine = range_to_machine(user_ns_parent(ns), kind, e->machine, e->count);
        if (e->machine == ID_NONE)
            return -LINUX_EPERM;
    }
    return map_allowed(ns, kind, writer, map) ? 0 : -LINUX_EPERM;
}

int user_ns_write_map(struct user_ns *ns, enum id_kind kind, const struct cred *writer, char *text)
{
    if (!ns || (writer->user_ns != ns && writer->user_ns != user_ns_parent(ns)) ||
        map_of(ns, kind) || !cred_capable_in(writer, ns, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    struct id_map *map = calloc(1, sizeof *map + ID_EXTENTS_MAX * sizeof map->extent[0]);
    if (!map)
        return -LINUX_ENOMEM;
    int err = parse_map(text, map);
    if (!err)
        err = check_map(ns, kind, writer, map);
    struct id_map *none = NULL;
    if (!err && !atomic_compare_exchange_strong_explicit(
                    &ns->map[kind], &none, map, memory_order_acq_rel, memory_order_relaxed))
        err = -LINUX_EPERM;
    if (err)
        free(map);
    return err;
}

int user_ns_write_setgroups(struct user_ns *ns, const struct cred *writer, const char *text)
{
    size_t len = strcspn(text, " \n\t");
    bool allow = len == 5 && !strncmp(text, "allow", len);
    bool deny = len == 4 && !strncmp(text, "deny", len);
    if ((!allow && !deny) || text[len + strspn(text + len, " \n\t")])
        return -LINUX_EINVAL;
    if (!cred_capable_in(writer, ns, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EACCES;
    bool denied = ns && atomic_load_explicit(&ns->setgroups_denied, memory_order_acquire);
    if (allow)
        return denied ? -LINUX_EPERM : 0;
    if (!ns || map_of(ns, ID_GID))
        return -LINUX_EPERM;
    atomic_store_explicit(&ns->setgroups_denied, true, memory_order_release);
    return 0;
}

bool user_ns_may_setgroups(struct user_ns *ns)
{
    return !ns || (map_of(ns, ID_GID) &&
                   !atomic_load_explicit(&ns->setgroups_denied, memory_order_acquire));
}
