/*
 * The packet table and the one place that answers: lookup, what is announced, and that a malformed packet of
 * any kind gets one error and leaves the session as it was.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "stub_client.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct stub_client *client;

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
}

static void teardown(void)
{
    stub_client_free(client);
}

static const char *ask(const char *body)
{
    return stub_client_ask(client, body);
}

START_TEST(names_are_unique)
{
    const struct packet *a, *b;

    for (size_t i = 0; (a = packets_row(i)); i++) {
        ck_assert_msg(a->name[0] && a->handler, "row %zu", i);
        for (size_t k = 0; k < i && (b = packets_row(k)); k++)
            ck_assert_msg(strcmp(a->name, b->name) != 0, "%s is there twice", a->name);
    }
}
END_TEST

static const struct {
    const char *body, *row;
} lookups[] = {
    {"m1000,4", "m"},
    {"g", "g"},
    {"g0", "g"},
    {"p", "p"},
    {"D", "D"},
    {"D;1", "D;"},
    {"D1", "D1"},
    {"qC", "qC"},
    {"qCRC:0,1", "qCRC:"},
    {"qSupported", "qSupported"},
    {"qSupported:", "qSupported:"},
    {"qSupportedX", NULL},
    {"qXfer:features:read:x", "qXfer:features:read:"},
    {"qXfer:other:read:x", NULL},
    {"vCont?", "vCont?"},
    {"vCont;c", "vCont;"},
    {"vCont", NULL},
    {"", NULL},
    {"qHostInfo", "qHostInfo"},
    {"x0,0", "x"},
    {"y0,0", NULL},
    {"\xff", NULL},
};

START_TEST(lookup)
{
    const struct packet *p =
        packets_find((const uint8_t *)lookups[_i].body, strlen(lookups[_i].body));

    if (lookups[_i].row)
        ck_assert_msg(p && strcmp(p->name, lookups[_i].row) == 0, "'%s' is not found as %s",
                      lookups[_i].body, lookups[_i].row);
    else
        ck_assert_msg(!p, "'%s' is found as %s", lookups[_i].body, p->name);
}
END_TEST

/* An op that is not there: its packets are unknown and not announced. */
START_TEST(missing_ops)
{
    struct fake_target *f = client->target;

    f->ops.regs = NULL;
    f->ops.read = NULL;
    f->ops.write = NULL;
    f->ops.region = NULL;
    f->ops.library = NULL;
    f->ops.points = NULL;
    f->ops.resume = NULL;
    f->ops.kill = NULL;
    f->program_path = "";
    ck_assert_str_eq(ask("qSupported:swbreak+"),
                     "PacketSize=20000;swbreak+;QStartNoAckMode+;qXfer:threads:read+;qXfer:auxv:"
                     "read+;qXfer:osdata:read+");
    static const char *const gone[] = {
        "g",
        "G00",
        "p0",
        "P0=00",
        "m1000,1",
        "M1000,1:00",
        "X1000,0:",
        "vCont?",
        "vCont;c",
        "c",
        "C05",
        "s",
        "S05",
        "Z0,1000,1",
        "z0,1,1",
        "vKill;1",
        "qOffsets",
        "qXfer:features:read:target.xml:0,10",
        "qXfer:libraries:read::0,10",
        "qXfer:memory-map:read::0,10",
        "qXfer:exec-file:read::0,10",
    };
    for (size_t i = 0; i < COUNT_OF(gone); i++) {
        ck_assert_str_eq(ask(gone[i]), "");
        ck_assert_msg(client->answers == 1, "%s has %u answers", gone[i], client->answers);
    }
    ck_assert_str_eq(ask("?"), "T05thread:4c;");
    ck_assert_str_eq(ask("qRcmd,6d6170"), "OK");
    ck_assert_str_eq(buf_str(&client->console), "this target has no memory map\n");
}
END_TEST

/* A read-only target: registers can be read but not written. */
START_TEST(missing_writers)
{
    client->target->ops.reg_write = NULL;
    ck_assert_str_eq(ask("P0=0000000000000000"), "");
    ck_assert_str_eq(ask("p0"), "0000000000000000");
    ck_assert_str_eq(ask("c1000"), "");
    ck_assert_str_eq(buf_str(&client->target->log), "");
}
END_TEST

/* Points that the target does not have are unsupported, one kind at a time. */
START_TEST(missing_point_kinds)
{
    client->target->point_bits = POINT_BIT(POINT_BREAK_SW) | POINT_BIT(POINT_BREAK_HW);
    ck_assert_str_eq(ask("Z0,1000,1"), "OK");
    ck_assert_str_eq(ask("Z1,1000,1"), "OK");
    ck_assert_str_eq(ask("Z2,1000,4"), "");
    ck_assert_str_eq(ask("Z3,1000,4"), "");
    ck_assert_str_eq(ask("z4,1000,4"), "");
}
END_TEST

