/* A process at its entry point, walked as user code walks it: every offset below is written out once more. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "process_fixture.h"
#include "suite.h"
#include "winstub/bytes.h"
#include "winstub/image.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* ---- TEB, PEB, parameters --------------------------------------------------------------------- */

START_TEST(the_teb_is_linked_and_describes_the_stack)
{
    const struct process_thread *t;
    uint64_t word;

    fixture_start(_i, NULL);
    word = pick(4, 8);
    t = process_thread(f.p, 0);
    ck_assert_ptr_null(process_thread(f.p, 1));
    ck_assert_uint_eq(t->teb, f.teb);
    ck_assert_uint_eq(guest_word(f.p, f.teb + pick(0x18, 0x30)), f.teb);
    ck_assert_uint_eq(guest_word(f.p, f.teb + word), t->stack_base);
    ck_assert_uint_eq(guest_word(f.p, f.teb + 2 * word), t->stack_limit);
    ck_assert_uint_eq(guest_word(f.p, f.teb + pick(0x20, 0x40)), process_pid(f.p));
    ck_assert_uint_eq(guest_word(f.p, f.teb + pick(0x24, 0x48)), t->tid);
    ck_assert_uint_eq(process_pid(f.p) % 4, 0);
    ck_assert_uint_eq(t->tid % 4, 0);
    ck_assert_uint_eq(guest_u32(f.p, f.teb + pick(0x34, 0x68)), 0);
    ck_assert_uint_eq(guest_u16(f.p, f.teb + pick(0xbfa, 0x125a)), 522);
    ck_assert_uint_eq(guest_word(f.p, f.teb + pick(0xbfc, 0x1260)), f.teb + pick(0xc00, 0x1268));
}
END_TEST

START_TEST(the_peb_holds_what_programs_look_for)
{
    const struct process_module *program;
    gva_t heap;

    fixture_start(_i, NULL);
    program = process_module(f.p, 0);
    ck_assert_uint_eq(guest_word(f.p, f.peb + pick(8, 0x10)), program->base);
    ck_assert_uint_eq(guest_u16(f.p, f.peb + 2) & 0xff, 0);         /* BeingDebugged */
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0x68, 0xbc)), 0); /* NtGlobalFlag */
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0x64, 0xb8)), 1);
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0xa4, 0x118)), 10);
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0xa8, 0x11c)), 0);
    ck_assert_uint_eq(guest_u16(f.p, f.peb + pick(0xac, 0x120)), guest_u16(f.p, 0x7ffe0260));
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0xb0, 0x124)), 2);
    ck_assert_uint_eq(guest_u32(f.p, f.peb + pick(0xb4, 0x128)), 3); /* console */
    heap = guest_word(f.p, f.peb + pick(0x18, 0x30));
    ck_assert_uint_eq(guest_u32(f.p, heap + pick(0x40, 0x70)), 2); /* Flags: growable only */
    ck_assert_uint_eq(guest_u32(f.p, heap + pick(0x44, 0x74)), 0); /* ForceFlags */
    ck_assert_uint_eq(guest_word(f.p, guest_word(f.p, f.peb + pick(0x90, 0xf0))), heap);
}
END_TEST

/* The value of an environment variable; NULL when it is not there. */
static const char *environment(gva_t block, const char *name, char text[512])
{
    while (guest_u16(f.p, block)) {
        size_t len = 0;

        for (; guest_u16(f.p, block); block += 2)
            text[len++] = (char)guest_u16(f.p, block);
        text[len] = 0;
        block += 2;
        len = strlen(name);
        if (strncmp(text, name, len) == 0 && text[len] == '=')
            return text + len + 1;
    }
    return NULL;
}

