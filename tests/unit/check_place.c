/* Where programs are put, what refuses to start, and the sentence that says why. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "process_builder.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

#ifndef DAMAGE_ROUNDS
#define DAMAGE_ROUNDS 150
#endif

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};
static struct process *p;

static void teardown(void)
{
    process_free(p);
    p = NULL;
}

static void builder(struct pe_builder *b, int i)
{
    pe_builder_init(b, archs[i]);
}

/* ---- Bases ------------------------------------------------------------------------------------ */

START_TEST(an_image_with_dynamic_base_moves)
{
    struct pe_builder b;

    builder(&b, _i);
    b.dll_characteristics |= 0x40;
    p = build_program(&b, NULL);
    ck_assert_uint_eq(process_module(p, 0)->base, _i ? 0x7ff7a1b20000 : 0x00d50000);
    ck_assert_uint_eq(guest_word(p, process_module(p, 0)->base + PB_POINTER),
                      process_module(p, 0)->base + PB_TEXT);
}
END_TEST

/* mingw writes no .reloc section when there is nothing to relocate; Windows moves such images all the same. */
START_TEST(an_image_with_nothing_to_relocate_moves_too)
{
    struct pe_builder b;

    builder(&b, _i);
    b.dll_characteristics |= 0x40;
    b.dirs[5].rva = b.dirs[5].size = 0;
    b.dirs[9].rva = b.dirs[9].size = 0;
    p = build_program(&b, NULL);
    ck_assert_uint_ne(process_module(p, 0)->base, b.image_base);
}
END_TEST

START_TEST(an_image_without_it_stays)
{
    struct pe_builder b;

    builder(&b, _i);
    b.dll_characteristics &= (uint16_t)~0x40;
    p = build_program(&b, NULL);
    ck_assert_uint_eq(process_module(p, 0)->base, b.image_base);
}
END_TEST

START_TEST(the_users_base_counts_most)
{
    struct process_options options = {.base = 0x12340000};
    struct pe_builder b;

    builder(&b, _i);
    b.dll_characteristics ^= (uint16_t)(_i * 0x40);
    p = build_program(&b, &options);
    ck_assert_uint_eq(process_module(p, 0)->base, 0x12340000);
    ck_assert_uint_eq(guest_word(p, 0x12340000 + PB_POINTER), 0x12340000 + PB_TEXT);
}
END_TEST

START_TEST(a_preferred_base_that_is_taken_moves_the_image)
{
    struct pe_builder b;

    builder(&b, _i);
    b.dll_characteristics &= (uint16_t)~0x40;
    b.image_base = 0x7ffd0000; /* shared user data lies 64 KiB further up */
    for (unsigned i = 0; i < 2; i++) {
        struct diag why = {{0}};
        enum err e;

        b.image_size = PB_IMAGE_SIZE;
        b.image_base = i ? 0x7ffe0000 : 0x7ffd0000;
        e = try_program(&b, NULL, &p, &why);
        ck_assert_msg(e == ERR_OK, "%s", why.text);
        ck_assert_int_eq(process_module(p, 0)->base == b.image_base, i == 0);
        process_free(p);
        p = NULL;
    }
}
END_TEST

static const struct {
    gva_t base;
    enum err want;
    const char *text;
} bad_bases[] = {
    {0x12345000, ERR_INVALID, "0x12345000: not a multiple of 0x10000"},
    {0x7ffe0000, ERR_EXISTS, "0x7ffe0000"},
    {0xfffffffffff00000, ERR_EXISTS, "0xfffffffffff00000"},
};

START_TEST(an_impossible_base_is_an_error)
{
    struct process_options options = {.base = bad_bases[_i].base};
    struct diag why = {{0}};
    struct pe_builder b;

    builder(&b, 1);
    ck_assert_int_eq(try_program(&b, &options, &p, &why), bad_bases[_i].want);
    ck_assert_msg(strstr(why.text, bad_bases[_i].text) && strstr(why.text, "/test.exe: "), "%s",
                  why.text);
}
END_TEST

