// The instruction differential: random sequences on ish's CPU, in this process, against an oracle
// (`qemu-aarch64 ... executor`), all architectural state and the signal that ends a run compared.
//
//   differential [--count N] [--seed N] [--only ROW|SECTION,...] [--coverage N] [--variants N,...]
//                [--step] [--later] [--modes] [--save FILE] ORACLE-COMMAND...
//   differential --replay FILE|FOLDER...
//
// --count: instructions. --coverage: every row, gadget and variant must be executed N times;
// --variants: of these only those variants, by number.
// --step: one instruction at a time. --later: rows that a Neoverse N1 lacks. --modes: only rows
// that depend on FPCR, each of which must be executed in every mode. --save: writes the first
// mismatch, made as small as it gets, as a case for --replay (replay.h). Exit status 0: no
// mismatch, nothing missed.
#include "tests/isa/goals.h"
#include "tests/isa/judge.h"
#include "tests/isa/machine.h"
#include "tests/isa/oracle.h"
#include "tests/isa/replay.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    uint64_t count, seed, most;
    uint32_t coverage;
    struct generator_choice choice;
    const char *save, *variants;
    bool step;
};

struct session {
    struct options opt;
    struct machine machine;
    struct oracle oracle;
    struct generator generator;
    struct coverage coverage;
    struct goals goals;
    struct values values;
    struct test_case test[ISA_BATCHES][ISA_CASES];
    bool steps[ISA_BATCHES][ISA_CASES];
    bool goals_left;
    uint64_t random, runs, own, mismatches;
    struct replay first; // mismatch
};

static void die(const char *what)
{
    fprintf(stderr, "differential: %s\n", what);
    exit(2);
}

static void make_case(struct session *s, unsigned which, uint32_t slot)
{
    struct test_case *t = &s->test[which][slot];
    uint64_t r = isa_random(&s->random);
    t->slot = slot;
    s->steps[which][slot] = false;
    if ((r & 31) == 0 && !s->opt.choice.later)
        generate_reserved(&s->generator, t);
    else if ((r >> 5 & 3) == 0 || !s->goals_left)
        generate_block(&s->generator, t);
    else
        s->goals_left =
            goals_next(&s->goals, &s->generator, &s->coverage, t, &s->steps[which][slot]);
}

static void send_batch(struct session *s, unsigned which)
{
    struct isa_batch *b = &s->oracle.shared->batch[which];
    b->cases = ISA_CASES;
    values_renew(&s->values);
    for (uint32_t i = 0; i < ISA_CASES; i++) {
        make_case(s, which, i);
        b->of[i] = s->test[which][i].c;
        for (unsigned run = 0; run < ISA_RUNS; run++) {
            values_first_state(&s->values, &s->test[which][i], &b->first[i][run]);
            b->result[i][run].signo = 0;
        }
    }
    oracle_send(&s->oracle, which);
}

static void mismatch(struct session *s, const struct isa_case *c, size_t slot,
                     const struct isa_state *first, const struct isa_result *ours,
                     const struct isa_result *theirs, const char *what)
{
    printf("# %s\n", what);
    replay_show(c, slot, first, ours, theirs);
    if (!s->mismatches++)
        replay_make(&s->first, c, first, theirs);
}

// One run on our side, as a whole and in steps. False: a mismatch.
static bool judge_run(struct session *s, unsigned which, uint32_t i, unsigned run, bool steps)
{
    struct isa_batch *b = &s->oracle.shared->batch[which];
    const struct isa_case *c = &b->of[i];
    const struct isa_state *first = &b->first[i][run];
    const struct isa_result *theirs = &b->result[i][run];
    struct isa_result ours, stepped;
    (void)machine_run(&s->machine, c, first, MACHINE_RUN, &ours);
    enum verdict verdict = judge(b->of, b->cases, i, &ours, theirs);
    if (verdict == VERDICT_DIFFERENT) {
        mismatch(s, c, i, first, &ours, theirs, "ours and the oracle's differ");
        return false;
    }
    s->runs++;
    s->own += verdict == VERDICT_OWN;
    if (verdict == VERDICT_SAME && !steps)
        return true;
    if (judge_has_exclusives(c) && c->count > 1)
        return true;
    if (!machine_run(&s->machine, c, first, MACHINE_STEP, &stepped)) {
        mismatch(s, c, i, first, &stepped, theirs, "a trap changed registers or memory");
        return false;
    }
    coverage_note_steps(&s->coverage, c, i, &stepped);
    if (!memcmp(&ours, &stepped, sizeof ours))
        return true;
    mismatch(s, c, i, first, &ours, &stepped, "ours in steps (as oracle) and at once differ");
    return false;
}