START_TEST(the_parameters_carry_what_was_given)
{
    const char *argv[] = {"C:\\tools\\my prog.exe", "a b", "c\"d"}, *env[] = {"HELLO=world"};
    struct process_options options = {.argv = argv, .argc = 3, .env = env, .env_count = 1};
    char text[512];
    gva_t params;

    fixture_start(_i, &options);
    params = guest_word(f.p, f.peb + pick(0x10, 0x20));
    ck_assert_uint_eq(guest_u32(f.p, params + 8), 1); /* normalized */
    ck_assert_str_eq(guest_string(f.p, params + pick(0x38, 0x60), text), "C:\\tools\\my prog.exe");
    ck_assert_str_eq(guest_string(f.p, params + pick(0x40, 0x70), text),
                     "\"C:\\tools\\my prog.exe\" \"a b\" \"c\\\"d\"");
    ck_assert_str_eq(guest_string(f.p, params + pick(0x24, 0x38), text), "C:\\tools\\");
    ck_assert_uint_eq(guest_u16(f.p, params + pick(0x26, 0x3a)), 520);
    ck_assert_uint_eq(guest_word(f.p, params + pick(0x30, 0x50)), 0); /* DllPath stays empty */
    params = guest_word(f.p, params + pick(0x48, 0x80));
    ck_assert_str_eq(environment(params, "HELLO", text), "world");
    ck_assert_str_eq(environment(params, "SystemRoot", text), "C:\\Windows");
    ck_assert_str_eq(process_module(f.p, 0)->name, "my prog.exe");
    ck_assert_str_eq(process_module(f.p, 0)->path, "C:\\tools\\my prog.exe");
}
END_TEST

START_TEST(without_options_the_file_lies_under_c)
{
    char text[512];
    gva_t params;

    fixture_start(_i, NULL);
    params = guest_word(f.p, f.peb + pick(0x10, 0x20));
    ck_assert_str_eq(guest_string(f.p, params + pick(0x38, 0x60), text), "C:\\test.exe");
    ck_assert_str_eq(guest_string(f.p, params + pick(0x40, 0x70), text), "C:\\test.exe");
    ck_assert_str_eq(guest_string(f.p, params + pick(0x24, 0x38), text), "C:\\");
}
END_TEST

START_TEST(the_current_directory_ends_with_a_backslash)
{
    struct process_options options = {.cwd = "D:\\work\\here"};
    char text[512];

    fixture_start(_i, &options);
    ck_assert_str_eq(
        guest_string(f.p, guest_word(f.p, f.peb + pick(0x10, 0x20)) + pick(0x24, 0x38), text),
        "D:\\work\\here\\");
}
END_TEST

START_TEST(without_dlls_it_says_which_width_is_missing)
{
    const char *const roots[] = {"/nonexistent", NULL};
    struct process_options options = {.roots = roots};

    fixture_start(_i, NULL);
    ck_assert_str_eq(process_missing_dlls(f.p), "");
    fixture_teardown();
    fixture_start(_i, &options);
    ck_assert(!process_has_dlls(f.p));
    ck_assert_ptr_nonnull(strstr(process_missing_dlls(f.p), _i ? "64-bit" : "32-bit"));
    ck_assert_ptr_nonnull(strstr(process_missing_dlls(f.p), "make sysroot"));
}
END_TEST

/* ---- Loader lists ----------------------------------------------------------------------------- */

/* Follow a ring forwards, checking the way back; note the entries, which lie `offset` before their links. */
static size_t follow(gva_t head, uint64_t offset, gva_t entries[16])
{
    gva_t at = guest_word(f.p, head), before = head;
    size_t count = 0;

    while (at != head) {
        ck_assert_uint_eq(guest_word(f.p, at + pick(4, 8)), before);
        ck_assert_uint_lt(count, 16);
        entries[count++] = at - offset;
        before = at;
        at = guest_word(f.p, at);
    }
    ck_assert_uint_eq(guest_word(f.p, head + pick(4, 8)), before);
    return count;
}

static const char *base_name(gva_t entry, char text[512])
{
    return guest_string(f.p, entry + pick(0x2c, 0x58), text);
}