START_TEST(an_image_without_relocations_cannot_move)
{
    struct process_options options = {.base = 0x12340000};
    struct diag why = {{0}};
    struct pe_builder b;

    builder(&b, _i);
    b.characteristics |= 1;
    ck_assert_int_eq(try_program(&b, &options, &p, &why), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(why.text, "/test.exe: "), "%s", why.text);
    b.image_base = 0x7ffe0000;
    ck_assert_int_eq(try_program(&b, NULL, &p, &why), ERR_EXISTS);
    ck_assert_msg(strstr(why.text, "can only live at 0x7ffe0000"), "%s", why.text);
}
END_TEST

START_TEST(small_programs_get_two_gigabytes)
{
    struct pe_builder b;

    builder(&b, _i);
    b.characteristics &= (uint16_t)~0x20;
    p = build_program(&b, NULL);
    for (size_t i = 0; process_module(p, i); i++)
        ck_assert_uint_lt(process_module(p, i)->base, 0x7fff0000);
    ck_assert_uint_lt(process_thread(p, 0)->teb, 0x7fff0000);
    ck_assert_uint_lt(process_thread(p, 0)->stack_base, 0x7fff0000);
}
END_TEST

START_TEST(old_32_bit_programs_may_execute_data)
{
    bool says_so = _i & 2;
    enum vm_fault fault;
    struct vm_fill fill;
    struct pe_builder b;

    builder(&b, _i & 1);
    b.dll_characteristics = (uint16_t)(says_so ? 0x100 : 0);
    p = build_program(&b, NULL);
    fault = vm_fill(process_vm(p), process_thread(p, 0)->stack_limit, VM_EXEC, &fill);
    ck_assert_int_eq(fault, _i & 1 || says_so ? VM_FAULT_NOEXEC : VM_FAULT_NONE);
}
END_TEST

/* ---- Raw code --------------------------------------------------------------------------------- */

static const uint8_t code[] = {0x90, 0x90, 0xc3};

START_TEST(raw_code_lies_where_it_is_wanted)
{
    struct process_options options = {.base = _i % 2 ? 0x401000 : 0, .entry = 2};
    struct vm_region region;
    uint8_t back[3];

    p = build_code(archs[_i / 2], code, sizeof code, &options);
    ck_assert_uint_eq(cpu_get(process_cpu(p), CPU_RIP), (_i % 2 ? 0x401000 : 0x10000000) + 2);
    ck_assert(NT_SUCCESS(vm_query(process_vm(p), cpu_get(process_cpu(p), CPU_RIP), &region)));
    ck_assert_uint_eq(region.protect, PAGE_EXECUTE_READWRITE);
    ck_assert_str_eq(region.label, "code.bin");
    ck_assert_uint_eq(
        vm_debug_read(process_vm(p), cpu_get(process_cpu(p), CPU_RIP) - 2, back, sizeof back),
        sizeof back);
    ck_assert_mem_eq(back, code, sizeof code);
    ck_assert(!process_has_image(p));
    ck_assert_str_eq(process_module(p, 0)->name,
                     "code.exe"); /* a made-up host, as lists want one */
    ck_assert(process_module(p, 0)->made_up);
    ck_assert_str_eq(process_module(p, 1)->name, "ntdll.dll");
    ck_assert_str_eq(process_module(p, 2)->name, "kernel32.dll");
}
END_TEST

START_TEST(raw_code_is_checked)
{
    struct process_options options = {.entry = sizeof code};
    struct diag why = {{0}};

    ck_assert_int_eq(try_code(CPU_AMD64, code, sizeof code, &options, &p, &why), ERR_RANGE);
    ck_assert_msg(strstr(why.text, "/code.bin: entry 0x3"), "%s", why.text);
    options.entry = 0;
    ck_assert_int_eq(try_code(CPU_AMD64, code, 0, &options, &p, &why), ERR_FORMAT);
    ck_assert_msg(strstr(why.text, "empty"), "%s", why.text);
    options.base = 0x7ffe0000;
    ck_assert_int_eq(try_code(CPU_AMD64, code, sizeof code, &options, &p, &why), ERR_EXISTS);
    ck_assert_msg(strstr(why.text, "0x7ffe0000"), "%s", why.text);
    options.base = UINT64_MAX - 1;
    ck_assert_int_ne(try_code(CPU_AMD64, code, sizeof code, &options, &p, &why), ERR_OK);
}
END_TEST

