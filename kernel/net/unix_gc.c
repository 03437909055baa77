// Sockets that are open only in messages that nobody can receive any more (unix(7): descriptors
// sent over each other's sockets, and all of them closed).
//
// A socket in transit counts the messages in inboxes that carry its file. When the file has no
// other reference it is a candidate. A candidate is garbage unless a message carries it that is not
// in the inbox of a candidate, or is in that of a candidate which is no garbage itself. Nobody has
// a descriptor of garbage, so once found it stays garbage, and its inbox stays as it is: messages
// that move while we look are noticed by `transits`, and we look again.
#include "fs/vfs.h"
#include "kernel/kernel.h"
#include "kernel/net/net.h"
#include "kernel/net/unix.h"
#include <stdlib.h>

enum { TRIES = 8, MANY = 64 };

static struct unix_sock *carried(const struct file *file)
{
    struct socket *s = socket_of(file);
    return s && s->family == LINUX_AF_UNIX ? unix_of(s) : NULL;
}

static void count(struct kernel *kernel, const struct scm_rights *rights, int change)
{
    struct net *net = kernel->net;
    lock_acquire(&net->lock);
    for (unsigned i = 0; i < rights->count; i++) {
        struct unix_sock *u = carried(rights->files[i]);
        if (!u)
            continue;
        if (!u->in_transit) {
            list_add_tail(&net->unix_in_transit, &u->transit_link);
            net->unix_in_transit_count++;
        }
        u->file = rights->files[i];
        u->in_transit = (unsigned)((int)u->in_transit + change);
        if (!u->in_transit) {
            list_remove(&u->transit_link);
            net->unix_in_transit_count--;
        }
    }
    net->unix_transits++;
    lock_release(&net->lock);
}

void unix_transit_begin(struct kernel *kernel, const struct scm_rights *rights)
{
    if (rights)
        count(kernel, rights, 1);
}

void unix_transit_end(struct kernel *kernel, const struct scm_rights *rights)
{
    if (rights)
        count(kernel, rights, -1);
}

// --- Looking -------------------------------------------------------------------------------------

// What one look works on. The candidates' gc fields are the collector's alone.
struct look {
    struct net *net;
    uint64_t transits;                        // net->unix_transits when it began
    struct unix_sock **candidates, **reached; // reached: each once; not referenced
    size_t count, reached_count;
};

static bool is_candidate(const struct unix_sock *u)
{
    return atomic_load_explicit(&u->file->refs, memory_order_acquire) == u->in_transit;
}

// Notes the candidates of this moment, each referenced. False without memory, or when there are
// none.
static bool find_candidates(struct look *look)
{
    struct net *net = look->net;
    struct unix_sock *u;
    lock_acquire(&net->lock);
    size_t total = net->unix_in_transit_count;
    look->candidates = total ? malloc(2 * total * sizeof(struct unix_sock *)) : NULL;
    look->reached = look->candidates ? look->candidates + total : NULL;
    look->transits = net->unix_transits;
    list_for_each (u, &net->unix_in_transit, transit_link) {
        u->gc_candidate = look->candidates && is_candidate(u);
        u->gc_outside = u->in_transit;
        if (u->gc_candidate)
            look->candidates[look->count++] = unix_get(u);
    }
    lock_release(&net->lock);
    return look->count > 0;
}

// What to do with a candidate that a message carries.
typedef void visitor(struct look *look, struct unix_sock *carried);

static void visit_inbox(struct look *look, struct unix_sock *u, visitor *visit)
    REQUIRES(u->base.lock)
{
    struct unix_message *msg;
    list_for_each (msg, &u->inbox, node) {
        for (unsigned i = 0; msg->rights && i < msg->rights->count; i++) {
            struct unix_sock *c = carried(msg->rights->files[i]);
            if (c && c->gc_candidate)
                visit(look, c);
        }
    }
}

