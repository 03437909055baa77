#include "platform/base/rbtree.h"

static void call(rb_update *update, struct rb_node *n)
{
    if (update && n)
        update(n);
}

void rb_propagate(struct rb_node *node, rb_update *update)
{
    for (; update && node; node = node->parent)
        update(node);
}

// Puts `with` where `old` hangs below its parent.
static void replace_child(struct rb_root *root, struct rb_node *old, struct rb_node *with)
{
    struct rb_node *parent = old->parent;
    if (!parent)
        root->top = with;
    else if (parent->left == old)
        parent->left = with;
    else
        parent->right = with;
    if (with)
        with->parent = parent;
}

static void rotate_left(struct rb_root *root, struct rb_node *n, rb_update *update)
{
    struct rb_node *up = n->right;
    replace_child(root, n, up);
    n->right = up->left;
    if (n->right)
        n->right->parent = n;
    up->left = n;
    n->parent = up;
    call(update, n);
    call(update, up);
}

static void rotate_right(struct rb_root *root, struct rb_node *n, rb_update *update)
{
    struct rb_node *up = n->left;
    replace_child(root, n, up);
    n->left = up->right;
    if (n->left)
        n->left->parent = n;
    up->right = n;
    n->parent = up;
    call(update, n);
    call(update, up);
}

static bool is_red(const struct rb_node *n)
{
    return n && n->red;
}

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
               struct rb_node **link, rb_update *update)
{
    node->parent = parent;
    node->left = node->right = NULL;
    node->red = true;
    *link = node;
    rb_propagate(node, update);

    struct rb_node *n = node;
    while (is_red(n->parent)) {
        struct rb_node *p = n->parent, *g = p->parent;
        struct rb_node *uncle = g->left == p ? g->right : g->left;
        if (is_red(uncle)) {
            p->red = uncle->red = false;
            g->red = true;
            n = g;
            continue;
        }
        if (g->left == p) {
            if (p->right == n) {
                rotate_left(root, p, update);
                p = n;
            }
            rotate_right(root, g, update);
        } else {
            if (p->left == n) {
                rotate_right(root, p, update);
                p = n;
            }
            rotate_left(root, g, update);
        }
        p->red = false;
        g->red = true;
        break;
    }
    root->top->red = false;
}

// The subtree at `n` (possibly empty, child of `p`) is one black node short.
static void fix_erase(struct rb_root *root, struct rb_node *n, struct rb_node *p, rb_update *update)
{
    while (p && !is_red(n)) {
        bool left = p->left == n;
        struct rb_node *s = left ? p->right : p->left;
        if (s->red) {
            s->red = false;
            p->red = true;
            if (left)
                rotate_left(root, p, update);
            else
                rotate_right(root, p, update);
            s = left ? p->right : p->left;
        }
        struct rb_node *near = left ? s->left : s->right;
        struct rb_node *far = left ? s->right : s->left;
        if (!is_red(near) && !is_red(far)) {
            s->red = true;
            n = p;
            p = n->parent;
            continue;
        }
        if (!is_red(far)) {
            near->red = false;
            s->red = true;
            if (left)
                rotate_right(root, s, update);
            else
                rotate_left(root, s, update);
            far = s;
            s = near;
        }
        s->red = p->red;
        p->red = far->red = false;
        if (left)
            rotate_left(root, p, update);
        else
            rotate_right(root, p, update);
        return;
    }
    if (n)
        n->red = false;
}

void rb_erase(struct rb_root *root, struct rb_node *node, rb_update *update)
{
    struct rb_node *child, *parent;
    bool black;
    if (node->left && node->right) {
        struct rb_node *next = node->right;
        while (next->left)
            next = next->left;
        child = next->right;
        black = !next->red;
        parent = next->parent == node ? next : next->parent;
        if (next->parent != node) {
            replace_child(root, next, child);
            next->right = node->right;
            next->right->parent = next;
        }
        replace_child(root, node, next);
        next->left = node->left;
        next->left->parent = next;
        next->red = node->red;
    } else {
        child = node->left ? node->left : node->right;
        parent = node->parent;
        black = !node->red;
        replace_child(root, node, child);
    }
    rb_propagate(parent, update);
    if (black)
        fix_erase(root, child, parent, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
    struct rb_node *n = root->top;
    while (n && n->left)
        n = n->left;
    return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
    struct rb_node *n = root->top;
    while (n && n->right)
        n = n->right;
    return n;
}

struct rb_node *rb_next(const struct rb_node *node)
{
    if (node->right) {
        struct rb_node *n = node->right;
        while (n->left)
            n = n->left;
        return n;
    }
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
    if (node->left) {
        struct rb_node *n = node->left;
        while (n->right)
            n = n->right;
        return n;
    }
    while (node->parent && node->parent->left == node)
        node = node->parent;
    return node->parent;
}