#define WIRE(text) text, sizeof text - 1
/* As on the wire, with right checksums: the fault is inside. */
static const struct {
    const char *name, *frame;
    size_t len;
    const char *answer;
} malformed[] = {
    {"bad digits", WIRE("$mxx,4#bd"), "E16"},
    {"a missing field", WIRE("$m1000#2e"), "E16"},
    {"a number that overflows", WIRE("$m11111111111111111,4#0e"), "E16"},
    {"a length that overflows", WIRE("$M1000,ffffffffffffffff:90#3d"), "E16"},
    {"an end that wraps", WIRE("$Xffffffffffffffff,2:ab#13"), "E16"},
    {"more data than announced", WIRE("$M1000,1:9090#77"), "E16"},
    {"less data than announced", WIRE("$X1000,2:a#12"), "E16"},
    {"an odd number of digits", WIRE("$M1000,1:9#de"), "E16"},
    {"leftovers", WIRE("$m1000,4;#c9"), "E16"},
    {"a zero byte in a number", WIRE("$m10\0,4#2e"), "E16"},
    {"a zero byte behind the packet", WIRE("$?\0#3f"), ""},
    {"a truncated escape", WIRE("$X1000,1:}#2d"), "E16"},
    {"a truncated escape in an unknown packet", WIRE("$}#7d"), "E16"},
    {"a register that is not there", WIRE("$pffff#08"), "E16"},
    {"a process that is not ours", WIRE("$Tp1.4c#ba"), "E03"},
};

START_TEST(malformed_packet)
{
    stub_client_send(client, malformed[_i].frame, malformed[_i].len);
    ck_assert_msg(client->answers == 1, "%s: %u answers", malformed[_i].name, client->answers);
    ck_assert_msg(strcmp(buf_str(&client->answer), malformed[_i].answer) == 0,
                  "%s: wanted '%s', got '%s'", malformed[_i].name, malformed[_i].answer,
                  buf_str(&client->answer));
    ck_assert_uint_eq(client->acks, 1);
    ck_assert_str_eq(buf_str(&client->target->log), "");
    ck_assert_str_eq(ask("qC"), "QC4c");
}
END_TEST

/* Every row, cut short at every length and followed by rubbish: one answer each, and the session goes on. */
START_TEST(rows_with_rubbish)
{
    static const char *const rubbish[] = {
        "",        "\x01", "zz", ":",       ",", ";", "p", "-", ",,,,", "ffffffffffffffffffff",
        "0,0,0,0", "=",    "0,", "\xff\xff"};
    const struct packet *p;

    for (size_t i = 0; (p = packets_row(i)); i++) {
        for (size_t k = 0; k < COUNT_OF(rubbish); k++) {
            char body[100];

            snprintf(body, sizeof body, "%s%s", p->name, rubbish[k]);
            client->target->budget = 10;
            ask(body);
            if (stub_state(client->stub) == STUB_GOES_ON)
                ck_assert_msg(client->answers == 1, "'%s' has %u answers", body, client->answers);
            stub_connect(client->stub);
            ask("?");
            ck_assert_uint_eq(client->answers, 1);
        }
    }
}
END_TEST

START_TEST(too_long)
{
    size_t len = STUB_PACKET_MAX + 10;
    char *body = malloc(len);

    memset(body, 'a', len);
    ck_assert_str_eq(stub_client_ask_bytes(client, body, len), "E07");
    ck_assert_uint_eq(client->acks, 1);
    ck_assert_uint_eq(client->naks, 0);
    ck_assert_str_eq(ask("qC"), "QC4c");
    ck_assert_str_eq(stub_client_ask_bytes(client, body, STUB_PACKET_MAX), "");
    free(body);
}
END_TEST

/* The longest packets that PacketSize allows, both ways. */
START_TEST(longest_packets)
{
    static const char head[] = "X11000,1000:";
    char packet[sizeof head - 1 + 0x1000];

    memcpy(packet, head, sizeof head - 1);
    memset(packet + sizeof head - 1, '*', 0x1000);
    ck_assert_str_eq(stub_client_ask_bytes(client, packet, sizeof packet), "OK");
    ck_assert_uint_eq(strlen(ask("m10000,ffffffff")), 2 * 0x2000);
    ck_assert_str_eq(buf_str(&client->answer) + 2 * 0x2000 - 4, "2a2a");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packets");
    TCase *tc = tcase_create("table");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_are_unique);
    tcase_add_loop_test(tc, lookup, 0, COUNT_OF(lookups));
    tcase_add_test(tc, missing_ops);
    tcase_add_test(tc, missing_writers);
    tcase_add_test(tc, missing_point_kinds);
    tcase_add_loop_test(tc, malformed_packet, 0, COUNT_OF(malformed));
    tcase_add_test(tc, rows_with_rubbish);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, longest_packets);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