/* ---- Refusals --------------------------------------------------------------------------------- */

START_TEST(a_file_that_is_no_program_is_named)
{
    static const struct {
        const char *path;
        enum err want;
    } files[] = {
        {"/nonexistent/x.exe", ERR_NOT_FOUND}, {"/tmp", ERR_IO}, {TEST_DIR "/run.py", ERR_FORMAT}};
    struct process_options options = {.path = files[_i].path};
    struct diag why = {{0}};

    ck_assert_int_eq(process_new(&options, &p, &why), files[_i].want);
    ck_assert_msg(strncmp(why.text, files[_i].path, strlen(files[_i].path)) == 0, "%s", why.text);
    ck_assert_int_eq(process_new(&options, &p, NULL), files[_i].want);
}
END_TEST

START_TEST(bad_options_are_named)
{
    const char *argv[] = {"a\"b"}, *folder[] = {"C:\\dir\\"}, *env[] = {"=nothing"};
    const struct {
        struct process_options options;
        const char *text;
    } bad[] = {
        {{.argv = argv, .argc = 1}, "a\"b"},
        {{.env = env, .env_count = 1}, "'=nothing'"},
        {{.cwd = "/home"}, "'/home'"},
        {{.cwd = ""}, "''"},
        {{.argv = folder, .argc = 1}, "names a folder"},
    };
    struct diag why = {{0}};
    struct pe_builder b;

    builder(&b, 1);
    ck_assert_int_eq(try_program(&b, &bad[_i].options, &p, &why), ERR_INVALID);
    ck_assert_msg(strstr(why.text, bad[_i].text), "%s", why.text);
}
END_TEST

START_TEST(texts_that_are_too_long_are_refused)
{
    static char text[70000];
    const char *argv[] = {"a", text};
    struct process_options options = {.argv = argv, .argc = 2};
    struct diag why = {{0}};
    struct pe_builder b;

    builder(&b, 1);
    memset(text, 'x', sizeof text - 1);
    ck_assert_int_eq(try_program(&b, &options, &p, &why), ERR_LIMIT);
    ck_assert_msg(strstr(why.text, "command line"), "%s", why.text);
    text[32000] = 0;
    p = build_program(&b, &options);
    process_free(p);
    p = NULL;
    memcpy(text, "C:\\", 3);
    options = (struct process_options){.cwd = text};
    ck_assert_int_eq(try_program(&b, &options, &p, &why), ERR_LIMIT);
    ck_assert_msg(strstr(why.text, "current directory"), "%s", why.text);
}
END_TEST

START_TEST(an_image_without_entry_point_has_nothing_to_run)
{
    struct diag why = {{0}};
    struct pe_builder b;

    builder(&b, _i);
    b.entry = 0;
    ck_assert_int_eq(try_program(&b, NULL, &p, &why), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(why.text, "no entry point"), "%s", why.text);
}
END_TEST

START_TEST(hostile_stacks_are_refused_or_served)
{
    static const struct {
        uint64_t reserve, commit;
        bool fine;
    } stacks[] = {
        {0, 0, true},
        {1, 1, true},
        {0x100000, 0x100000, true},
        {0x10000, 0x30000, true},
        {UINT64_MAX, 0x1000, false},
        {0x100000, UINT64_MAX, false},
        {UINT64_C(0x7fffffff0000), 0x1000, false},
        {UINT64_C(0x8000000000000000), UINT64_C(0x8000000000000000), false},
    };
    struct diag why = {{0}};
    struct pe_builder b;
    enum err e;

    builder(&b, 1);
    b.stack_reserve = stacks[_i].reserve;
    b.stack_commit = stacks[_i].commit;
    e = try_program(&b, NULL, &p, &why);
    ck_assert_msg((e == ERR_OK) == stacks[_i].fine, "%s", why.text);
    ck_assert(e == ERR_OK || strstr(why.text, "/test.exe: "));
}
END_TEST

