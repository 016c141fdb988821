/* core/vm/map.c: the map of a small space in every form, byte for byte. */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm_builder.h"
#include "winstub/buf.h"
#include "winstub/map.h"

static struct vm *vm;
static struct buf out;

static void setup(void)
{
    vm = build_vm(64);
    buf_init(&out, 1u << 20);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    buf_fini(&out);
    vm_free(vm);
}

/* Every kind of row. */
static void furnish(void)
{
    build_reserved(vm, 0x20000, 0x10000);
    build_memory(vm, 0x21000, 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    build_memory(vm, 0x22000, 0x1000, MEM_COMMIT, PAGE_NOACCESS);
    ck_assert(vm_set_label(vm, 0x20000, "stack 1", false));
    build_memory(vm, 0x30000, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE);
    ck_assert_uint_eq(build_image(vm, 0x140000000), STATUS_SUCCESS);
}

START_TEST(text_has_a_line_for_each_row)
{
    furnish();
    ck_assert(vm_map_text(vm, &out));
    ck_assert_str_eq(buf_str(&out),
                     "Start          End            Perm      Label            Image\n"
                     "000000020000 - 000000021000   reserved  stack 1\n"
                     "000000021000 - 000000022000   rw-g      stack 1\n"
                     "000000022000 - 000000023000   ---       stack 1\n"
                     "000000023000 - 000000030000   reserved  stack 1\n"
                     "000000030000 - 000000031000   r-x       [private]\n"
                     "000140000000 - 000140001000   r--       demo.exe header  C:\\demo.exe\n"
                     "000140001000 - 000140002000   r-x       demo.exe .text   C:\\demo.exe\n"
                     "000140002000 - 000140003000   rw-c      demo.exe .data   C:\\demo.exe\n"
                     "000140003000 - 000140004000   rw-c      demo.exe .bss    C:\\demo.exe\n");
}
END_TEST

START_TEST(an_empty_space_has_a_map_too)
{
    ck_assert(vm_map_text(vm, &out));
    ck_assert_str_eq(buf_str(&out), "Start          End            Perm      Label  Image\n");
    buf_clear(&out);
    ck_assert(vm_map_json(vm, &out));
    ck_assert_str_eq(buf_str(&out), "[\n]\n");
}
END_TEST

START_TEST(addresses_of_32_bits_take_less_room)
{
    struct vm_config config = {.user_limit = VM_USER_LIMIT_32_LARGE, .arena_size = 0x10000};
    struct vm *small;

    ck_assert_int_eq(vm_new(&config, &small), ERR_OK);
    build_committed(small, 0xfffd0000, 0x10000);
    ck_assert(vm_map_text(small, &out));
    ck_assert_str_eq(buf_str(&out), "Start      End        Perm      Label      Image\n"
                                    "fffd0000 - fffe0000   rw-       [private]\n");
    vm_free(small);
}
END_TEST

START_TEST(json_has_an_object_for_each_row)
{
    build_memory(vm, 0x20000, 0x1000, MEM_RESERVE, PAGE_EXECUTE_READ);
    ck_assert(vm_set_label(vm, 0x20000, "a \"b\" \\ \n\x7f \xc3\xa9 \xff", false));
    build_committed(vm, 0x7fffffe0000, 0x10000);
    ck_assert(vm_map_json(vm, &out));
    ck_assert_str_eq(
        buf_str(&out),
        "[\n"
        "{\"start\":131072,\"end\":135168,\"size\":4096,\"allocation_base\":131072,"
        "\"kind\":\"private\",\"state\":\"reserve\",\"perm\":\"reserved\",\"protect\":0,"
        "\"allocation_protect\":32,\"label\":\"a \\u0022b\\u0022 \\u005c \\u000a\x7f "
        "\xc3\xa9 \xef\xbf\xbd\",\"path\":\"\"},\n"
        "{\"start\":8796092891136,\"end\":8796092956672,\"size\":65536,"
        "\"allocation_base\":8796092891136,\"kind\":\"private\",\"state\":\"commit\","
        "\"perm\":\"rw-\",\"protect\":4,\"allocation_protect\":4,\"label\":\"\",\"path\":\"\"}\n"
        "]\n");
}
END_TEST

START_TEST(a_label_cannot_command_the_terminal)
{
    build_committed(vm, 0x20000, 0x10000);
    ck_assert(vm_set_label(vm, 0x20000, "\x1b[2J\xc2\x9b\xff", false));
    ck_assert(vm_map_text(vm, &out));
    ck_assert_ptr_eq(strchr(buf_str(&out), '\x1b'), NULL);
    ck_assert_ptr_ne(strstr(buf_str(&out), " \xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\n"), NULL);
}
END_TEST

START_TEST(rows_join_what_only_the_manager_tells_apart)
{
    struct vm_region row;

    ck_assert_uint_eq(build_image(vm, 0x140000000), STATUS_SUCCESS);
    ck_assert(vm_set_label(vm, 0x140002000, "data", true));
    ck_assert(vm_set_label(vm, 0x140003000, "data", true));
    ck_assert(vm_map_next(vm, 0x140002000, &row));
    ck_assert_uint_eq(row.size, 0x2000);
    ck_assert(vm_debug_write(vm, 0x140002000, "x", 1)); /* WRITECOPY turns READWRITE */
    ck_assert(vm_map_next(vm, 0x140002000, &row));
    ck_assert_uint_eq(row.size, 0x1000);
    ck_assert(vm_debug_write(vm, 0x140003000, "x", 1));
    ck_assert(vm_map_next(vm, 0x140002000, &row));
    ck_assert_uint_eq(row.size, 0x2000);
    ck_assert_uint_eq(row.label_size, 0x2000);
}
END_TEST

START_TEST(rows_start_where_asked_or_above)
{
    struct vm_region row;

    furnish();
    ck_assert(vm_map_next(vm, 0x25001, &row));
    ck_assert_uint_eq(row.base, 0x25000);
    ck_assert_uint_eq(row.size, 0xb000);
    ck_assert(vm_map_next(vm, 0x31000, &row));
    ck_assert_uint_eq(row.base, 0x140000000);
    ck_assert(!vm_map_next(vm, 0x140004000, &row));
    ck_assert(!vm_map_next(vm, UINT64_MAX, &row));
}
END_TEST

static const struct {
    uint32_t protect;
    const char *text;
} perms[] = {
    {PAGE_NOACCESS, "---"},
    {PAGE_READONLY, "r--"},
    {PAGE_READWRITE, "rw-"},
    {PAGE_WRITECOPY, "rw-c"},
    {PAGE_EXECUTE, "r-x"},
    {PAGE_EXECUTE_READ, "r-x"},
    {PAGE_EXECUTE_READWRITE, "rwx"},
    {PAGE_EXECUTE_WRITECOPY, "rwxc"},
    {PAGE_READWRITE | PAGE_GUARD, "rw-g"},
    {PAGE_EXECUTE_WRITECOPY | PAGE_GUARD, "rwxcg"},
    {PAGE_READONLY | PAGE_NOCACHE, "r--"},
};

START_TEST(permissions_in_letters)
{
    struct vm_region r = {.state = MEM_COMMIT, .protect = perms[_i].protect};
    char text[VM_PERM_SIZE];

    vm_perm_text(&r, text);
    ck_assert_str_eq(text, perms[_i].text);
    r.state = MEM_FREE;
    vm_perm_text(&r, text);
    ck_assert_str_eq(text, "free");
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    struct buf tiny;

    furnish();
    buf_init(&tiny, 20);
    ck_assert(!vm_map_text(vm, &tiny));
    buf_clear(&tiny);
    ck_assert(!vm_map_json(vm, &tiny));
    buf_fini(&tiny);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tc = tcase_create("map");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, text_has_a_line_for_each_row);
    tcase_add_test(tc, an_empty_space_has_a_map_too);
    tcase_add_test(tc, addresses_of_32_bits_take_less_room);
    tcase_add_test(tc, json_has_an_object_for_each_row);
    tcase_add_test(tc, a_label_cannot_command_the_terminal);
    tcase_add_test(tc, rows_join_what_only_the_manager_tells_apart);
    tcase_add_test(tc, rows_start_where_asked_or_above);
    tcase_add_loop_test(tc, permissions_in_letters, 0, COUNT_OF(perms));
    tcase_add_test(tc, a_full_buffer_is_told);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
