#include "fs/landlock.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// --- Layers --------------------------------------------------------------------------------------

struct landlock_layer *landlock_layer_create(uint32_t handled)
{
    struct landlock_layer *layer = calloc(1, sizeof *layer);
    if (layer) {
        atomic_init(&layer->refs, 1);
        layer->handled = handled;
    }
    return layer;
}

void landlock_layer_put(struct landlock_layer *layer)
{
    if (!layer || atomic_fetch_sub_explicit(&layer->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < layer->count; i++) {
        struct super *super = layer->rules[i].inode->super;
        inode_put(layer->rules[i].inode);
        super_put(super);
    }
    free(layer->rules);
    free(layer);
}

// Where the rule of an inode is, or would be.
static size_t rule_index(const struct landlock_layer *layer, const struct inode *inode)
{
    size_t low = 0, high = layer->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if ((uintptr_t)layer->rules[mid].inode < (uintptr_t)inode)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t granted_by(const struct landlock_layer *layer, const struct inode *inode)
{
    size_t i = rule_index(layer, inode);
    return i < layer->count && layer->rules[i].inode == inode ? layer->rules[i].granted : 0;
}

int landlock_layer_grant(struct landlock_layer *layer, struct inode *inode, uint32_t granted)
{
    size_t i = rule_index(layer, inode);
    if (i < layer->count && layer->rules[i].inode == inode) {
        layer->rules[i].granted |= granted;
        return 0;
    }
    if (layer->count == LANDLOCK_RULES_MAX)
        return -LINUX_E2BIG;
    if (layer->count == layer->room) {
        size_t room = layer->room ? 2 * layer->room : 8;
        void *more = realloc(layer->rules, room * sizeof *layer->rules);
        if (!more)
            return -LINUX_ENOMEM;
        layer->rules = more;
        layer->room = room;
    }
    memmove(&layer->rules[i + 1], &layer->rules[i], (layer->count - i) * sizeof *layer->rules);
    super_get(inode->super);
    layer->rules[i] = (struct landlock_rule){inode_get(inode), granted};
    layer->count++;
    return 0;
}

struct landlock_layer *landlock_layer_copy(const struct landlock_layer *from)
{
    struct landlock_layer *layer = landlock_layer_create(from->handled);
    for (size_t i = 0; layer && i < from->count; i++)
        if (landlock_layer_grant(layer, from->rules[i].inode, from->rules[i].granted)) {
            landlock_layer_put(layer);
            return NULL;
        }
    return layer;
}

// --- Domains -------------------------------------------------------------------------------------

struct landlock_domain *landlock_get(struct landlock_domain *domain)
{
    if (domain)
        atomic_fetch_add_explicit(&domain->refs, 1, memory_order_relaxed);
    return domain;
}

void landlock_put(struct landlock_domain *domain)
{
    while (domain && atomic_fetch_sub_explicit(&domain->refs, 1, memory_order_acq_rel) == 1) {
        struct landlock_domain *parent = domain->parent;
        for (unsigned i = 0; i < domain->count; i++)
            landlock_layer_put(domain->layers[i]);
        free(domain);
        domain = parent;
    }
}

int landlock_domain_create(struct landlock_domain *parent, struct landlock_layer *layer,
                           struct landlock_domain **out)
{
    unsigned below = parent ? parent->count : 0;
    struct landlock_domain *d = below < LANDLOCK_LAYERS_MAX ? calloc(1, sizeof *d) : NULL;
    if (!d) {
        landlock_layer_put(layer);
        return below < LANDLOCK_LAYERS_MAX ? -LINUX_ENOMEM : -LINUX_E2BIG;
    }
    atomic_init(&d->refs, 1);
    d->parent = landlock_get(parent);
    for (unsigned i = 0; i < below; i++) {
        d->layers[i] = parent->layers[i];
        atomic_fetch_add_explicit(&d->layers[i]->refs, 1, memory_order_relaxed);
    }
    d->layers[below] = layer;
    d->count = below + 1;
    *out = d;
    return 0;
}

bool landlock_within(const struct landlock_domain *inner, const struct landlock_domain *outer)
{
    while (inner && inner != outer)
        inner = inner->parent;
    return inner == outer;
}

// --- Walking up ----------------------------------------------------------------------------------

static void take_grants(const struct landlock_domain *domain, const struct inode *inode,
                        uint32_t denied[LANDLOCK_LAYERS_MAX])
{
    for (unsigned i = 0; i < domain->count; i++)
        denied[i] &= ~granted_by(domain->layers[i], inode);
}

// What each layer denies at `p`. A change of directory is denied by every layer that does not grant
// it, whether it handles that or not.
static void denials(struct vfs *vfs, const struct landlock_domain *domain, const struct path *p,
                    uint32_t denied[LANDLOCK_LAYERS_MAX])
{
    if (!p->mnt->super || p->dentry->anonymous) { // in no tree: nobody can grant anything
        memset(denied, 0, domain->count * sizeof denied[0]);
        return;
    }
    for (unsigned i = 0; i < domain->count; i++)
        denied[i] = domain->layers[i]->handled | LANDLOCK_REFER;
    struct path at = *p;
    path_get(&at);
    for (;;) {
        take_grants(domain, at.dentry->inode, denied);
        bool more = true;
        while (more && at.dentry == at.mnt->root)
            more = mount_up(vfs, &at);
        struct dentry *up = more ? dentry_parent(vfs, at.dentry) : NULL;
        if (!up)
            break;
        bool top = up == at.dentry;
        dentry_put(at.dentry);
        at.dentry = up;
        if (top)
            break;
    }
    path_put(&at);
}

int landlock_check(const struct vfs_caller *c, const struct path *p, uint32_t request)
{
    const struct landlock_domain *domain = c->cred->landlock;
    uint32_t denied[LANDLOCK_LAYERS_MAX], missing = 0;
    if (LIKELY(!domain))
        return 0;
    denials(c->vfs, domain, p, denied);
    for (unsigned i = 0; i < domain->count; i++)
        missing |= denied[i] & request;
    return missing ? -LINUX_EACCES : 0;
}

uint32_t landlock_making(uint32_t type)
{
    switch (type) {
    case LINUX_S_IFLNK:
        return LANDLOCK_MAKE_SYM;
    case LINUX_S_IFDIR:
        return LANDLOCK_MAKE_DIR;
    case LINUX_S_IFCHR:
        return LANDLOCK_MAKE_CHAR;
    case LINUX_S_IFBLK:
        return LANDLOCK_MAKE_BLOCK;
    case LINUX_S_IFIFO:
        return LANDLOCK_MAKE_FIFO;
    case LINUX_S_IFSOCK:
        return LANDLOCK_MAKE_SOCK;
    default:
        return LANDLOCK_MAKE_REG;
    }
}

// --- Moving --------------------------------------------------------------------------------------

void landlock_move_begin(const struct vfs_caller *c, const struct path *old_dir,
                         const struct path *new_dir, struct landlock_move *out)
{
    out->domain = c->cred->landlock;
    if (LIKELY(!out->domain))
        return;
    out->same_dir = old_dir->dentry == new_dir->dentry;
    denials(c->vfs, out->domain, old_dir, out->old_denied);
    denials(c->vfs, out->domain, new_dir, out->new_denied);
}

static uint32_t removing(const struct inode *inode)
{
    return !inode ? 0 : LINUX_S_ISDIR(inode->type) ? LANDLOCK_REMOVE_DIR : LANDLOCK_REMOVE_FILE;
}

// Would `object` be granted where it goes what it is denied where it is?
static bool gains(const struct landlock_domain *domain, const struct inode *object,
                  const uint32_t *from, const uint32_t *to)
{
    const uint32_t about = LINUX_S_ISDIR(object->type) ? LANDLOCK_ALL : LANDLOCK_OF_FILES;
    for (unsigned i = 0; i < domain->count; i++)
        if (from[i] & ~granted_by(domain->layers[i], object) & ~to[i] & about)
            return true;
    return false;
}

int landlock_move_check(const struct landlock_move *m, const struct inode *object,
                        const struct inode *target, bool removes, bool exchange)
{
    const struct landlock_domain *domain = m->domain;
    if (LIKELY(!domain))
        return 0;
    uint32_t at_old = exchange && target ? landlock_making(target->type) : 0;
    uint32_t at_new = landlock_making(object->type), missing = 0;
    if (removes) {
        at_old |= removing(object);
        at_new |= removing(target);
    }
    if (m->same_dir)
        at_old = at_new = at_old | at_new;
    else
        at_old |= LANDLOCK_REFER, at_new |= LANDLOCK_REFER;
    for (unsigned i = 0; i < domain->count; i++)
        missing |= (m->old_denied[i] & at_old) | (m->new_denied[i] & at_new);
    if (missing & ~(uint32_t)LANDLOCK_REFER)
        return -LINUX_EACCES;
    if (m->same_dir)
        return 0;
    if (missing || gains(domain, object, m->old_denied, m->new_denied) ||
        (exchange && target && gains(domain, target, m->new_denied, m->old_denied)))
        return -LINUX_EXDEV;
    return 0;
}