START_TEST(a_tls_directory_outside_the_image_is_refused)
{
    uint32_t word = archs[_i % 2] == CPU_AMD64 ? 8 : 4;
    struct diag why = {{0}};
    struct pe_builder b;
    gva_t base;

    builder(&b, _i % 2);
    b.dll_characteristics &= (uint16_t)~0x40;
    base = b.image_base;
    switch (_i / 2) {
    case 0: /* index behind the end */
        pe_builder_word(&b, PB_TLS + 2 * word, base + PB_IMAGE_SIZE - 3);
        break;
    case 1: /* template runs out */
        pe_builder_word(&b, PB_TLS, base + PB_DATA);
        pe_builder_word(&b, PB_TLS + word, base + PB_IMAGE_SIZE + 1);
        break;
    case 2: /* ends before it starts */
        pe_builder_word(&b, PB_TLS, base + PB_DATA + 8);
        pe_builder_word(&b, PB_TLS + word, base + PB_DATA);
        break;
    default: /* the directory itself */
        b.dirs[9].rva = PB_IMAGE_SIZE - 8;
        break;
    }
    ck_assert_int_eq(try_program(&b, NULL, &p, &why), ERR_FORMAT);
    ck_assert_msg(strstr(why.text, "TLS"), "%s", why.text);
}
END_TEST

