// A model of the shootdown protocol (emu/mem.h), explored exhaustively: every interleaving of a few
// threads' atomic steps. As designed no interleaving breaks a promise; with any one rule taken away
// some interleaving does.
//
// Promises: a freed frame is never touched; after an unmap returned nobody sees the old page, and
// nobody sees it after somebody saw the new one; a word that was written reads back as written, in
// all threads of the address space and through the kernel's copies; what a fork gave the child
// changes by the child's hand alone; no more CPUs are GUEST than there are processors; nobody who
// holds a lock waits for guest code; a GUEST CPU always runs; and from every state the end can be
// reached.
#include "tests/unit/tap.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum mutation {
    AS_DESIGNED,
    GENERATION_READ_BEFORE_STATE, // rule 1
    NO_FLUSH,
    GENERATION_BEFORE_ENTRY, // rule 2
    GENERATION_NOT_MOVED,
    NO_POKE,
    NO_WAIT,
    FREE_BEFORE_WAIT,
    WAIT_IN_GUEST,
    WAIT_WITH_LOCK,
    LEAVE_TELLS_NOBODY,
    SYNC_TELLS_NOBODY,
    FILL_TAKES_LOCK,     // rule 4
    COPY_WITHOUT_ACCESS, // rule 5
    NO_TOKENS,           // rule 6
    COPY_UNSETTLED,      // rule 7
    INSTALL_UNSETTLED,
    REPLACE_AT_ONCE,
    MUTATIONS,
};
static const char *const mutation_name[MUTATIONS] = {
    [GENERATION_READ_BEFORE_STATE] = "1: the generation is read before the state is stored",
    [NO_FLUSH] = "1: a moved generation flushes nothing",
    [GENERATION_BEFORE_ENTRY] = "2: the generation moves before the entry changes",
    [GENERATION_NOT_MOVED] = "2: the generation does not move",
    [NO_POKE] = "2: nobody is poked",
    [NO_WAIT] = "2: nobody is waited for",
    [FREE_BEFORE_WAIT] = "2: frames are let go before the wait",
    [WAIT_IN_GUEST] = "2: the one who waits is still GUEST",
    [WAIT_WITH_LOCK] = "2: the lock is kept over the wait",
    [LEAVE_TELLS_NOBODY] = "2: leaving GUEST wakes no waiter",
    [SYNC_TELLS_NOBODY] = "2: taking a generation wakes no waiter",
    [FILL_TAKES_LOCK] = "4: a fill takes the owner's lock",
    [COPY_WITHOUT_ACCESS] = "5: the kernel copies outside ACCESS",
    [NO_TOKENS] = "6: there are no run tokens",
    [COPY_UNSETTLED] = "7: a page is copied while a removal is pending",
    [INSTALL_UNSETTLED] = "7: a page is installed while a removal is pending",
    [REPLACE_AT_ONCE] = "7: a copy replaces the old page before old translations are gone",
};

enum op {
    OP_END,
    OP_READ0,   // guest reads word 0
    OP_WRITE0,  // guest writes the next value to word 0
    OP_WRITE1,  // and to word 1
    OP_SPIN,    // guest reads word 0 until everybody else is through
    OP_KWRITE0, // the kernel writes word 0 for this thread (a read(2) into the page)
    OP_DISCARD, // madvise(DONTNEED): the next touch finds a fresh page
    OP_FORK,
    OP_CHILD, // not a thread of this address space: the child; writes word 0 once it runs
};

enum { THREADS = 3, OPS = 3, FRAMES = 6 };

enum start {
    ALONE,  // the page is this address space's own
    FORKED, // shared with a child since long ago; thread 1 is GUEST and has read it
    // Thread 0 is GUEST and wrote the page; another thread has forked since and a third began to
    // copy the page, and neither has waited yet.
    PENDING,
};

