/* NT's structures: offsets against numbers copied from the sources that layout.h names, blocks in both widths. */
#include <check.h>
#include <string.h>

#include "nt/layout.h"
#include "suite.h"
#include "winstub/bytes.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    enum nt_field field;
    uint32_t off32, off64;
} pinned[] = {
    {NT_TEB_EXCEPTION_LIST, 0, 0},
    {NT_TEB_STACK_BASE, 4, 8},
    {NT_TEB_STACK_LIMIT, 8, 16},
    {NT_TEB_SELF, 0x18, 0x30},
    {NT_TEB_THREAD_ID, 0x24, 0x48},
    {NT_TEB_TLS_POINTER, 0x2c, 0x58},
    {NT_TEB_PEB, 0x30, 0x60},
    {NT_TEB_LAST_ERROR, 0x34, 0x68},
    {NT_TEB_DEALLOCATION_STACK, 0xe0c, 0x1478},
    {NT_TEB_TLS_SLOTS, 0xe10, 0x1480},
    {NT_PEB_BEING_DEBUGGED, 2, 2},
    {NT_PEB_IMAGE_BASE, 8, 16},
    {NT_PEB_LDR, 0xc, 0x18},
    {NT_PEB_PARAMETERS, 0x10, 0x20},
    {NT_PEB_PROCESS_HEAP, 0x18, 0x30},
    {NT_PEB_GLOBAL_FLAG, 0x68, 0xbc},
    {NT_PEB_OS_BUILD, 0xac, 0x120},
    {NT_PEB_SESSION, 0x1d4, 0x2c0},
    {NT_PARAMETERS_IMAGE_PATH, 0x38, 0x60},
    {NT_PARAMETERS_COMMAND_LINE, 0x40, 0x70},
    {NT_PARAMETERS_ENVIRONMENT, 0x48, 0x80},
    {NT_LDR_LOAD_ORDER, 0xc, 0x10},
    {NT_LDR_MEMORY_ORDER, 0x14, 0x20},
    {NT_LDR_INIT_ORDER, 0x1c, 0x30},
    {NT_ENTRY_BASE, 0x18, 0x30},
    {NT_ENTRY_FULL_NAME, 0x24, 0x48},
    {NT_ENTRY_BASE_NAME, 0x2c, 0x58},
    {NT_ENTRY_HASH, 0x3c, 0x70},
    {NT_ENTRY_NAME_HASH, 0x90, 0x108},
};

START_TEST(offsets_are_windows)
{
    ck_assert_uint_eq(nt_offset(CPU_I386, pinned[_i].field), pinned[_i].off32);
    ck_assert_uint_eq(nt_offset(CPU_AMD64, pinned[_i].field), pinned[_i].off64);
}
END_TEST

/* No two fields of one structure overlap: their distance is at least the width of the lower one. */
START_TEST(fields_ascend_within_a_structure)
{
    for (int f = 1; f < NT_FIELD_COUNT; f++) {
        enum nt_field low = (enum nt_field)(f - 1), high = (enum nt_field)f;

        if (nt_offset(CPU_AMD64, high) == 0 ||
            nt_offset(CPU_AMD64, high) < nt_offset(CPU_AMD64, low))
            continue; /* the next structure begins */
        ck_assert_msg(nt_offset(CPU_I386, high) > nt_offset(CPU_I386, low), "field %d", f);
        ck_assert_msg(nt_offset(CPU_AMD64, high) > nt_offset(CPU_AMD64, low), "field %d", f);
    }
}
END_TEST

START_TEST(a_block_holds_both_widths)
{
    enum cpu_arch arch = _i ? CPU_AMD64 : CPU_I386;
    struct nt_block block;
    size_t at;

    nt_block_init(&block, arch, 0x10000, 65536);
    at = nt_block_take(&block, nt_size(arch, NT_STRUCT_PEB));
    nt_put(&block, at, NT_PEB_LDR, 0x11223344);
    nt_put(&block, at, NT_PEB_OS_BUILD, 0xabcdef);
    ck_assert(!block.bytes.failed);
    ck_assert_uint_eq(get_u32(block.bytes.data + (_i ? 0x18 : 0xc)), 0x11223344);
    ck_assert_uint_eq(get_u32(block.bytes.data + (_i ? 0x1c : 0x10)), 0);
    ck_assert_uint_eq(get_u32(block.bytes.data + (_i ? 0x120 : 0xac)), 0xcdef);
    nt_put(&block, nt_size(arch, NT_STRUCT_PEB), NT_PEB_LDR, 1);
    ck_assert_msg(block.bytes.failed, "a store past the end was taken");
    nt_block_fini(&block);
}
END_TEST