START_TEST(the_loader_lists_are_in_windows_order)
{
    static const char *const load[] = {"test.exe", "ntdll.dll", "KERNEL32.DLL", "KERNELBASE.dll",
                                       "WS2_32.dll"};
    static const char *const init[] = {"ntdll.dll", "KERNELBASE.dll", "KERNEL32.DLL", "WS2_32.dll"};
    gva_t ldr, entries[16], memory[16];
    char text[512];

    fixture_start(_i, NULL);
    ldr = guest_word(f.p, f.peb + pick(0xc, 0x18));
    ck_assert_uint_eq(guest_u32(f.p, ldr), pick(0x30, 0x58));
    ck_assert_uint_eq(guest_u16(f.p, ldr + 4) & 0xff, 1);
    ck_assert_uint_eq(follow(ldr + pick(0xc, 0x10), 0, entries), COUNT_OF(load));
    ck_assert_uint_eq(follow(ldr + pick(0x14, 0x20), pick(8, 0x10), memory), COUNT_OF(load));
    for (size_t i = 0; i < COUNT_OF(load); i++) {
        ck_assert_str_eq(base_name(entries[i], text), load[i]);
        ck_assert_uint_eq(entries[i], memory[i]);
    }
    ck_assert_uint_eq(follow(ldr + pick(0x1c, 0x30), pick(0x10, 0x20), entries), COUNT_OF(init));
    for (size_t i = 0; i < COUNT_OF(init); i++)
        ck_assert_str_eq(base_name(entries[i], text), init[i]);
}
END_TEST

START_TEST(loader_entries_agree_with_the_module_list)
{
    gva_t ldr, entries[16];
    char text[512];
    size_t count;

    fixture_start(_i, NULL);
    ldr = guest_word(f.p, f.peb + pick(0xc, 0x18));
    count = follow(ldr + pick(0xc, 0x10), 0, entries);
    ck_assert(process_has_image(f.p));
    for (size_t i = 0; i < count; i++) {
        const struct process_module *m = process_module(f.p, i);
        gva_t at = entries[i];

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(guest_word(f.p, at + pick(0x18, 0x30)), m->base);
        ck_assert_uint_eq(guest_word(f.p, at + pick(0x1c, 0x38)), m->entry);
        ck_assert_uint_eq(guest_u32(f.p, at + pick(0x20, 0x40)), m->size);
        ck_assert_str_eq(guest_string(f.p, at + pick(0x24, 0x48), text), m->path);
        ck_assert_int_eq(strcasecmp(base_name(at, text), m->name), 0);
        ck_assert_uint_eq(guest_u16(f.p, m->base), 0x5a4d);
        ck_assert_uint_eq(m->base % 0x10000, 0);
        ck_assert_uint_eq(m->first_section, m->base + 0x1000);
        ck_assert_int_eq(m->made_up, i > 0);
        ck_assert_uint_eq(!(guest_u32(f.p, at + pick(0x34, 0x68)) & 4),
                          i == 0); /* LDRP_IMAGE_DLL */
    }
    ck_assert_ptr_null(process_module(f.p, count));
}
END_TEST

/* ntdll's hash of a name: x65599 of its upper-case characters. */
static uint32_t x65599(const char *name)
{
    uint32_t hash = 0;

    for (; *name; name++)
        hash =
            hash * 65599 + (*name >= 'a' && *name <= 'z' ? (uint8_t)*name - 32u : (uint8_t)*name);
    return hash;
}

START_TEST(hash_links_form_the_loaders_table)
{
    gva_t ldr, entries[16], bucket[16], heads[16];
    char text[512];
    size_t count;

    fixture_start(_i, NULL);
    ldr = guest_word(f.p, f.peb + pick(0xc, 0x18));
    count = follow(ldr + pick(0xc, 0x10), 0, entries);
    for (size_t i = 0; i < count; i++) {
        gva_t links = entries[i] + pick(0x3c, 0x70);
        uint32_t hash = x65599(base_name(entries[i], text));
        size_t others = follow(links, pick(0x3c, 0x70), bucket);

        ck_assert_uint_eq(guest_u32(f.p, entries[i] + pick(0x90, 0x108)), hash);
        ck_assert_uint_ge(others, 1); /* at least the head */
        heads[i] = 0;
        for (size_t j = 0; j < others; j++) {
            gva_t head = bucket[j] + pick(0x3c, 0x70);
            bool is_entry = false;

            for (size_t k = 0; k < count; k++)
                is_entry |= bucket[j] == entries[k];
            if (!is_entry)
                heads[i] = head - hash % 32 * pick(8, 16);
        }
        ck_assert_uint_eq(heads[i], heads[0]); /* one table, entered at the right bucket */
    }
}
END_TEST