struct scenario {
    const char *name;
    uint8_t processors;
    uint8_t op[THREADS][OPS];
    enum start start;
};
static const struct scenario scenarios[] = {
    {"discard under readers", 3, {{OP_DISCARD}, {OP_SPIN}, {OP_READ0, OP_READ0}}, ALONE},
    {"two discards", 3, {{OP_DISCARD}, {OP_READ0, OP_DISCARD}, {OP_SPIN}}, ALONE},
    {"fork under writers", 3, {{OP_FORK}, {OP_WRITE0, OP_READ0}, {OP_WRITE1}}, ALONE},
    {"copy under a reader", 3, {{OP_WRITE0}, {OP_READ0}, {OP_WRITE1}}, FORKED},
    {"fork and child", 3, {{OP_FORK, OP_WRITE1}, {OP_READ0, OP_READ0}, {OP_CHILD}}, ALONE},
    {"fork under a kernel copy", 3, {{OP_FORK}, {OP_KWRITE0, OP_READ0}, {OP_WRITE1}}, ALONE},
    {"discard under a kernel copy", 3, {{OP_DISCARD}, {OP_KWRITE0}, {OP_READ0}}, ALONE},
    {"write under a pending fork", 3, {{OP_WRITE0, OP_READ0}, {OP_WRITE1}, {OP_READ0}}, PENDING},
    {"one processor", 1, {{OP_SPIN}, {OP_READ0}, {OP_DISCARD}}, ALONE},
};

enum cpu_state { KERNEL, ACCESS, GUEST };

// Steps of a thread; between two of them anybody may run.
enum pc {
    NEXT_OP,
    // KERNEL -> GUEST or ACCESS
    ENTER_TOKEN,
    ENTER_STATE,
    ENTER_READ_GEN,
    ENTER_FLUSH,
    ENTER_TELL,
    // running
    RUN,
    FILL_LOCK,
    FILL_READ,
    FILL_INSERT,
    TOUCH,
    // and back
    LEAVE,
    LEAVE_TELL,
    // fault in the kernel
    FAULT_LOCK,
    FAULT_LOOK,
    FAULT_COPY1,
    FAULT_INSTALL,
    // discard, fork
    CHANGE_LOCK,
    CHANGE_ENTRY,
    MOVE_GEN,
    UNLOCK,
    // waiting
    WAIT_POKE,
    WAIT_COUNT,
    WAIT_CHECK,
    WAIT_ASLEEP,
    WAIT_DONE,
    RELEASE,
    // child
    CHILD_START,
    CHILD_WRITE,
    CHILD_CHECK,
    DONE,
};

struct thread {
    uint8_t pc, op;
    uint8_t state, seen, poke, holds_token;
    uint8_t tlb_frame, tlb_write; // frame 0: none
    uint8_t gen;                  // register: generation read, or waited for
    uint8_t frame, write;         // registers of a fill
    uint8_t fresh;                // frame being made by a fault
    uint8_t release;              // frame to let go after the wait
    uint8_t faulted, after;       // after: where to go on after the wait
    uint8_t asleep, access;
};

struct model {
    struct thread t[THREADS];
    uint8_t lock; // thread + 1
    uint8_t pte_frame, pte_read, pte_write;
    uint8_t gen, settled, waiters;
    uint8_t word[FRAMES][2];
    uint8_t maps[FRAMES], freed[FRAMES], next_frame;
    uint8_t truth[2];     // what the address space's threads wrote last
    uint8_t newest;       // newest page of a discard that somebody saw
    uint8_t discarded_by; // pages up to this one are gone for good
    uint8_t child_frame, child_runs, child_word;
    uint8_t broken;
} __attribute__((aligned(8)));

static enum mutation mutation;
static const struct scenario *scenario;

enum { PROMISE_OF_PROTOCOL = 1, FRAMES_OF_MODEL = 2 };
#define PROMISE(m, cond)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            (m)->broken = PROMISE_OF_PROTOCOL;                                                     \
    } while (0)

static enum op current_op(const struct model *m, int i)
{
    return m->t[i].op < OPS ? scenario->op[i][m->t[i].op] : OP_END;
}

