/* Thread ids: every form that clients send, every way to get one wrong. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "thread_id.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *text;
    bool good;
    enum thread_which which;
    uint32_t tid;
    bool foreign;
} cases[] = {
    {"-1", true, THREAD_ALL, 0, false},
    {"0", true, THREAD_ANY, 0, false},
    {"4c", true, THREAD_ONE, 0x4c, false},
    {"ffffffff", true, THREAD_ONE, 0xffffffff, false},
    {"p1234.4c", true, THREAD_ONE, 0x4c, false},
    {"p1234.-1", true, THREAD_ALL, 0, false},
    {"p1234.0", true, THREAD_ANY, 0, false},
    {"p1234", true, THREAD_ALL, 0, false},
    {"p-1.-1", true, THREAD_ALL, 0, false},
    {"p0.0", true, THREAD_ANY, 0, false},
    {"p0.4c", true, THREAD_ONE, 0x4c, false},
    {"p5.4c", true, THREAD_ONE, 0x4c, true},
    {"", false, 0, 0, false},
    {"p", false, 0, 0, false},
    {"p.4c", false, 0, 0, false},
    {"p1234.", false, 0, 0, false},
    {"-2", false, 0, 0, false},
    {"-", false, 0, 0, false},
    {"100000000", false, 0, 0, false},
    {"p100000000.1", false, 0, 0, false},
    {"4c ", false, 0, 0, false},
    {"-1.4c", false, 0, 0, false},
};

START_TEST(read)
{
    struct stub *s = calloc(1, sizeof *s);
    struct rsp_reader in;
    struct thread_id id;

    ck_assert(s != NULL);
    s->pid = 0x1234;
    rsp_reader_init(&in, cases[_i].text, strlen(cases[_i].text));
    id = thread_id_read(s, &in);
    ck_assert_msg(rsp_end(&in) == cases[_i].good, "'%s'", cases[_i].text);
    if (cases[_i].good) {
        ck_assert_int_eq(id.which, cases[_i].which);
        ck_assert_uint_eq(id.tid, cases[_i].tid);
        ck_assert_int_eq(id.foreign, cases[_i].foreign);
    }
    free(s);
}
END_TEST

START_TEST(write)
{
    struct stub *s = calloc(1, sizeof *s);
    struct reply out;
    struct buf doc;

    ck_assert(s != NULL);
    s->pid = 0x1234;
    buf_init(&doc, 100);
    reply_init(&out, s->reply, sizeof s->reply, false);
    for (int i = 0; i < 2; i++) {
        s->features.multiprocess = i;
        thread_id_write(s, &out, 0xffffffff);
        reply_byte(&out, ' ');
        thread_id_print(s, &doc, 0xffffffff);
        buf_byte(&doc, ' ');
    }
    ck_assert_str_eq(buf_str(&doc), "ffffffff p1234.ffffffff ");
    ck_assert_uint_eq(out.len, doc.len);
    ck_assert_mem_eq(out.data, doc.data, doc.len);
    buf_fini(&doc);
    free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thread_id");
    TCase *tc = tcase_create("ids");

    tcase_add_loop_test(tc, read, 0, COUNT_OF(cases));
    tcase_add_test(tc, write);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