// Shows the case at which the oracle was.
static void oracle_lost(const struct isa_batch *b)
{
    for (uint32_t i = 0; i < ISA_CASES; i++)
        for (unsigned run = 0; run < ISA_RUNS; run++)
            if (!b->result[i][run].signo) {
                replay_show(&b->of[i], i, &b->first[i][run], &b->result[i][run],
                            &b->result[i][run]);
                printf("Bail out! the oracle was lost at this case\n");
                fflush(stdout);
                exit(2);
            }
    die("the oracle ended");
}

static void judge_batch(struct session *s, unsigned which)
{
    struct isa_batch *b = &s->oracle.shared->batch[which];
    machine_load(&s->machine, b->of, ISA_CASES);
    if (!oracle_wait(&s->oracle, which))
        oracle_lost(b);
    for (uint32_t i = 0; i < ISA_CASES && s->mismatches < s->opt.most; i++) {
        bool good = true;
        bool steps = s->steps[which][i] || s->opt.step || isa_random(&s->random) % 16 == 0;
        for (unsigned run = 0; run < ISA_RUNS && good; run++)
            good = judge_run(s, which, i, run, steps);
        if (good)
            coverage_note(&s->coverage, &b->of[i], i, s->test[which][i].fpcr, b->result[i]);
    }
}

static void run(struct session *s)
{
    unsigned which = 0;
    send_batch(s, 0);
    for (;;) {
        bool more = (s->coverage.instructions < s->opt.count || s->goals_left) &&
                    s->mismatches < s->opt.most;
        if (more)
            send_batch(s, which ^ 1);
        judge_batch(s, which);
        which ^= 1;
        if (!more)
            return;
    }
}

// Rows not executed in every mode of FPCR.
static int missing_modes(const struct session *s)
{
    int missing = 0;
    for (size_t i = 0; s->opt.choice.modes && i < s->generator.row_count; i++) {
        enum a64_row row = s->generator.rows[i];
        uint64_t left = ~s->coverage.row[row].modes;
        if (left)
            printf("# row %s: not executed in the modes %#" PRIx64 "\n", a64_rows[row].name, left);
        missing += left != 0;
    }
    return missing;
}

static int report(struct session *s)
{
    int failed = s->mismatches != 0;
    printf("# %" PRIu64 " runs; in %" PRIu64 " the oracle did not bind; seed %" PRIu64 "\n",
           s->runs, s->own, s->opt.seed);
    printf("%s 1 - %" PRIu64 " instructions agree with the oracle\n", failed ? "not ok" : "ok",
           s->coverage.instructions);
    int missing = missing_modes(s);
    printf("%s 2 - rows that --modes asks for were executed in every mode of FPCR\n",
           missing ? "not ok" : "ok");
    failed += missing;
    if (s->opt.coverage)
        failed += goals_report(&s->goals, &s->generator, &s->coverage, 3);
    printf("1..%d\n", s->opt.coverage ? 6 : 2);
    return failed;
}

static int compare(const struct options *opt, char **oracle)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        die("no memory");
    s->opt = *opt;
    s->random = ~opt->seed;
    s->goals_left = opt->coverage || opt->choice.modes;
    if (!generator_init(&s->generator, opt->seed, &opt->choice))
        die("no such row or section");
    coverage_init(&s->coverage);
    values_init(&s->values, opt->seed);
    goals_init(&s->goals, opt->coverage, opt->variants);
    oracle_start(&s->oracle, oracle);
    machine_create(&s->machine);
    run(s);
    if (s->mismatches && opt->save)
        replay_save(&s->first, &s->machine, &s->oracle, opt->save);
    oracle_stop(&s->oracle);
    int failed = report(s);
    machine_destroy(&s->machine);
    goals_free(&s->goals);
    coverage_free(&s->coverage);
    generator_free(&s->generator);
    free(s);
    return failed != 0;
}

int main(int argc, char **argv)
{
    struct options opt = {.count = 200000, .seed = 1, .most = 10};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--step"))
            opt.step = true;
        else if (!strcmp(argv[i], "--later"))
            opt.choice.later = true;
        else if (!strcmp(argv[i], "--modes"))
            opt.choice.modes = true;
        else if (!strcmp(argv[i], "--replay"))
            return replay_files(argv + i + 1);
        else if (!strcmp(argv[i], "--count"))
            opt.count = strtoull(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--seed"))
            opt.seed = strtoull(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--only"))
            opt.choice.only = value, i++;
        else if (!strcmp(argv[i], "--variants"))
            opt.variants = value, i++;
        else if (!strcmp(argv[i], "--save"))
            opt.save = value, i++;
        else if (!strcmp(argv[i], "--coverage"))
            opt.coverage = (uint32_t)strtoul(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--most"))
            opt.most = strtoull(value, NULL, 0), i++;
        else
            die("unknown option");
    }
    if (i >= argc)
        die("no oracle command");
    return compare(&opt, argv + i);
}