static bool writes(enum op op)
{
    return op == OP_WRITE0 || op == OP_WRITE1 || op == OP_KWRITE0;
}

// True when a write through the entry needs no fault.
static bool entry_writable(const struct model *m)
{
    return m->pte_frame && m->pte_write && m->maps[m->pte_frame] == 1;
}

static bool busy(const struct thread *t)
{
    return t->state != KERNEL;
}

static bool stale(const struct model *m, uint8_t gen)
{
    for (int i = 0; i < THREADS; i++)
        if (busy(&m->t[i]) && m->t[i].seen < gen)
            return true;
    return false;
}

static void wake_all(struct model *m)
{
    for (int i = 0; i < THREADS; i++)
        m->t[i].asleep = 0;
}

static void unmap_frame(struct model *m, uint8_t frame)
{
    if (frame && --m->maps[frame] == 0)
        m->freed[frame] = 1;
}

static bool others_done(const struct model *m, int me)
{
    for (int i = 0; i < THREADS; i++)
        if (i != me && m->t[i].pc != DONE && scenario->op[i][0] != OP_SPIN)
            return false;
    return true;
}

static unsigned guests(const struct model *m)
{
    unsigned n = 0;
    for (int i = 0; i < THREADS; i++)
        n += m->t[i].state == GUEST;
    return n;
}

static unsigned tokens_held(const struct model *m)
{
    unsigned n = 0;
    for (int i = 0; i < THREADS; i++)
        n += m->t[i].holds_token;
    return n;
}

static void start_wait(struct model *m, struct thread *t, enum pc after)
{
    t->gen = m->gen;
    t->after = (uint8_t)after;
    t->pc = mutation == NO_WAIT ? (uint8_t)after : WAIT_POKE;
    if (mutation == WAIT_IN_GUEST)
        t->state = GUEST;
}

// The guest, or the kernel for it, touches the page through the TLB.
static void touch(struct model *m, int i, enum op op)
{
    struct thread *t = &m->t[i];
    uint8_t f = t->tlb_frame;
    PROMISE(m, !m->freed[f]);
    PROMISE(m, f > m->discarded_by);
    PROMISE(m, f >= m->newest);
    if (scenario->op[0][0] == OP_DISCARD || scenario->op[2][0] == OP_DISCARD ||
        scenario->op[1][1] == OP_DISCARD) {
        m->newest = f > m->newest ? f : m->newest;
        return;
    }
    unsigned w = op == OP_WRITE1;
    if (writes(op))
        m->truth[w] = ++m->word[f][w];
    else
        PROMISE(m, m->word[f][0] == m->truth[0]);
}

static bool step_enter(struct model *m, struct thread *t)
{
    switch ((enum pc)t->pc) {
    case ENTER_TOKEN:
        if (!t->access && mutation != NO_TOKENS && !t->holds_token) {
            if (tokens_held(m) >= scenario->processors) {
                bool asked = false;
                for (int j = 0; j < THREADS; j++) {
                    if (m->t[j].holds_token && !m->t[j].poke && m->t[j].state == GUEST)
                        m->t[j].poke = asked = true;
                }
                return asked;
            }
            t->holds_token = 1;
        }
        if (mutation == GENERATION_READ_BEFORE_STATE)
            t->gen = m->gen;
        t->pc = ENTER_STATE;
        return true;
    case ENTER_STATE:
        if (!(t->access && mutation == COPY_WITHOUT_ACCESS))
            t->state = t->access ? ACCESS : GUEST;
        t->pc = ENTER_READ_GEN;
        return true;
    case ENTER_READ_GEN:
        if (mutation != GENERATION_READ_BEFORE_STATE)
            t->gen = m->gen;
        t->pc = ENTER_FLUSH;
        return true;
    case ENTER_FLUSH:
        t->pc = RUN;
        if (t->gen == t->seen)
            return true;
        if (mutation != NO_FLUSH)
            t->tlb_frame = 0;
        t->seen = t->gen;
        t->pc = ENTER_TELL;
        return true;
    default: // ENTER_TELL
        if (m->waiters && mutation != SYNC_TELLS_NOBODY)
            wake_all(m);
        t->pc = RUN;
        return true;
    }
}