/* ---- Made-up modules -------------------------------------------------------------------------- */

struct export_search {
    const char *name;
    uint32_t ordinal, rva;
    size_t count;
};

static bool on_export(void *ctx, const struct pe_export *export)
{
    struct export_search *s = ctx;

    s->count++;
    if (s->name ? export->name && strcmp(export->name, s->name) == 0
                : export->ordinal == s->ordinal)
        s->rva = export->rva;
    return true;
}

/* Read a module out of the guest and look an export up, as GetProcAddress does. 0: not there. */
static gva_t exported(const char *dll, const char *name, uint32_t ordinal, size_t *count)
{
    struct export_search s = {.name = name, .ordinal = ordinal};
    const struct process_module *m = NULL;
    struct pe_image *image = NULL;
    struct bytes mapped;
    uint8_t *bytes;

    for (size_t i = 0; (m = process_module(f.p, i)) && strcmp(m->name, dll) != 0; i++)
        ;
    ck_assert_ptr_nonnull(m);
    bytes = malloc(m->size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(vm_debug_read(process_vm(f.p), m->base, bytes, m->size), m->size);
    mapped = (struct bytes){bytes, m->size};
    ck_assert_int_eq(pe_parse(mapped, &image, NULL), ERR_OK);
    ck_assert_int_eq(pe_exports(image, mapped, on_export, &s, NULL), ERR_OK);
    pe_free(image);
    free(bytes);
    if (count)
        *count = s.count;
    return s.rva ? m->base + s.rva : 0;
}

static const struct {
    uint32_t slot;
    const char *dll, *name;
    uint32_t ordinal;
    const char *shown;
} imports[] = {
    {PB_SLOTS, "kernel32.dll", "ExitProcess", 0, "KERNEL32!ExitProcess"},
    {PB_SLOTS + 1, "kernel32.dll", "GetStdHandle", 0, "KERNEL32!GetStdHandle"},
    {0x20a0, "ws2_32.dll", NULL, 115, "WS2_32!#115"},
};

START_TEST(imports_are_bound_to_stubs_that_have_names)
{
    gva_t program;
    struct buf name;

    fixture_start(_i, NULL);
    program = process_module(f.p, 0)->base;
    buf_init(&name, 100);
    for (size_t i = 0; i < COUNT_OF(imports); i++) {
        uint32_t slot = imports[i].slot & ~1u;
        gva_t stub = guest_word(f.p, program + slot + (imports[i].slot & 1) * pick(4, 8));

        ck_assert_uint_eq(stub,
                          exported(imports[i].dll, imports[i].name, imports[i].ordinal, NULL));
        buf_clear(&name);
        ck_assert(process_import_at(f.p, stub, &name));
        ck_assert_str_eq(buf_str(&name), imports[i].shown);
        ck_assert(!process_import_at(f.p, stub + 1, &name));
    }
    ck_assert(!process_import_at(f.p, program + PB_TEXT, &name));
    buf_fini(&name);
}
END_TEST

START_TEST(well_known_names_are_exported_unasked)
{
    static const struct {
        const char *dll, *name;
    } names[] = {
        {"kernel32.dll", "LoadLibraryA"},   {"kernel32.dll", "GetProcAddress"},
        {"kernel32.dll", "WinExec"},        {"kernel32.dll", "VirtualAlloc"},
        {"kernelbase.dll", "VirtualAlloc"}, {"ntdll.dll", "NtProtectVirtualMemory"},
        {"ntdll.dll", "LdrLoadDll"},        {"ws2_32.dll", "WSAStartup"},
    };
    size_t count;

    fixture_start(_i, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_msg(exported(names[i].dll, names[i].name, 0, NULL), "%s", names[i].name);
    ck_assert_uint_eq(exported("kernel32.dll", "NoSuchFunction", 0, &count), 0);
    ck_assert_uint_gt(count, 400);
}
END_TEST

START_TEST(stubs_return_as_their_functions_do)
{
    gva_t stub;

    fixture_start(_i, NULL);
    stub = exported("kernel32.dll", "CreateFileA", 0, NULL);
    ck_assert_uint_eq(guest_u32(f.p, stub) & 0xff, pick(0xc2, 0xc3));
    ck_assert(f.wide || guest_u16(f.p, stub + 1) == 28);
    stub = exported("ntdll.dll", "memcpy", 0, NULL); /* cdecl */
    ck_assert_uint_eq(guest_u32(f.p, stub) & 0xff, 0xc3);
}
END_TEST

START_TEST(addresses_get_names)
{
    struct buf out;
    gva_t stub, program;

    fixture_start(_i, NULL);
    program = process_module(f.p, 0)->base;
    stub = exported("kernel32.dll", "CreateFileA", 0, NULL);
    buf_init(&out, 200);
    process_where(f.p, program + 0x1234, &out);
    (void)buf_byte(&out, ' ');
    process_where(f.p, stub, &out);
    (void)buf_byte(&out, ' ');
    process_where(f.p, stub + 3, &out);
    (void)buf_byte(&out, ' ');
    process_where(f.p, process_module(f.p, 1)->base + 0x10, &out);
    (void)buf_byte(&out, ' ');
    process_where(f.p, process_thread(f.p, 0)->stack_base - 8, &out);
    process_where(f.p, 0x1000, &out);
    ck_assert_str_eq(buf_str(&out), "test.exe+0x1234 KERNEL32!CreateFileA KERNEL32!CreateFileA+0x3 "
                                    "ntdll.dll+0x10 stack 1");
    buf_fini(&out);
}
END_TEST

/* ---- Clock ------------------------------------------------------------------------------------ */

START_TEST(host_time_passes_between_clock_start_and_stop)
{
    const struct process_options options = {.host_time = true};
    uint64_t before, after;

    fixture_start(_i, &options);
    before = guest_u32(f.p, 0x7ffe0008);
    process_clock_start(f.p);
    do { /* the page itself may change under a reader now: only the guest and this test look at it so */
        process_clock_stop(f.p);
        after = guest_u32(f.p, 0x7ffe0008);
        process_clock_start(f.p);
    } while (after - before < 50000);
    process_clock_stop(f.p);
    ck_assert_uint_eq(guest_u32(f.p, 0x7ffe000c), guest_u32(f.p, 0x7ffe0010));
}
END_TEST

START_TEST(two_processes_live_side_by_side)
{
    struct process *first;
    struct pe_builder b;

    fixture_start(_i, NULL);
    first = f.p;
    pe_builder_init(&b, archs[1 - _i]);
    fixture_adopt(build_program(&b, NULL));
    ck_assert_uint_ne(cpu_get_arch(process_cpu(first)), cpu_get_arch(f.cpu));
    process_free(first);
    ck_assert_uint_eq(guest_u16(f.p, process_module(f.p, 0)->base), 0x5a4d);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_teb_is_linked_and_describes_the_stack,
        the_peb_holds_what_programs_look_for,
        the_parameters_carry_what_was_given,
        without_options_the_file_lies_under_c,
        the_current_directory_ends_with_a_backslash,
        the_loader_lists_are_in_windows_order,
        loader_entries_agree_with_the_module_list,
        hash_links_form_the_loaders_table,
        imports_are_bound_to_stubs_that_have_names,
        well_known_names_are_exported_unasked,
        stubs_return_as_their_functions_do,
        addresses_get_names,
        host_time_passes_between_clock_start_and_stop,
        two_processes_live_side_by_side,
        without_dlls_it_says_which_width_is_missing,
    };
    Suite *suite = suite_create("process");
    TCase *tc = tcase_create("process");

    tcase_add_checked_fixture(tc, NULL, fixture_teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, ARCHS);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
