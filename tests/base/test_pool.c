// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

START_TEST(every_block_has_the_room_that_was_asked_for)
{
    struct pool p;
    pool_init(&p);
    for (int round = 0; round < 2; round++)
        for (size_t size = 0; size <= POOL_SIZE_MAX + 64; size++) {
            uint8_t *at = pool_take(&p, size);
            ck_assert_ptr_nonnull(at);
            memset(at, 0xaa, size);
            pool_give(&p, at, size);
        }
    pool_fini(&p);
}
END_TEST

START_TEST(no_two_blocks_in_use_overlap)
{
    enum { BLOCKS = 500 };
    struct block {
        uint8_t *at;
        size_t size;
    } blocks[BLOCKS] = {{NULL, 0}};
    struct rng rng = {5};
    struct pool p;
    pool_init(&p);
    for (int step = 0; step < 50000; step++) {
        size_t i = rng_below(&rng, BLOCKS);
        struct block *b = &blocks[i];
        if (b->at != NULL) {
            uint8_t wanted[4400];
            memset(wanted, (int)(i & 0xff), b->size);
            ck_assert_mem_eq(b->at, wanted, b->size);
            pool_give(&p, b->at, b->size);
            b->at = NULL;
        } else {
            b->size = rng_below(&rng, 4400);
            b->at = pool_take(&p, b->size);
            memset(b->at, (int)(i & 0xff), b->size);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].at != NULL)
            pool_give(&p, blocks[i].at, blocks[i].size);
    pool_fini(&p);
}
END_TEST

START_TEST(what_is_kept_is_bounded)
{
    enum { MANY = 10000 };
    static const size_t SIZES[] = {64, POOL_SMALL_MAX, POOL_SMALL_MAX + 1, POOL_SIZE_MAX};
    static void *blocks[MANY];
    struct pool p;
    pool_init(&p);
    for (size_t s = 0; s < sizeof(SIZES) / sizeof(SIZES[0]); s++) {
        for (size_t i = 0; i < MANY; i++)
            blocks[i] = pool_take(&p, SIZES[s]);
        for (size_t i = 0; i < MANY; i++)
            pool_give(&p, blocks[i], SIZES[s]);
    }
    for (size_t i = 0; i < POOL_CLASSES; i++)
        ck_assert_uint_le(p.kept[i] * pool_class_bytes(i), POOL_KEEP_BYTES);
    ck_assert_uint_eq(pool_class_bytes(POOL_CLASSES - 1), POOL_SIZE_MAX);
    pool_fini(&p);
}
END_TEST

SUITE("pool", every_block_has_the_room_that_was_asked_for, no_two_blocks_in_use_overlap,
      what_is_kept_is_bounded)