static bool step_run(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    enum op op = current_op(m, i);
    switch ((enum pc)t->pc) {
    case RUN:
        t->faulted = 0;
        if (t->state == GUEST && t->poke) {
            t->poke = 0;
            t->pc = LEAVE;
        } else if (op == OP_SPIN && others_done(m, i)) {
            t->op++;
            t->pc = LEAVE;
        } else if (t->tlb_frame && (!writes(op) || t->tlb_write)) {
            t->pc = TOUCH;
        } else {
            t->pc = mutation == FILL_TAKES_LOCK ? FILL_LOCK : FILL_READ;
        }
        return true;
    case FILL_LOCK:
        // The lock is free again at once; what counts is that the CPU may have to wait for it.
        if (m->lock) {
            PROMISE(m, t->state != GUEST);
            return false;
        }
        t->pc = FILL_READ;
        return true;
    case FILL_READ:
        t->frame = m->pte_frame && m->pte_read ? m->pte_frame : 0;
        t->write = entry_writable(m);
        t->pc = FILL_INSERT;
        return true;
    case FILL_INSERT:
        if (!t->frame || (writes(op) && !t->write)) {
            t->faulted = 1;
            t->pc = LEAVE;
        } else {
            t->tlb_frame = t->frame;
            t->tlb_write = t->write;
            t->pc = TOUCH;
        }
        return true;
    case TOUCH:
        touch(m, i, op);
        if (op != OP_SPIN)
            t->op++;
        t->pc = op == OP_SPIN ? RUN : LEAVE;
        return true;
    case LEAVE:
        t->state = KERNEL;
        t->holds_token = 0;
        t->pc = LEAVE_TELL;
        return true;
    default: // LEAVE_TELL
        if (m->waiters && mutation != LEAVE_TELLS_NOBODY)
            wake_all(m);
        t->pc = t->faulted ? FAULT_LOCK : NEXT_OP;
        return true;
    }
}

// What mm_fault does with the page at hand.
static void fault_look(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    enum op op = current_op(m, i);
    bool settled = m->settled == m->gen;
    // A page without rights is one that somebody began to copy: whoever comes next finishes it.
    bool copy = m->pte_frame && m->maps[m->pte_frame] > 1 && (writes(op) || !m->pte_read);
    t->pc = NEXT_OP;
    if (m->pte_frame && !copy) {
        m->pte_read = m->pte_write = 1; // adding rights
        m->lock = 0;
        return;
    }
    if (!settled && mutation != (copy ? COPY_UNSETTLED : INSTALL_UNSETTLED)) {
        m->lock = 0;
        start_wait(m, t, FAULT_LOCK);
        t->release = 0;
        return;
    }
    if (copy && m->pte_read && mutation != REPLACE_AT_ONCE) {
        // First nobody may see the old page any more.
        m->pte_read = m->pte_write = 0;
        m->gen++;
        m->lock = 0;
        start_wait(m, t, FAULT_LOCK);
        return;
    }
    t->fresh = m->next_frame++;
    if (t->fresh >= FRAMES) {
        m->broken = FRAMES_OF_MODEL;
        return;
    }
    t->frame = m->pte_frame;
    if (copy)
        m->word[t->fresh][0] = m->word[t->frame][0];
    t->pc = copy ? FAULT_COPY1 : FAULT_INSTALL;
}

