#include "tests/isa/coverage.h"
#include "emu/translate.h"
#include "tests/isa/judge.h"
#include <stdlib.h>

enum kind { PLAIN, RELOAD, VARIANT };

struct gadget_name {
    gadget_ref address;
    enum kind kind;
    uint32_t number;
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct gadget_name *)a)->address;
    uintptr_t y = (uintptr_t)((const struct gadget_name *)b)->address;
    return x < y ? -1 : x > y;
}

static void add_name(struct coverage *v, gadget_ref address, enum kind kind, unsigned number)
{
    v->names[v->name_count++] = (struct gadget_name){address, kind, number};
}

void coverage_init(struct coverage *v)
{
    memset(v, 0, sizeof *v);
    v->variant = calloc(variant_count + 1, sizeof *v->variant);
    v->variant_faults = calloc(variant_count + 1, sizeof *v->variant_faults);
    v->names = calloc(2 * GADGET_COUNT + variant_count, sizeof *v->names);
    if (!v->variant || !v->variant_faults || !v->names)
        abort();
    for (unsigned g = 0; g < GADGET_COUNT; g++) {
        const struct gadget_entry *e = &dispatch_gadgets()[g];
        add_name(v, e->plain, PLAIN, g);
        if (e->reload != e->plain)
            add_name(v, e->reload, RELOAD, g);
    }
    for (unsigned i = 0; i < variant_count; i++)
        add_name(v, dispatch_variants()[i], VARIANT, i);
    qsort(v->names, v->name_count, sizeof *v->names, by_address);
}

void coverage_free(struct coverage *v)
{
    free(v->variant);
    free(v->variant_faults);
    free(v->names);
}

static const struct gadget_name *name_of(const struct coverage *v, gadget_ref address)
{
    struct gadget_name key = {.address = address};
    return bsearch(&key, v->names, v->name_count, sizeof key, by_address);
}

unsigned coverage_register_fields(enum a64_row row, struct a64_field out[REG_FIELDS])
{
    static const char *const names[] = {"rd", "rn", "rm", "ra", "rt", "rt2", "rs"};
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    unsigned count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (fields[i].width == 5 && fields[i].name[1] == names[k][1] &&
                !strcmp(fields[i].name, names[k]))
                out[count++] = fields[i];
    return count;
}

static void note_registers(struct coverage_row *r, enum a64_row row, uint32_t word)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    for (unsigned i = 0; i < n; i++) {
        uint32_t a = word >> f[i].shift & 31;
        if (a == 31)
            r->seen31 |= (uint8_t)(1u << i);
        for (unsigned k = i + 1; k < n; k++)
            if (a == (word >> f[k].shift & 31))
                r->aliased |= 1ull << (i * REG_FIELDS + k);
    }
}

// What the translator makes of a case from one of its words on, once.
struct block_plan {
    bool made;
    unsigned count;
    bool has_target, falls_through, indirect;
    int target; // index of the word it branches to
    const struct gadget_name *name[ISA_SLOT_WORDS];
    uint8_t length[ISA_SLOT_WORDS]; // of what begins here
    enum a64_row row[ISA_SLOT_WORDS];
};

static void make_plan(const struct coverage *v, const uint32_t *words, size_t slot, unsigned start,
                      struct block_plan *p)
{
    struct draft d;
    uint64_t pc = isa_slot(slot) + 4 * start;
    translate(&d, pc, words + start, ISA_SLOT_WORDS - start);
    p->made = true;
    p->count = d.count;
    p->has_target = d.has_target;
    p->falls_through = d.falls_through;
    p->indirect = !d.has_target && a64_gadget_info[d.gadgets[d.count - 1]].is & A64_IS_COND;
    p->target = d.has_target ? (int)((int64_t)(d.target - isa_slot(slot)) / 4) : -1;
    for (unsigned i = 0; i < d.count; i++)
        p->row[i] = a64_decode(words[start + i]);
    for (unsigned i = 0; i < d.count;) {
        p->name[i] = name_of(v, d.insn[i].fn);
        p->length[i] = p->name[i]->kind == VARIANT ? variant_lengths[p->name[i]->number] : 1;
        i += p->length[i];
    }
}

static void note_row(struct coverage *v, enum a64_row row, uint32_t word, bool done, bool fault,
                     bool alone, const struct isa_result *r)
{
    struct coverage_row *cr = &v->row[row];
    if (done) {
        cr->n.done++;
        cr->alone += alone;
        cr->modes |= 1ull << v->mode;
    }
    note_registers(cr, row, word);
    if (!fault)
        return;
    cr->n.faults++;
    if (r->signo == 7)
        cr->faults |= 4;
    else
        cr->faults |= (uint8_t)r->code;
    if (r->signo == 11 && !(r->addr & (ISA_PAGE - 1)))
        cr->faults |= 8;
}

