/* What handlers ask of the session: threads, the walk over regions, text for the user. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "session.h"
#include "suite.h"

static struct fake_target *fake;
static struct stub *s;

static void setup(void)
{
    s = calloc(1, sizeof *s);
    ck_assert(s != NULL);
    fake = fake_target_new(TARGET_AMD64);
    s->target = fake_target_ref(fake);
    s->stop = (struct target_stop){.kind = STOP_STEP, .tid = FAKE_TID2};
    buf_init(&s->console, 50);
}

static void teardown(void)
{
    buf_fini(&s->console);
    fake_target_free(fake);
    free(s);
}

START_TEST(which_thread)
{
    struct target_thread thread;

    ck_assert_uint_eq(session_current_thread(s), FAKE_TID2);
    ck_assert_uint_eq(session_general_thread(s), FAKE_TID2);
    s->general_tid = FAKE_TID;
    ck_assert_uint_eq(session_general_thread(s), FAKE_TID);
    s->stop.tid = 0;
    ck_assert_uint_eq(session_current_thread(s), FAKE_TID);
    ck_assert_int_eq(session_thread(s, FAKE_TID2, &thread), ERR_OK);
    ck_assert_str_eq(thread.name, "worker");
    ck_assert_int_eq(session_thread(s, 1, &thread), ERR_NOT_FOUND);
    ck_assert(!session_exited(s));
    s->stop.kind = STOP_EXIT;
    ck_assert(session_exited(s));
}
END_TEST

START_TEST(regions_cover_the_user_range)
{
    struct target_region run;
    gva_t end = 0;

    ck_assert_int_eq(s->target.ops->region(s->target.ctx, 0, &run), ERR_OK);
    do {
        ck_assert_uint_eq(run.base, end);
        end = run.base + run.size;
    } while (session_next_region(s, &run));
    ck_assert_uint_eq(end, FAKE_USER_LIMIT);
}
END_TEST

static enum err whole_space(void *ctx, gva_t addr, struct target_region *out)
{
    (void)ctx;
    *out = (struct target_region){.base = addr & ~0xfffull, .label = "", .path = ""};
    out->size = 0 - out->base;
    return ERR_OK;
}

/* A run that ends where addresses do must not start the walk again. */
START_TEST(regions_that_wrap)
{
    struct target_region run = {.base = 0x1000, .size = 0 - 0x1000ull};

    fake->ops.region = whole_space;
    ck_assert(!session_next_region(s, &run));
    run = (struct target_region){.base = 0x1000, .size = 0};
    ck_assert(!session_next_region(s, &run));
}
END_TEST

START_TEST(text_is_made_harmless)
{
    session_say(s, "a\x1b]0;x\a\tb\n\xc3\xa9\x7f");
    ck_assert_str_eq(buf_str(&s->console), "a?]0;x?\tb\n\xc3\xa9?");
    session_sayf(s, "%d %s", 1, "z");
    ck_assert_str_eq(buf_str(&s->console), "a?]0;x?\tb\n\xc3\xa9?1 z");
    for (int i = 0; i < 100; i++)
        session_say(s, "too much");
    ck_assert_uint_le(s->console.len, 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("questions");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, which_thread);
    tcase_add_test(tc, regions_cover_the_user_range);
    tcase_add_test(tc, regions_that_wrap);
    tcase_add_test(tc, text_is_made_harmless);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