static bool step_fault(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    switch ((enum pc)t->pc) {
    case FAULT_LOCK:
        if (m->lock)
            return false;
        m->lock = (uint8_t)(i + 1);
        t->pc = FAULT_LOOK;
        return true;
    case FAULT_LOOK:
        fault_look(m, i);
        return true;
    case FAULT_COPY1:
        m->word[t->fresh][1] = m->word[t->frame][1];
        t->pc = FAULT_INSTALL;
        return true;
    default: // FAULT_INSTALL
        m->maps[t->fresh] = 1;
        t->release = m->pte_frame;
        m->pte_frame = t->fresh;
        m->pte_read = m->pte_write = 1;
        if (t->release)
            m->gen++;
        m->lock = 0;
        if (t->release)
            start_wait(m, t, RELEASE);
        else
            t->pc = NEXT_OP;
        return true;
    }
}

static void change_entry(struct model *m, struct thread *t, enum op op)
{
    t->release = 0;
    if (op == OP_DISCARD) {
        t->release = m->pte_frame;
        m->pte_frame = 0;
    } else if (m->pte_frame) {
        m->maps[m->pte_frame]++; // shared with the child: nobody writes it now
        m->child_frame = m->pte_frame;
    }
    if (mutation == FREE_BEFORE_WAIT) {
        unmap_frame(m, t->release);
        t->release = 0;
    }
}

static bool step_change(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    enum op op = current_op(m, i);
    switch ((enum pc)t->pc) {
    case CHANGE_LOCK:
        if (m->lock)
            return false;
        m->lock = (uint8_t)(i + 1);
        t->pc = CHANGE_ENTRY;
        if (mutation == GENERATION_BEFORE_ENTRY)
            m->gen++;
        return true;
    case CHANGE_ENTRY:
        change_entry(m, t, op);
        t->pc = MOVE_GEN;
        return true;
    case MOVE_GEN:
        if (mutation != GENERATION_BEFORE_ENTRY && mutation != GENERATION_NOT_MOVED)
            m->gen++;
        t->pc = UNLOCK;
        return true;
    default: // UNLOCK
        if (mutation != WAIT_WITH_LOCK)
            m->lock = 0;
        start_wait(m, t, RELEASE);
        return true;
    }
}

static bool step_wait(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    switch ((enum pc)t->pc) {
    case WAIT_POKE:
        for (int j = 0; j < THREADS; j++)
            if (busy(&m->t[j]) && m->t[j].seen < t->gen && mutation != NO_POKE)
                m->t[j].poke = 1;
        t->pc = WAIT_COUNT;
        return true;
    case WAIT_COUNT:
        m->waiters++;
        t->pc = WAIT_CHECK;
        return true;
    case WAIT_CHECK:
        // Checking and falling asleep are one step: a waker needs the lock that is held for both.
        if (stale(m, t->gen)) {
            PROMISE(m, m->lock != i + 1);
            t->asleep = 1;
            t->pc = WAIT_ASLEEP;
        } else {
            t->pc = WAIT_DONE;
        }
        return true;
    case WAIT_ASLEEP:
        if (t->asleep)
            return false;
        t->pc = WAIT_CHECK;
        return true;
    default: // WAIT_DONE
        m->waiters--;
        if (m->settled < t->gen)
            m->settled = t->gen;
        t->state = KERNEL;
        t->pc = t->after;
        if (m->lock == i + 1)
            m->lock = 0;
        return true;
    }
}

static void release(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    enum op op = current_op(m, i);
    uint8_t frame = t->release;
    t->release = 0;
    t->pc = NEXT_OP;
    t->state = KERNEL;
    unmap_frame(m, frame);
    if (op == OP_DISCARD) {
        m->discarded_by = frame > m->discarded_by ? frame : m->discarded_by;
        t->op++;
    } else if (op == OP_FORK) {
        m->child_runs = 1;
        m->child_word = m->word[m->child_frame][0];
        t->op++;
    }
}

