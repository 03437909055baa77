// Intrusive circular doubly linked list. The head is a node too. Not thread-safe: the owner's lock
// guards it. Layer 0.
#ifndef PLATFORM_BASE_LIST_H
#define PLATFORM_BASE_LIST_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

// True for an empty head, and for a node that is on no list (if it was list_init'ed or removed).
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void list_add_head(struct list *head, struct list *n)
{
    list_insert_between(n, head, head->next);
}

static inline void list_add_tail(struct list *head, struct list *n)
{
    list_insert_between(n, head->prev, head);
}

// Leaves `n` initialised, so removing twice is harmless.
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

// Moves every node of `from` to the end of `to`; `from` becomes empty.
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) CONTAINER_OF(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

// At the end `pos` is where the head would be an element, which it is not, perhaps not even
// aligned: its node is found by arithmetic.
#define list_node(pos, member)                                                                     \
    ((struct list *)((uintptr_t)(pos) + offsetof(__typeof__(*(pos)), member)))

#define list_for_each(pos, head, member)                                                           \
    for (pos = list_entry((head)->next, __typeof__(*pos), member);                                 \
         list_node(pos, member) != (head);                                                         \
         pos = list_entry(list_node(pos, member)->next, __typeof__(*pos), member))

// Safe against removal of `pos`; `tmp` is of the same pointer type.
#define list_for_each_safe(pos, tmp, head, member)                                                 \
    for (pos = list_entry((head)->next, __typeof__(*pos), member),                                 \
        tmp = list_entry(list_node(pos, member)->next, __typeof__(*pos), member);                  \
         list_node(pos, member) != (head);                                                         \
         pos = tmp, tmp = list_entry(list_node(tmp, member)->next, __typeof__(*tmp), member))

#endif
