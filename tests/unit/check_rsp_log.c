/* Packets as log lines: the form of GDB's remote log. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "rsp_log.h"
#include "suite.h"
#include "winstub/log.h"

START_TEST(form)
{
    static const uint8_t bytes[] = {'$',  'X',  0,    3,    '\n', '\t', '\r',
                                    '\b', '\f', '\v', 0x7f, 0xff, '\\'};
    struct buf out;

    buf_init(&out, 1000);
    rsp_log_print(&out, bytes, sizeof bytes);
    ck_assert_str_eq(buf_str(&out), "$X\\x00\\x03\\n\\t\\r\\b\\f\\v\\x7f\\xff\\");
    buf_fini(&out);
}
END_TEST

/* With the channel on, a packet of any length is one line. */
START_TEST(long_packets)
{
    static uint8_t packet[5000];

    ck_assert_int_eq(log_enable("rsp", NULL), ERR_OK);
    ck_assert(freopen("/dev/null", "w", stderr) != NULL);
    rsp_log_line('w', packet, sizeof packet);
    rsp_log_line('r', packet, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsp_log");
    TCase *tc = tcase_create("lines");

    tcase_add_test(tc, form);
    tcase_add_test(tc, long_packets);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
