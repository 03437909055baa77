// The red-black tree: order, balance and subtree summaries under random insertions and removals.
#include "platform/base/rbtree.h"
#include "tests/unit/tap.h"
#include <stdint.h>
#include <stdlib.h>

struct item {
    struct rb_node node;
    unsigned key, max; // max: largest key below and here
    bool in;
};

static struct item *of(struct rb_node *n)
{
    return n ? rb_entry(n, struct item, node) : NULL;
}

static void update(struct rb_node *n)
{
    struct item *i = of(n), *l = of(n->left), *r = of(n->right);
    i->max = i->key;
    if (l && l->max > i->max)
        i->max = l->max;
    if (r && r->max > i->max)
        i->max = r->max;
}

static void insert(struct rb_root *root, struct item *item)
{
    struct rb_node *parent = NULL, **link = &root->top;
    while (*link) {
        parent = *link;
        link = item->key < of(parent)->key ? &parent->left : &parent->right;
    }
    rb_insert(root, &item->node, parent, link, update);
}

// Black height of a sound subtree, -1 otherwise.
static int check(struct rb_node *n, struct rb_node *parent)
{
    if (!n)
        return 1;
    unsigned max = of(n)->max;
    update(n);
    int l = check(n->left, n), r = check(n->right, n);
    bool sound = n->parent == parent && l == r && l > 0 && of(n)->max == max &&
                 !(n->red && parent && parent->red);
    return sound ? l + !n->red : -1;
}

int main(void)
{
    struct tap t = {0, 0};
    enum { N = 500 };
    static struct item item[N];
    struct rb_root root = {NULL};
    uint32_t seed = 1;
    bool sound = true, ordered = true;
    unsigned count = 0;
    for (unsigned i = 0; i < N; i++)
        item[i].key = i;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        struct item *x = &item[(seed >> 8) % N];
        if (x->in)
            rb_erase(&root, &x->node, update);
        else
            insert(&root, x);
        x->in = !x->in;
        count += x->in ? 1u : (unsigned)-1;
        if (step % 16)
            continue;
        sound &= check(root.top, NULL) > 0;
        unsigned seen = 0, last = 0;
        for (struct rb_node *n = rb_first(&root); n; n = rb_next(n)) {
            ordered &= seen == 0 || of(n)->key > last;
            last = of(n)->key;
            seen++;
        }
        ordered &= seen == count;
        for (struct rb_node *n = rb_last(&root); n; n = rb_prev(n))
            seen--;
        ordered &= seen == 0;
    }
    CHECK(&t, sound, "the tree stays balanced and its summaries right");
    CHECK(&t, ordered, "walking visits every node in order, both ways");
    return tap_finish(&t);
}
