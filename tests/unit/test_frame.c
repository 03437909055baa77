// The frame pool: zeroed memory, reference and map counts, the limit, memory given back.
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include "platform/host_mem.h"
#include "tests/unit/tap.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool is_zero(const struct frame *f)
{
    const unsigned char *p = f->host;
    for (int i = 0; i < FRAME_SIZE; i++)
        if (p[i])
            return false;
    return true;
}

static void test_reuse(struct tap *t)
{
    struct frame_pool *pool;
    enum { N = 3000 };
    static struct frame *f[N];
    bool zero = true, distinct = true, failed = frame_pool_create(0, &pool) != 0;
    for (int round = 0; round < 2 && !failed; round++) {
        for (int i = 0; i < N; i++) {
            failed |= frame_alloc(pool, &f[i]) != 0;
            zero &= is_zero(f[i]);
            memset(f[i]->host, i & 255 ? i : 1, FRAME_SIZE);
        }
        for (int i = 0; i < N; i++)
            distinct &= ((unsigned char *)f[i]->host)[FRAME_SIZE - 1] == (i & 255 ? i & 255 : 1);
        if (round == 0)
            CHECK(t, frame_pool_used(pool) == (uint64_t)N * FRAME_SIZE, "use is counted in bytes");
        for (int i = 0; i < N; i++)
            frame_put(f[i]);
    }
    CHECK(t, !failed, "frames are there for the asking");
    CHECK(t, zero, "a frame is zero, also when it was used before");
    CHECK(t, distinct, "frames do not overlap");
    CHECK(t, frame_pool_used(pool) == 0, "all came back");
    frame_pool_destroy(pool);
}

static void test_limit(struct tap *t)
{
    struct frame_pool *pool;
    struct frame *f[11];
    int err = frame_pool_create(10 * FRAME_SIZE, &pool);
    for (int i = 0; i < 10; i++)
        err |= frame_alloc(pool, &f[i]);
    CHECK(t, !err, "frames up to the limit");
    CHECK(t, frame_alloc(pool, &f[10]) == -LINUX_ENOMEM, "none beyond it");
    frame_put(f[3]);
    CHECK(t, frame_alloc(pool, &f[3]) == 0, "one that came back can be had again");
    CHECK(t, frame_pool_limit(pool) == 10 * FRAME_SIZE, "the limit is reported");
    for (int i = 0; i < 10; i++)
        frame_put(f[i]);
    frame_pool_destroy(pool);
}

static int freed;
static void on_free(struct frame *f)
{
    freed += *(int *)f->owner;
}

static void test_counts(struct tap *t)
{
    struct frame_pool *pool;
    struct frame *f;
    int one = 1;
    _Alignas(64) static char page[FRAME_SIZE];
    int err = frame_pool_create(FRAME_SIZE, &pool);
    err |= frame_wrap(pool, page, on_free, &one, &f);
    CHECK(t, !err && f->host == page && f->shared, "a wrapped frame is a view of the owner's page");
    frame_map(f);
    frame_map(f);
    CHECK(t, frame_maps(f) == 2 && frame_refs(f) == 3, "each map is a reference");
    frame_put(f);
    frame_unmap(f);
    CHECK(t, freed == 0 && frame_maps(f) == 1, "mapped frames stay");
    frame_unmap(f);
    CHECK(t, freed == 1, "the owner hears of the last reference");
    CHECK(t, frame_pool_used(pool) == 0, "wrapped frames do not count against the limit");
    frame_pool_destroy(pool);
}

static void *hammer(void *arg)
{
    struct frame_pool *pool = arg;
    for (int i = 0; i < 20000; i++) {
        struct frame *f[4];
        for (int j = 0; j < 4; j++)
            if (frame_alloc(pool, &f[j]) || *(uint64_t *)f[j]->host)
                return pool;
            else
                *(uint64_t *)f[j]->host = 1;
        for (int j = 0; j < 4; j++)
            frame_put(f[j]);
    }
    return NULL;
}

static void test_threads(struct tap *t)
{
    struct frame_pool *pool;
    pthread_t th[4];
    int err = frame_pool_create(0, &pool);
    for (int i = 0; i < 4; i++)
        err |= pthread_create(&th[i], NULL, hammer, pool);
    bool bad = err;
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(th[i], &r);
        bad |= r != NULL;
    }
    CHECK(t, !bad && frame_pool_used(pool) == 0, "four threads never share a frame");
    frame_pool_destroy(pool);
}

int main(void)
{
    struct tap t = {0, 0};
    test_reuse(&t);
    test_limit(&t);
    test_counts(&t);
    test_threads(&t);
    return tap_finish(&t);
}