// Every candidate carried by a message to `u`, or to a connection that waits at `u`.
static void visit_carried(struct look *look, struct unix_sock *u, visitor *visit)
{
    struct unix_sock *embryo;
    lock_acquire(&u->base.lock);
    visit_inbox(look, u, visit);
    list_for_each (embryo, &u->embryos, embryo_link) {
        lock_acquire_nested(&embryo->base.lock);
        visit_inbox(look, embryo, visit);
        lock_release(&embryo->base.lock);
    }
    lock_release(&u->base.lock);
}

static void discount(struct look *look, struct unix_sock *carried)
{
    (void)look;
    if (carried->gc_outside > 0)
        carried->gc_outside--;
}

// It can be received: no garbage, nor is what it carries.
static void reach(struct look *look, struct unix_sock *carried)
{
    carried->gc_candidate = false;
    look->reached[look->reached_count++] = carried;
}

// Takes from the candidates what can still be received.
static void mark(struct look *look)
{
    for (size_t i = 0; i < look->count; i++)
        visit_carried(look, look->candidates[i], discount);
    for (size_t i = 0; i < look->count; i++) {
        if (look->candidates[i]->gc_outside > 0)
            reach(look, look->candidates[i]);
    }
    for (size_t i = 0; i < look->reached_count; i++)
        visit_carried(look, look->reached[i], reach);
}

// Whether nothing moved since the look began.
static bool is_current(const struct look *look)
{
    struct net *net = look->net;
    lock_acquire(&net->lock);
    bool current = net->unix_transits == look->transits;
    for (size_t i = 0; current && i < look->count; i++)
        current = !look->candidates[i]->gc_candidate || is_candidate(look->candidates[i]);
    lock_release(&net->lock);
    return current;
}

static void empty_inbox(struct unix_sock *u, struct list *messages) REQUIRES(u->base.lock)
{
    list_splice_tail(messages, &u->inbox);
    u->inbox_count = 0;
    u->inbox_bytes = 0;
}

// Drops what was sent to garbage, which closes the sockets those messages carried.
static void drop_garbage(struct look *look)
{
    struct list messages;
    list_init(&messages);
    for (size_t i = 0; i < look->count; i++) {
        struct unix_sock *u = look->candidates[i], *embryo;
        if (!u->gc_candidate)
            continue;
        lock_acquire(&u->base.lock);
        empty_inbox(u, &messages);
        list_for_each (embryo, &u->embryos, embryo_link) {
            lock_acquire_nested(&embryo->base.lock);
            empty_inbox(embryo, &messages);
            lock_release(&embryo->base.lock);
        }
        lock_release(&u->base.lock);
    }
    struct unix_message *msg, *next;
    list_for_each_safe (msg, next, &messages, node) {
        list_remove(&msg->node);
        unix_message_free(msg);
    }
}

static bool look_once(struct net *net)
{
    struct look look = {.net = net};
    bool current = true;
    if (find_candidates(&look)) {
        mark(&look);
        current = is_current(&look);
        if (current)
            drop_garbage(&look);
    }
    for (size_t i = 0; i < look.count; i++)
        unix_put(look.candidates[i]);
    free(look.candidates);
    return current;
}

void unix_collect(struct kernel *kernel, bool force)
{
    struct net *net = kernel->net;
    lock_acquire(&net->lock);
    // Where many are in transit not every close is worth a look at all of them.
    if (force || ++net->unix_closes > net->unix_in_transit_count / MANY) {
        net->unix_closes = 0;
        net->unix_collect_wanted = net->unix_in_transit_count > 0;
    }
    // What is being closed closes more: one look when that is over will do.
    while (net->unix_collect_wanted && !net->unix_collecting && !net->burying) {
        net->unix_collecting = true;
        net->unix_collect_wanted = false;
        lock_release(&net->lock);
        for (unsigned i = 0; i < TRIES && !look_once(net); i++)
            continue;
        lock_acquire(&net->lock);
        net->unix_collecting = false;
    }
    lock_release(&net->lock);
}
