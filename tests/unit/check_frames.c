/* core/vm/frames.c: zeroed frames, references, limits, what goes back to the host, and damage that valid must see. */
#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "suite.h"
#include "vm/frames.h"

#define FRAMES (FRAME_BATCH * 3)

static struct frames frames;
static unsigned freed;
static frame_t last_freed;

static void on_free(void *ctx, frame_t frame)
{
    ck_assert_ptr_eq(ctx, &frames);
    freed++;
    last_freed = frame;
}

static void setup(void)
{
    freed = 0;
    ck_assert_int_eq(frames_init(&frames, (uint64_t)FRAMES * FRAME_SIZE), ERR_OK);
    frames.on_free = on_free;
    frames.on_free_ctx = &frames;
}

static void teardown(void)
{
    ck_assert(frames_valid(&frames));
    frames_fini(&frames);
}

static frame_t new_frame(void)
{
    frame_t f;

    ck_assert(frames_new(&frames, &f));
    return f;
}

static bool is_zero(frame_t f)
{
    const uint8_t *bytes = frames_bytes(&frames, f);

    return bytes[0] == 0 && memcmp(bytes, bytes + 1, FRAME_SIZE - 1) == 0;
}

START_TEST(zero_again_after_use)
{
    frame_t f = new_frame();

    ck_assert(is_zero(f));
    memset(frames_bytes(&frames, f), 0xee, FRAME_SIZE);
    frames_unref(&frames, f);
    ck_assert_uint_eq(new_frame(), f);
    ck_assert(is_zero(f));
}
END_TEST

START_TEST(copies)
{
    frame_t f = new_frame();
    frame_t old = new_frame();
    frame_t copy;

    memset(frames_bytes(&frames, f), 0xee, FRAME_SIZE);
    memset(frames_bytes(&frames, old), 0x11, FRAME_SIZE);
    frames_unref(&frames, old);
    ck_assert(frames_copy(&frames, f, &copy));
    ck_assert_uint_ne(copy, f);
    ck_assert(memcmp(frames_bytes(&frames, copy), frames_bytes(&frames, f), FRAME_SIZE) == 0);
    ck_assert_uint_eq(frames_refs(&frames, copy), 1);
}
END_TEST

START_TEST(references)
{
    frame_t f = new_frame();

    frames_ref(&frames, f);
    ck_assert_uint_eq(frames_refs(&frames, f), 2);
    ck_assert_uint_eq(frames.shared, 1);
    frames_unref(&frames, f);
    ck_assert_uint_eq(freed, 0);
    ck_assert_uint_eq(frames.shared, 0);
    frames_unref(&frames, f);
    ck_assert_uint_eq(freed, 1);
    ck_assert_uint_eq(last_freed, f);
    ck_assert_uint_eq(frames_refs(&frames, f), 0);
    ck_assert_uint_eq(frames.in_use, 0);
}
END_TEST

START_TEST(full_arena)
{
    frame_t f;

    for (unsigned i = 0; i < FRAMES; i++)
        (void)new_frame();
    ck_assert(!frames_new(&frames, &f));
    ck_assert(!frames_copy(&frames, 1, &f));
    ck_assert(frames_valid(&frames));
    frames_unref(&frames, 17);
    ck_assert_uint_eq(new_frame(), 17);
}
END_TEST

/* Pages of the arena that the host keeps in memory. */
static unsigned resident(void)
{
    static unsigned char in_core[FRAMES];
    unsigned count = 0;

    ck_assert_int_eq(mincore(frames.arena, (size_t)FRAMES * FRAME_SIZE, in_core), 0);
    for (unsigned i = 0; i < FRAMES; i++)
        count += in_core[i] & 1;
    return count;
}

START_TEST(batches_go_back_to_the_host)
{
    for (unsigned i = 0; i < FRAMES; i++)
        memset(frames_bytes(&frames, new_frame()), 1, FRAME_SIZE);
    ck_assert_uint_ge(resident(), FRAMES);
    for (unsigned i = 0; i < FRAMES; i++)
        frames_unref(&frames, (frame_t)((i * 7) % FRAMES)); /* 7 and FRAMES share no factor */
    ck_assert_uint_le(resident(), FRAME_BATCH);
    ck_assert(frames_valid(&frames));
    for (unsigned i = 0; i < FRAMES; i++)
        ck_assert(is_zero(new_frame()));
}
END_TEST

START_TEST(sizes_that_cannot_be)
{
    struct frames f;

    ck_assert_int_eq(frames_init(&f, 0), ERR_NOMEM);
    ck_assert_int_eq(frames_init(&f, FRAME_SIZE - 1), ERR_NOMEM);
    ck_assert_int_eq(frames_init(&f, UINT64_MAX), ERR_NOMEM);
    ck_assert_int_eq(frames_init(&f, (uint64_t)FRAME_MOST * FRAME_SIZE * 64), ERR_NOMEM);
}
END_TEST

START_TEST(valid_sees_damage)
{
    frame_t a = new_frame();
    frame_t b = new_frame();

    frames_unref(&frames, a);
    ck_assert(frames_valid(&frames));
    frames.references++;
    ck_assert(!frames_valid(&frames));
    frames.references--;
    frames.state[b]++;
    ck_assert(!frames_valid(&frames));
    frames.state[b]--;
    frames.dirty[0] = b;
    ck_assert(!frames_valid(&frames));
    frames.dirty[0] = a;
    frames.dirty_count = 0;
    ck_assert(!frames_valid(&frames));
    frames.dirty_count = 1;
    frames.returned = b;
    ck_assert(!frames_valid(&frames));
    frames.returned = FRAME_NONE;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frames");
    TCase *tc = tcase_create("frames");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, zero_again_after_use);
    tcase_add_test(tc, copies);
    tcase_add_test(tc, references);
    tcase_add_test(tc, full_arena);
    tcase_add_test(tc, batches_go_back_to_the_host);
    tcase_add_test(tc, sizes_that_cannot_be);
    tcase_add_test(tc, valid_sees_damage);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
