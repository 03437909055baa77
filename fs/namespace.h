// What namespaces of every kind have in common (namespaces(7)). Layer 3.
//
// The initial namespaces of users and processes have no object: NULL stands for them wherever a
// `struct user_ns *` or `struct pid_ns *` is kept, so that a guest without namespaces pays nothing.
#ifndef FS_NAMESPACE_H
#define FS_NAMESPACE_H

#include <stdatomic.h>
#include <stdint.h>

struct user_ns;

struct namespace
{
    _Atomic uint32_t refs;
    uint32_t kind;                         // one LINUX_CLONE_NEW* flag; immutable
    uint32_t inum;                         // inode number in nsfs; immutable
    struct user_ns *owner;                 // whose capabilities govern it; referenced, immutable
    void (*destroy)(struct namespace *ns); // the last reference is gone: frees it
};

// Takes a reference to `owner`; the object starts with one reference.
void namespace_init(struct namespace *ns, uint32_t kind, uint32_t inum, struct user_ns *owner,
                    void (*destroy)(struct namespace *ns));
struct namespace *namespace_get(struct namespace *ns); // NULL stays NULL
void namespace_put(struct namespace *ns);              // harmless with NULL

#endif