// The words [0, stop) of a block were executed; at `stop` (if inside) the run ended.
static void note_block(struct coverage *v, const uint32_t *words, const struct block_plan *p,
                       unsigned stop, bool fault, bool alone, const struct isa_result *r)
{
    for (unsigned i = 0; i < p->count && i <= stop; i += p->length[i]) {
        const struct gadget_name *g = p->name[i];
        struct coverage_count *n = g->kind == VARIANT  ? &v->variant[g->number]
                                   : g->kind == RELOAD ? &v->reload[g->number]
                                                       : &v->plain[g->number];
        // What always traps has done all it does.
        bool traps = stop == i && p->length[i] == 1 && !fault;
        if (stop >= i + p->length[i] || traps)
            n->done++;
        else if (fault)
            n->faults++;
        if (fault && stop < i + p->length[i] && g->kind == VARIANT)
            v->variant_faults[g->number][stop - i]++;
        for (unsigned k = i; k < i + p->length[i] && k <= stop; k++)
            note_row(v, p->row[k], words[k], k < stop || traps, k == stop && fault, alone, r);
    }
    v->instructions += stop < p->count ? stop : p->count;
}

// Follows a run from block to block, as far as its end tells which way it went.
static void note_run(struct coverage *v, const uint32_t *words, size_t slot, bool alone,
                     struct block_plan *plans, const struct isa_result *r)
{
    int end = judge_index(r, slot);
    bool fault = r->signo == 7 || r->signo == 11;
    for (int at = 0, steps = 0; steps < ISA_SLOT_WORDS; steps++) {
        struct block_plan *p = &plans[at];
        if (!p->made)
            make_plan(v, words, slot, (unsigned)at, p);
        bool inside = end >= at && end < at + (int)p->count;
        unsigned stop = inside ? (unsigned)(end - at) : p->count;
        note_block(v, words + at, p, stop, fault && inside, alone, r);
        int next = at + (int)p->count;
        if (inside || p->indirect || (!p->has_target && !p->falls_through))
            return;
        if (!p->has_target) {
            at = next;
        } else if (!p->falls_through || p->target == next) {
            at = p->target;
        } else if (p->target < next) { // back to the BRK before the case
            at = end == p->target ? p->target : next;
        } else {
            // Whether it was taken is known only if the run ended before its target.
            if (end < next || end >= p->target)
                return;
            at = next;
        }
        if (at < 0 || at >= ISA_SLOT_WORDS)
            return;
    }
}

static void case_words(const struct isa_case *c, uint32_t words[ISA_SLOT_WORDS])
{
    for (uint32_t i = 0; i < ISA_SLOT_WORDS; i++)
        words[i] = i < c->count ? c->words[i] : ISA_BRK;
}

void coverage_note(struct coverage *v, const struct isa_case *c, size_t slot, uint32_t fpcr,
                   const struct isa_result *results)
{
    static struct block_plan plans[ISA_SLOT_WORDS];
    uint32_t words[ISA_SLOT_WORDS];
    case_words(c, words);
    for (unsigned i = 0; i < ISA_SLOT_WORDS; i++)
        plans[i].made = false;
    v->mode = isa_fpcr_mode(fpcr);
    bool alone = c->count == 1 || (c->count == 3 && c->words[1] == ISA_BRK);
    for (unsigned run = 0; run < ISA_RUNS; run++)
        note_run(v, words, slot, alone, plans, &results[run]);
}

void coverage_note_steps(struct coverage *v, const struct isa_case *c, size_t slot,
                         const struct isa_result *r)
{
    // Only straight lines tell what was executed.
    int end = judge_index(r, slot);
    if (end < 0)
        return;
    for (unsigned i = 0; i <= (unsigned)end && i < c->count; i++) {
        struct draft d;
        translate(&d, isa_slot(slot) + 4 * i, &c->words[i], 1);
        const struct gadget_name *g = name_of(v, d.insn[0].fn);
        bool fault = r->signo == 7 || r->signo == 11;
        struct coverage_count *n = g->kind == RELOAD ? v->reload : v->plain;
        if (i < (unsigned)end || !fault)
            n[g->number].done++;
        else
            n[g->number].faults++;
        if (d.has_target || a64_gadget_info[d.gadgets[0]].is & (A64_IS_COND | A64_IS_ENDS))
            return;
    }
}

bool coverage_has_variant(const struct coverage *v, const struct isa_case *c, size_t slot,
                          unsigned variant)
{
    unsigned start = c->words[1] == ISA_BRK && c->count > 2 ? 2 : 0;
    uint32_t words[ISA_SLOT_WORDS];
    struct block_plan p;
    case_words(c, words);
    make_plan(v, words, slot, start, &p);
    return p.name[0]->kind == VARIANT && p.name[0]->number == variant;
}