// The child has a table of its own; its write copies unless it is the last to have the page.
static bool step_child(struct model *m, struct thread *t)
{
    switch ((enum pc)t->pc) {
    case CHILD_START:
        if (!m->child_runs)
            return false;
        PROMISE(m, m->word[m->child_frame][0] == m->child_word);
        t->pc = CHILD_WRITE;
        return true;
    case CHILD_WRITE:
        PROMISE(m, m->word[m->child_frame][0] == m->child_word);
        if (m->maps[m->child_frame] > 1) {
            uint8_t fresh = m->next_frame++;
            if (fresh >= FRAMES) {
                m->broken = FRAMES_OF_MODEL;
                return true;
            }
            memcpy(m->word[fresh], m->word[m->child_frame], 2);
            m->maps[fresh] = 1;
            unmap_frame(m, m->child_frame);
            m->child_frame = fresh;
        }
        m->child_word = m->word[m->child_frame][0] = 100;
        t->pc = CHILD_CHECK;
        return true;
    default: // CHILD_CHECK
        PROMISE(m, m->word[m->child_frame][0] == m->child_word);
        t->op++;
        t->pc = NEXT_OP;
        return true;
    }
}

static bool next_op(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    t->access = 0;
    switch (current_op(m, i)) {
    case OP_END:
        t->pc = DONE;
        t->tlb_frame = 0;
        break;
    case OP_DISCARD:
    case OP_FORK:
        t->pc = CHANGE_LOCK;
        break;
    case OP_CHILD:
        t->pc = CHILD_START;
        break;
    case OP_KWRITE0:
        t->access = 1;
        t->pc = ENTER_TOKEN;
        break;
    default:
        t->pc = ENTER_TOKEN;
        break;
    }
    return true;
}

// One atomic step of thread i; false when it cannot move.
static bool step(struct model *m, int i)
{
    struct thread *t = &m->t[i];
    enum pc pc = (enum pc)t->pc;
    if (pc == DONE)
        return false;
    if (pc == NEXT_OP)
        return next_op(m, i);
    if (pc <= ENTER_TELL)
        return step_enter(m, t);
    if (pc <= LEAVE_TELL)
        return step_run(m, i);
    if (pc <= FAULT_INSTALL)
        return step_fault(m, i);
    if (pc <= UNLOCK)
        return step_change(m, i);
    if (pc <= WAIT_DONE)
        return step_wait(m, i);
    if (pc == RELEASE) {
        release(m, i);
        return true;
    }
    return step_child(m, t);
}

// --- Exploring -----------------------------------------------------------------------------------

struct node {
    struct model m;
    uint32_t next[THREADS]; // successors; 0: none
    uint32_t chain;
};

struct graph {
    struct node *node; // [0] is unused
    uint32_t count, room;
    uint32_t *bucket;
};
enum { BUCKETS = 1 << 20 };

static uint32_t hash_model(const struct model *m)
{
    const uint8_t *p = (const uint8_t *)m;
    uint64_t h = 0, word;
    for (size_t i = 0; i + sizeof word <= sizeof *m; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32) & (BUCKETS - 1);
}

static uint32_t find_or_add(struct graph *g, const struct model *m)
{
    uint32_t b = hash_model(m);
    for (uint32_t n = g->bucket[b]; n; n = g->node[n].chain)
        if (!memcmp(&g->node[n].m, m, sizeof *m))
            return n;
    if (g->count == g->room) {
        g->room *= 2;
        g->node = realloc(g->node, g->room * sizeof *g->node);
        if (!g->node)
            abort();
    }
    g->node[g->count] = (struct node){.m = *m, .chain = g->bucket[b]};
    return g->bucket[b] = g->count++;
}

static bool is_end(const struct model *m)
{
    for (int i = 0; i < THREADS; i++)
        if (m->t[i].pc != DONE)
            return false;
    return true;
}

