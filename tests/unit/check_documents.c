/* The documents behind qXfer: what clients of each kind read, and that huge ones stay bounded. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "stub_client.h"
#include "suite.h"
#include "winstub/nt.h"

static struct stub_client *client;

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
}

static void teardown(void)
{
    stub_client_free(client);
}

/* The whole document, read in pieces of the given size, as GDB does. */
static void read_whole(struct buf *doc, const char *object, size_t piece)
{
    buf_clear(doc);
    for (;;) {
        char ask[100];
        const char *answer;

        (void)snprintf(ask, sizeof ask, "qXfer:%s:%zx,%zx", object, doc->len, piece);
        answer = stub_client_ask(client, ask);
        ck_assert_msg(*answer == 'm' || *answer == 'l', "%s: %s", ask, answer);
        buf_append(doc, client->answer.data + 1, client->answer.len - 1);
        if (*answer == 'l')
            return;
    }
}

START_TEST(pieces_fit_together)
{
    static const char *const objects[] = {"features:read:target.xml", "threads:read:",
                                          "libraries:read:", "exec-file:read:", "memory-map:read:"};
    struct buf whole, pieces;

    buf_init(&whole, 1u << 20);
    buf_init(&pieces, 1u << 20);
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        read_whole(&whole, objects[i], 0x10000);
        for (size_t piece = 1; piece < 100; piece += 7) {
            read_whole(&pieces, objects[i], piece);
            ck_assert_str_eq(buf_str(&pieces), buf_str(&whole));
        }
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}
END_TEST

/* Bytes that need escapes count once in offsets and lengths. */
START_TEST(escapes_do_not_shift_pieces)
{
    struct buf doc;

    buf_init(&doc, 1000);
    client->target->program_path = "C:\\#$}*#$}*#$}*.exe";
    read_whole(&doc, "exec-file:read:", 2);
    ck_assert_str_eq(buf_str(&doc), "/c/#$}*#$}*#$}*.exe");
    buf_fini(&doc);
}
END_TEST

/* A guest that has run is described anew, also when the reading goes on in the middle. */
START_TEST(running_makes_documents_old)
{
    fake_target_poke(client->target, FAKE_CODE, "\xe8\xe8", 2);
    client->target->library_count = 0;
    stub_client_ask(client, "qXfer:libraries:read::0,4");
    ck_assert(!strstr(stub_client_ask(client, "qXfer:libraries:read::4,1000"), "ntdll"));
    stub_client_ask(client, "c");
    ck_assert(strstr(stub_client_ask(client, "qXfer:libraries:read::4,1000"), "ntdll") != NULL);
}
END_TEST

#define RUN 0x1000u

/* A hundred thousand allocations, one page each, with a free page behind each. */
static enum err many_regions(void *ctx, gva_t addr, struct target_region *out)
{
    (void)ctx;
    if (addr >= 200000ull * RUN)
        return ERR_RANGE;
    *out = (struct target_region){.base = addr / RUN * RUN, .size = RUN, .label = "", .path = ""};
    out->state = addr / RUN % 2 ? MEM_FREE : MEM_COMMIT;
    out->allocation_base = addr / RUN % 2 ? 0 : out->base;
    out->type = addr / RUN % 2 ? 0 : MEM_PRIVATE;
    return ERR_OK;
}

START_TEST(a_huge_memory_map)
{
    struct buf doc;
    uint64_t end = 0;
    unsigned regions = 0;

    buf_init(&doc, 1u << 24);
    client->target->ops.region = many_regions;
    read_whole(&doc, "memory-map:read:", 0x10000);
    for (const char *at = buf_str(&doc); (at = strstr(at, "start=\"")); at++) {
        unsigned long start, length;

        ck_assert_int_eq(sscanf(at, "start=\"0x%lx\" length=\"0x%lx\"", &start, &length), 2);
        ck_assert_uint_eq(start, end); /* no gap, no overlap */
        end = start + length;
        regions++;
    }
    ck_assert_uint_eq(end, 200000ull * RUN);
    ck_assert_uint_le(regions, 4096);
    ck_assert_uint_gt(regions, 4000);
    buf_fini(&doc);
}
END_TEST