START_TEST(strings_point_to_their_text)
{
    enum cpu_arch arch = _i ? CPU_AMD64 : CPU_I386;
    const uint8_t *field;
    struct nt_block block;
    struct buf text;
    uint64_t pointer;

    buf_init(&text, NT_STRING_MAX + 2);
    ck_assert(buf_append(&text, "a\0b\0", 4));
    nt_block_init(&block, arch, 0x20000, 1 << 20);
    (void)nt_block_take(&block, nt_size(arch, NT_STRUCT_PARAMETERS));
    nt_put_text(&block, 0, NT_PARAMETERS_COMMAND_LINE, &text);
    ck_assert(!block.bytes.failed);
    field = block.bytes.data + (_i ? 0x70 : 0x40);
    ck_assert_uint_eq(get_u16(field), 4);
    ck_assert_uint_eq(get_u16(field + 2), 6);
    pointer = _i ? get_u64(field + 8) : get_u32(field + 4);
    ck_assert_mem_eq(block.bytes.data + (pointer - 0x20000), "a\0b\0\0\0", 6);
    ck_assert_ptr_nonnull(buf_extend(&text, NT_STRING_MAX - 2));
    nt_put_text(&block, 0, NT_PARAMETERS_COMMAND_LINE, &text);
    ck_assert_msg(block.bytes.failed, "a text longer than a UNICODE_STRING was taken");
    nt_block_fini(&block);
    buf_fini(&text);
}
END_TEST

START_TEST(lists_are_rings)
{
    enum cpu_arch arch = _i ? CPU_AMD64 : CPU_I386;
    uint32_t word = nt_pointer(arch);
    gva_t base = 0x30000, at = base;
    struct nt_block block;
    size_t head, nodes[3];

    nt_block_init(&block, arch, base, 4096);
    head = nt_block_take(&block, 2 * word);
    nt_list_init(&block, head);
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        nodes[i] = nt_block_take(&block, 2 * word);
        nt_list_append(&block, head, nodes[i]);
    }
    for (size_t i = 0; i <= COUNT_OF(nodes); i++) {
        const uint8_t *node = block.bytes.data + (at - base);
        gva_t next = _i ? get_u64(node) : get_u32(node);
        const uint8_t *after = block.bytes.data + (next - base);

        ck_assert_uint_eq(next, base + (i < COUNT_OF(nodes) ? nodes[i] : head));
        ck_assert_uint_eq(_i ? get_u64(after + 8) : get_u32(after + 4), at);
        at = next;
    }
    nt_block_fini(&block);
}
END_TEST

START_TEST(a_block_reaches_the_guest)
{
    enum cpu_arch arch = _i ? CPU_AMD64 : CPU_I386;
    struct vm_config config = {.arena_size = 1 << 24};
    struct nt_block block;
    struct vm_region region;
    struct diag why;
    struct vm *vm;
    uint64_t value;

    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    nt_block_init(&block, arch, 0x40000, 4096);
    (void)nt_block_take(&block, nt_size(arch, NT_STRUCT_PEB));
    nt_put(&block, 0, NT_PEB_LDR, 0x1234);
    ck_assert_int_eq(nt_block_store(&block, vm, "peb", &why), ERR_OK);
    ck_assert(nt_read(vm, arch, 0x40000, NT_PEB_LDR, &value));
    ck_assert_uint_eq(value, 0x1234);
    ck_assert(nt_write(vm, arch, 0x40000, NT_PEB_OS_BUILD, 77));
    ck_assert(nt_read(vm, arch, 0x40000, NT_PEB_OS_BUILD, &value));
    ck_assert_uint_eq(value, 77);
    ck_assert(!nt_read(vm, arch, 0x90000, NT_PEB_LDR, &value));
    ck_assert(NT_SUCCESS(vm_query(vm, 0x40000, &region)));
    ck_assert_str_eq(region.label, "peb");
    ck_assert_int_eq(nt_block_store(&block, vm, "peb", &why), ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(why.text, "STATUS_CONFLICTING_ADDRESSES"));
    nt_block_fini(&block);
    vm_free(vm);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layout");
    TCase *tc = tcase_create("layout");

    tcase_add_loop_test(tc, offsets_are_windows, 0, COUNT_OF(pinned));
    tcase_add_test(tc, fields_ascend_within_a_structure);
    tcase_add_loop_test(tc, a_block_holds_both_widths, 0, 2);
    tcase_add_loop_test(tc, strings_point_to_their_text, 0, 2);
    tcase_add_loop_test(tc, lists_are_rings, 0, 2);
    tcase_add_loop_test(tc, a_block_reaches_the_guest, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