// Walks back from the ends; true when every state can reach one.
static bool all_reach_end(const struct graph *g)
{
    struct edge {
        uint32_t from, next;
    } *edge = malloc(((size_t)g->count * THREADS + 1) * sizeof *edge);
    uint32_t *into = calloc(g->count, sizeof *into), *todo = malloc(g->count * sizeof *todo);
    bool *marked = calloc(g->count, sizeof *marked);
    if (!edge || !into || !todo || !marked)
        abort();
    uint32_t edges = 1, todo_count = 0, reached = 0;
    for (uint32_t n = 1; n < g->count; n++) {
        for (int i = 0; i < THREADS; i++) {
            uint32_t to = g->node[n].next[i];
            if (!to)
                continue;
            edge[edges] = (struct edge){n, into[to]};
            into[to] = edges++;
        }
        if (is_end(&g->node[n].m)) {
            marked[n] = true;
            todo[todo_count++] = n;
        }
    }
    while (todo_count) {
        reached++;
        for (uint32_t e = into[todo[--todo_count]]; e; e = edge[e].next) {
            if (marked[edge[e].from])
                continue;
            marked[edge[e].from] = true;
            todo[todo_count++] = edge[e].from;
        }
    }
    free(edge);
    free(into);
    free(todo);
    free(marked);
    return reached == g->count - 1;
}

enum verdict { HOLDS, PROMISE_BROKEN, STUCK, MODEL_TOO_SMALL };

static enum verdict explore(uint32_t *states)
{
    struct graph g = {.count = 1, .room = 1 << 16};
    g.node = malloc(g.room * sizeof *g.node);
    g.bucket = calloc(BUCKETS, sizeof *g.bucket);
    if (!g.node || !g.bucket)
        abort();
    struct model start = {.pte_frame = 1, .pte_read = 1, .pte_write = 1, .next_frame = 2};
    start.maps[1] = 1;
    if (scenario->start == FORKED) {
        start.t[1] = (struct thread){.pc = RUN, .state = GUEST, .holds_token = 1, .tlb_frame = 1};
        start.maps[1] = 2;
    }
    if (scenario->start == PENDING) {
        start.t[0] = (struct thread){
            .pc = RUN, .state = GUEST, .holds_token = 1, .tlb_frame = 1, .tlb_write = 1};
        start.maps[1] = 2;
        start.pte_read = start.pte_write = 0;
        start.gen = 2;
    }
    find_or_add(&g, &start);
    enum verdict verdict = HOLDS;
    for (uint32_t n = 1; n < g.count && verdict == HOLDS; n++) {
        for (int i = 0; i < THREADS && verdict == HOLDS; i++) {
            struct model m = g.node[n].m;
            bool moved = step(&m, i);
            PROMISE(&m, guests(&m) <= scenario->processors || mutation == WAIT_IN_GUEST);
            if (m.broken)
                verdict = m.broken == FRAMES_OF_MODEL ? MODEL_TOO_SMALL : PROMISE_BROKEN;
            if (m.broken || !moved)
                continue;
            uint32_t next = find_or_add(&g, &m); // moves g.node
            g.node[n].next[i] = next;
        }
    }
    if (verdict == HOLDS && !all_reach_end(&g))
        verdict = STUCK;
    *states = g.count - 1;
    free(g.node);
    free(g.bucket);
    return verdict;
}

int main(void)
{
    struct tap t = {0, 0};
    char what[160];
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        uint32_t states;
        scenario = &scenarios[i];
        enum verdict v = explore(&states);
        snprintf(what, sizeof what, "%s: every promise holds in all %u states", scenario->name,
                 states);
        if (!CHECK(&t, v == HOLDS, what))
            printf("# verdict %d\n", (int)v);
    }
    for (mutation = AS_DESIGNED + 1; mutation < MUTATIONS; mutation++) {
        enum verdict v = HOLDS;
        const char *where = "";
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0] && v == HOLDS; i++) {
            uint32_t states;
            scenario = &scenarios[i];
            where = scenario->name;
            v = explore(&states);
        }
        snprintf(what, sizeof what, "rule %s: found by \"%s\"", mutation_name[mutation], where);
        if (!CHECK(&t, v == PROMISE_BROKEN || v == STUCK, what))
            printf("# verdict %d\n", (int)v);
    }
    return tap_finish(&t);
}