START_TEST(a_huge_monitor_map)
{
    client->target->ops.region = many_regions;
    ck_assert_str_eq(stub_client_ask(client, "qRcmd,6d6170"), "OK");
    ck_assert_uint_eq(client->answers, 1);
    ck_assert(strstr(buf_str(&client->console),
                     "\n0000000030d3f000-0000000030d40000         1000 FREE\n") != NULL);
    ck_assert(!strstr(buf_str(&client->console), "(cut here"));
}
END_TEST

START_TEST(a_library_list_for_lldb)
{
    ck_assert(strstr(stub_client_ask(client, "qXfer:libraries:read::0,1000"),
                     "<segment address=\"0x70001000\"/>") != NULL);
    stub_client_ask(client, "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+");
    ck_assert(strstr(stub_client_ask(client, "qXfer:libraries:read::0,1000"),
                     "<section address=\"0x70000000\"/>") != NULL);
    /* GDB names one architecture only */
    stub_client_ask(client, "qSupported:multiprocess+;xmlRegisters=i386");
    ck_assert(strstr(stub_client_ask(client, "qXfer:libraries:read::0,1000"), "<segment ") != NULL);
}
END_TEST

/* A document without end is refused, not cut; the next one works. */
static enum err endless_libraries(void *ctx, size_t i, struct target_library *out)
{
    (void)ctx, (void)i;
    *out = (struct target_library){.path = "C:\\a.dll"};
    return i < 1u << 20 ? ERR_OK : ERR_RANGE;
}

START_TEST(a_document_over_the_limit)
{
    client->target->ops.library = endless_libraries;
    ck_assert_str_eq(stub_client_ask(client, "qXfer:libraries:read::0,10"), "E0c");
    ck_assert_int_eq(stub_client_ask(client, "qXfer:threads:read::0,10")[0], 'm');
}
END_TEST

static enum err long_label(void *ctx, gva_t addr, struct target_region *out)
{
    static char label[1000];

    (void)many_regions(ctx, addr, out);
    memset(label, 'x', sizeof label - 1);
    out->label = out->state == MEM_FREE ? "" : label;
    return addr >= 200000ull * RUN ? ERR_RANGE : ERR_OK;
}

START_TEST(text_over_the_limit)
{
    client->target->ops.region = long_label;
    ck_assert_str_eq(stub_client_ask(client, "qRcmd,6d6170"), "OK");
    ck_assert(strstr(buf_str(&client->console), "\n(cut here: the text is too long)\n") != NULL);
    ck_assert_str_eq(stub_client_ask(client, "qRcmd,68656c70"), "OK");
    ck_assert(!strstr(buf_str(&client->console), "cut here"));
}
END_TEST

START_TEST(long_questions)
{
    char packet[5000];

    memset(packet, '6', sizeof packet);
    packet[sizeof packet - 1] = 0;
    memcpy(packet, "qRcmd,", 6);
    ck_assert_str_eq(stub_client_ask(client, packet), "E07");
    memcpy(packet, "qFileLoadAddress:", 17);
    ck_assert_str_eq(stub_client_ask(client, packet), "E07");
    ck_assert_str_eq(stub_client_ask(client, "qC"), "QC4c");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("documents");
    TCase *tc = tcase_create("documents");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, pieces_fit_together);
    tcase_add_test(tc, escapes_do_not_shift_pieces);
    tcase_add_test(tc, running_makes_documents_old);
    tcase_add_test(tc, a_huge_memory_map);
    tcase_add_test(tc, a_huge_monitor_map);
    tcase_add_test(tc, a_library_list_for_lldb);
    tcase_add_test(tc, a_document_over_the_limit);
    tcase_add_test(tc, text_over_the_limit);
    tcase_add_test(tc, long_questions);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