/* Damage a few bytes of a good file: it starts or is refused with one sentence, and nothing else happens. */
START_TEST(damaged_programs_start_or_are_refused)
{
    uint32_t random = 1 + (uint32_t)_i;
    struct pe_builder b;
    struct buf file;
    int refused = 0;

    builder(&b, _i);
    buf_init(&file, 1 << 20);
    pe_builder_write(&b, &file);
    for (int round = 0; round < DAMAGE_ROUNDS; round++) {
        struct guest_file on_disk;
        struct process_options options = {.path = on_disk.path};
        struct diag why = {{0}};
        uint8_t saved[4];
        size_t at[4];

        for (int k = 0; k < 4; k++) {
            random = random * 1664525u + 1013904223u;
            at[k] = (random >> 8) % 4 ? (random >> 10) % 0x300 : (random >> 10) % file.len;
            saved[k] = file.data[at[k]];
            file.data[at[k]] = (uint8_t)(random >> 3);
        }
        guest_file_make(&on_disk, "bad.exe", file.data, file.len);
        if (process_new(&options, &p, &why)) {
            refused++;
            ck_assert_msg(strncmp(why.text, on_disk.path, strlen(on_disk.path)) == 0, "%s",
                          why.text);
        } else {
            teardown();
        }
        guest_file_remove(&on_disk);
        for (int k = 3; k >= 0; k--)
            file.data[at[k]] = saved[k];
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_lt(refused, DAMAGE_ROUNDS);
    buf_fini(&file);
}
END_TEST

START_TEST(running_out_of_host_memory_is_an_error)
{
    struct guest_file on_disk;
    struct process_options options = {.path = on_disk.path, .raw = _i};
    struct diag why = {{0}};
    struct pe_builder b;
    struct buf file;
    enum err e;

    builder(&b, 0);
    buf_init(&file, 1 << 20);
    pe_builder_write(&b, &file);
    guest_file_make(&on_disk, "test.exe", file.data, file.len);
    ALLOC_FAIL_EACH(e, process_new(&options, &p, &why), ERR_NOMEM, ERR_OK);
    ck_assert_msg(strncmp(why.text, on_disk.path, strlen(on_disk.path)) == 0, "%s", why.text);
    guest_file_remove(&on_disk);
    buf_fini(&file);
}
END_TEST

/* ---- Names of DLLs ---------------------------------------------------------------------------- */

static const struct {
    const char *written, *module, *shown;
} dll_names[] = {
    {"KERNEL32.dll", "kernel32.dll", "KERNEL32!ExitProcess"},
    {"kernel32", "kernel32.dll", "KERNEL32!ExitProcess"},
    {"NTDLL", "ntdll.dll", "NTDLL!ExitProcess"},
    {"W.DRV", "w.drv", "W.DRV!ExitProcess"},
    {"x\x1b\xff.dll", "x\x1b\xff.dll", "X\?\?!ExitProcess"},
};

START_TEST(dll_names_are_normalized)
{
    struct pe_builder b;
    struct buf name;
    bool found = false;

    builder(&b, _i % 2);
    /* the first import descriptor's name, PB_IMPORTS + 12, is moved to free room of .rdata */
    pe_builder_u32(&b, PB_IMPORTS + 12, PB_NAMES + 0xc0);
    pe_builder_text(&b, PB_NAMES + 0xc0, dll_names[_i / 2].written);
    p = build_program(&b, NULL);
    buf_init(&name, 100);
    ck_assert(process_import_at(p, guest_word(p, process_module(p, 0)->base + PB_SLOTS), &name));
    ck_assert_str_eq(buf_str(&name), dll_names[_i / 2].shown);
    buf_fini(&name);
    for (size_t i = 0; process_module(p, i); i++)
        found |= strcmp(process_module(p, i)->name, dll_names[_i / 2].module) == 0;
    ck_assert(found);
}
END_TEST

START_TEST(api_sets_lead_to_their_hosts)
{
    struct pe_builder b;
    struct buf name;

    builder(&b, _i);
    pe_builder_u32(&b, PB_IMPORTS + 12, PB_NAMES + 0xc0);
    pe_builder_text(&b, PB_NAMES + 0xc0, "api-ms-win-crt-runtime-l1-1-0.dll");
    p = build_program(&b, NULL);
    buf_init(&name, 100);
    ck_assert(process_import_at(p, guest_word(p, process_module(p, 0)->base + PB_SLOTS), &name));
    ck_assert_str_eq(buf_str(&name), "UCRTBASE!ExitProcess");
    buf_fini(&name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("place");
    TCase *tc = tcase_create("place");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, an_image_with_dynamic_base_moves, 0, 2);
    tcase_add_loop_test(tc, an_image_with_nothing_to_relocate_moves_too, 0, 2);
    tcase_add_loop_test(tc, an_image_without_it_stays, 0, 2);
    tcase_add_loop_test(tc, the_users_base_counts_most, 0, 2);
    tcase_add_loop_test(tc, a_preferred_base_that_is_taken_moves_the_image, 0, 2);
    tcase_add_loop_test(tc, an_impossible_base_is_an_error, 0, COUNT_OF(bad_bases));
    tcase_add_loop_test(tc, an_image_without_relocations_cannot_move, 0, 2);
    tcase_add_loop_test(tc, small_programs_get_two_gigabytes, 0, 2);
    tcase_add_loop_test(tc, old_32_bit_programs_may_execute_data, 0, 4);
    tcase_add_loop_test(tc, raw_code_lies_where_it_is_wanted, 0, 4);
    tcase_add_test(tc, raw_code_is_checked);
    tcase_add_loop_test(tc, a_file_that_is_no_program_is_named, 0, 3);
    tcase_add_loop_test(tc, bad_options_are_named, 0, 5);
    tcase_add_test(tc, texts_that_are_too_long_are_refused);
    tcase_add_loop_test(tc, an_image_without_entry_point_has_nothing_to_run, 0, 2);
    tcase_add_loop_test(tc, hostile_stacks_are_refused_or_served, 0, 8);
    tcase_add_loop_test(tc, a_tls_directory_outside_the_image_is_refused, 0, 8);
    tcase_add_loop_test(tc, damaged_programs_start_or_are_refused, 0, 2);
    tcase_add_loop_test(tc, running_out_of_host_memory_is_an_error, 0, 2);
    tcase_add_loop_test(tc, dll_names_are_normalized, 0, 2 * COUNT_OF(dll_names));
    tcase_add_loop_test(tc, api_sets_lead_to_their_hosts, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
