/*
 * core/vm/foreign.c: devices and lent memory as allocations: where they may lie, what maps and readers say of them,
 * when they are gone; and lent memory under the CPU. What instructions do to devices is check_device.c's.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc_fail.h"
#include "guest.h"
#include "suite.h"
#include "vm/space.h"
#include "vm_builder.h"
#include "winstub/buf.h"
#include "winstub/extent.h"
#include "winstub/foreign.h"
#include "winstub/map.h"
#include "winstub/search.h"
#include "winstub/transfer.h"

#define A    UINT64_C(0x500000)
#define B    UINT64_C(0x510000) /* right behind A */
#define SIZE 0x10000u

static struct guest g;
static struct vm *vm;
static uint8_t *lent; /* SIZE bytes */
static unsigned asked, gone;

static bool on_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    asked++;
    memset(bytes, (int)offset, len);
    return !ctx;
}

static bool on_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    (void)offset;
    (void)bytes;
    (void)len;
    asked++;
    return !ctx;
}

static void on_gone(void *ctx)
{
    (void)ctx;
    gone++;
}

static const struct vm_device device = {NULL, on_read, on_write, on_gone};

static void setup(void)
{
    guest_init(&g, CPU_AMD64);
    vm = g.vm;
    asked = gone = 0;
    lent = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(lent != MAP_FAILED);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    guest_fini(&g);
    (void)munmap(lent, SIZE);
}

static nt_status map_device(gva_t base)
{
    return vm_map_device(vm, base, SIZE, &device, "uart", NULL);
}

static nt_status map_lent(gva_t base, uint32_t protect)
{
    return vm_map_host(vm, base, SIZE, lent, protect, "shared", NULL);
}

/* ---- As allocations -------------------------------------------------------------------------- */

START_TEST(they_are_mapped_memory)
{
    struct vm_region r;

    ck_succeeds(map_device(A));
    ck_succeeds(map_lent(B, PAGE_EXECUTE_READ));
    r = region_at(vm, A + 0x1234);
    ck_assert_uint_eq(r.type, MEM_MAPPED);
    ck_assert_uint_eq(r.state, MEM_COMMIT);
    ck_assert_uint_eq(r.protect, PAGE_READWRITE | PAGE_NOCACHE);
    ck_assert_uint_eq(r.allocation_base, A);
    ck_assert_uint_eq(r.allocation_size, SIZE);
    ck_assert(r.device && !r.lent);
    ck_assert_str_eq(r.label, "uart");
    r = region_at(vm, B);
    ck_assert(!r.device && r.lent);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READ);
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, A)), "device");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, B)), "lent");
    ck_assert(vm_is_mapped(vm, A, 2 * SIZE, NULL));
    r = region_at(vm, GUEST_DATA);
    ck_assert(!r.device && !r.lent);
    ck_assert(vm_has_devices(vm));
    ck_succeeds(vm_unmap_view(vm, A));
    ck_assert(!vm_has_devices(vm));
}
END_TEST

START_TEST(a_place_may_be_left_to_the_vm)
{
    gva_t base[2];

    ck_succeeds(vm_map_device(vm, 0, 0x1000, &device, NULL, &base[0]));
    ck_succeeds(vm_map_host(vm, 0, SIZE, lent, PAGE_READWRITE, NULL, &base[1]));
    ck_assert_uint_eq(base[0] % VM_GRANULARITY, 0);
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, base[0])), "device");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, base[1])), "lent");
}
END_TEST

START_TEST(what_cannot_be_mapped)
{
    struct vm_device deaf = {0};

    build_reserved(vm, B, 0x1000);
    ck_refused(vm_map_device(vm, A + 0x1000, SIZE, &device, NULL, NULL), STATUS_MAPPED_ALIGNMENT);
    ck_refused(vm_map_device(vm, A, 0, &device, NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_device(vm, A, 0x1001, &device, NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_device(vm, A, SIZE, &deaf, NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_device(vm, A, 2 * SIZE, &device, NULL, NULL), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(vm_map_device(vm, VM_USER_LIMIT_64, SIZE, &device, NULL, NULL),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_device(vm, VM_USER_LIMIT_64 - SIZE, 2 * SIZE, &device, NULL, NULL),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_host(vm, A, SIZE, lent + 1, PAGE_READWRITE, NULL, NULL),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_host(vm, A, SIZE, NULL, PAGE_READWRITE, NULL, NULL),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_map_host(vm, A, SIZE, lent, PAGE_WRITECOPY, NULL, NULL),
               STATUS_INVALID_PAGE_PROTECTION);
    ck_refused(vm_map_host(vm, 0, VM_LENT_SPACE + 0x1000, lent, PAGE_READWRITE, NULL, NULL),
               STATUS_NO_MEMORY);
    ck_refused(vm_map_host(vm, B, SIZE, lent, PAGE_READWRITE, NULL, NULL),
               STATUS_CONFLICTING_ADDRESSES);
    ck_assert(vm_lent_is_gone(vm, lent, SIZE));
    ck_succeeds(vm_map_host(vm, 0, 0x3000, lent + 0x3000, PAGE_READWRITE, NULL, NULL));
    ck_refused(vm_map_host(vm, A, 0x2000, lent + 0x2000, PAGE_READWRITE, NULL, NULL),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(vm_map_host(vm, A, 0x2000, lent + 0x5000, PAGE_READWRITE, NULL, NULL),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(vm_map_host(vm, A, SIZE, lent, PAGE_READWRITE, NULL, NULL),
               STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(vm_map_host(vm, A, 0x1000, lent + 0x5000, PAGE_READWRITE, NULL, NULL));
    lent[0x5007] = 7;
    ck_assert_uint_eq(guest_read(&g, A + 7, 1), 7);
}
END_TEST

START_TEST(they_are_released_as_views_only)
{
    ck_succeeds(map_device(A));
    ck_succeeds(map_lent(B, PAGE_READWRITE));
    ck_refused(try_release(vm, A, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);
    ck_refused(try_release(vm, A, 0x1000, MEM_DECOMMIT), STATUS_UNABLE_TO_DELETE_SECTION);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, PAGE_READWRITE), STATUS_ALREADY_COMMITTED);
    ck_refused(try_protect(vm, B, 0x1000, PAGE_WRITECOPY), STATUS_INVALID_PARAMETER_4);
    ck_assert(!vm_lent_is_gone(vm, lent + 0x5000, 1));
    ck_succeeds(vm_unmap_view(vm, A + 0x3000));
    ck_succeeds(vm_unmap_view(vm, B + 0x3000));
    ck_assert_uint_eq(gone, 1);
    ck_assert(vm_lent_is_gone(vm, lent, SIZE));
    ck_succeeds(map_device(A));
    vm_unmap_all(vm);
    ck_assert_uint_eq(gone, 2);
}
END_TEST

START_TEST(no_memory_to_map)
{
    bool failed = true;

    for (unsigned long n = 1; failed; n++) {
        struct memory_of *before = remember(vm);
        nt_status st;

        alloc_fail_at(n);
        st = n % 2 ? map_device(A) : map_lent(A, PAGE_READWRITE);
        failed = alloc_fail_stop();
        if (!failed) {
            ck_succeeds(st);
            forget_memory(before);
            break;
        }
        ck_status(st, STATUS_NO_MEMORY);
        ck_assert(unchanged(before, vm));
        ck_assert(vm_lent_is_gone(vm, lent, SIZE));
    }
}
END_TEST

/* ---- Readers --------------------------------------------------------------------------------- */

START_TEST(readers_stop_at_a_device_and_pass_over_it)
{
    struct vm_denial denial = {0};
    struct vm_pattern *pattern;
    struct diag why = {""};
    gva_t hits[4];
    uint8_t bytes[64];
    size_t count;
    struct buf text;

    build_committed(vm, A - SIZE, SIZE);
    ck_succeeds(map_device(A));
    build_committed(vm, B, SIZE);
    ck_assert(vm_debug_write(vm, A - 4, "tail", 4));
    ck_assert(vm_debug_write(vm, B, "tail", 4));
    ck_assert_uint_eq(vm_debug_read(vm, A - 4, bytes, sizeof bytes), 4);
    ck_assert_uint_eq(vm_debug_read(vm, A, bytes, 1), 0);
    ck_assert(!vm_debug_write(vm, A - 4, bytes, 5));
    ck_status(vm_read(vm, A, bytes, 1), STATUS_ACCESS_VIOLATION);
    ck_status(vm_write(vm, A, bytes, 1), STATUS_ACCESS_VIOLATION);
    ck_status(vm_probe(vm, A - 4, 8, VM_READ), STATUS_ACCESS_VIOLATION);
    ck_assert_int_eq(vm_read_bytes(vm, A - 4, bytes, 8, &denial), ERR_FAULT);
    ck_assert_uint_eq(denial.address, A);
    ck_assert_str_eq(denial.why.text, "cannot read 8 bytes at 0x4ffffc: 0x500000 is a register of "
                                      "device 0x500000 (uart)");
    ck_assert_int_eq(vm_write_bytes(vm, A - 4, bytes, 8, &denial), ERR_FAULT);
    ck_assert_uint_eq(denial.address, A);
    buf_init(&text, 100);
    ck_assert_int_eq(vm_read_string(vm, A - 4, 50, &text, NULL), ERR_FAULT);
    buf_fini(&text);
    ck_assert_int_eq(vm_pattern_parse("74 61 69 6c", &pattern, &why), ERR_OK);
    ck_assert_int_eq(vm_search_list(vm, pattern, 0, 0, hits, 4, &count, &why), ERR_OK);
    vm_pattern_free(pattern);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(hits[0], A - 4);
    ck_assert_uint_eq(hits[1], B);
    ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(a_device_answers_who_asks_it)
{
    uint8_t bytes[16] = {0};

    ck_succeeds(map_device(A));
    ck_succeeds(try_protect(vm, A, 0x1000, PAGE_NOACCESS));
    ck_assert_uint_eq(vm_device_read(vm, A + 0x21, bytes, 4), 4);
    ck_assert_uint_eq(bytes[3], 0x21);
    ck_assert_uint_eq(vm_device_read(vm, B - 3, bytes, 16), 3);
    ck_assert_uint_eq(vm_device_write(vm, B - 3, bytes, 16), 3);
    ck_assert_uint_eq(asked, 3);
    ck_assert_uint_eq(vm_device_read(vm, A, bytes, 0), 0);
    ck_assert_uint_eq(vm_device_read(vm, GUEST_DATA, bytes, 4), 0);
    ck_assert_uint_eq(vm_device_write(vm, B, bytes, 4), 0);
    ck_assert_uint_eq(asked, 3);
}
END_TEST

START_TEST(readers_and_writers_reach_lent_memory)
{
    struct vm_pattern *pattern;
    struct diag why = {""};
    gva_t hits[4];
    char bytes[16] = "";
    size_t count;

    build_committed(vm, A - SIZE, SIZE);
    ck_succeeds(map_lent(A, PAGE_READONLY));
    memcpy(lent + 0xffe, "owner", 6);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0xffe, bytes, 6), 6);
    ck_assert_str_eq(bytes, "owner");
    ck_assert(vm_debug_write(vm, A - 2, "across", 6));
    ck_assert_mem_eq(lent, "ross", 4);
    ck_status(vm_write(vm, A, "x", 1), STATUS_ACCESS_VIOLATION);
    ck_succeeds(try_protect(vm, A, SIZE, PAGE_READWRITE));
    ck_succeeds(vm_write(vm, A + 0x1fff, "guest", 5));
    ck_assert_mem_eq(lent + 0x1fff, "guest", 5);
    ck_succeeds(vm_read(vm, A + 0x1fff, bytes, 5));
    ck_assert_mem_eq(bytes, "guest", 5);
    ck_assert_int_eq(vm_pattern_parse("61 63 72 6f 73 73", &pattern, &why), ERR_OK);
    ck_assert_int_eq(vm_search_list(vm, pattern, 0, 0, hits, 4, &count, &why), ERR_OK);
    vm_pattern_free(pattern);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(hits[0], A - 2);
}
END_TEST

/* ---- Lent memory under the CPU --------------------------------------------------------------- */

/* mov [rbx], eax; add [rbx+0xfff], ecx; int3: stores that the owner sees, of what the owner wrote. */
START_TEST(guest_and_owner_see_each_others_writes)
{
    uint32_t sum = 0x10000000;

    ck_succeeds(map_lent(A, PAGE_READWRITE));
    memcpy(lent + 0x1fff, &sum, 4);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x01, 0x8b, 0xff, 0x0f, 0, 0, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 0x11223344);
    cpu_set(g.cpu, CPU_RCX, 5);
    cpu_set(g.cpu, CPU_RBX, A + 0x1000);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 8);
    memcpy(&sum, lent + 0x1fff, 4);
    ck_assert_uint_eq(sum, 0x10000005);
    ck_assert_mem_eq(lent + 0x1000, "\x44\x33\x22\x11", 4);
    guest_protect(&g, A, SIZE, PAGE_READONLY);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_READONLY);
}
END_TEST

/* Two addresses, one memory; and unaligned host memory of several kinds at once, each at its own place. */
START_TEST(lent_memory_may_be_shown_twice)
{
    uint8_t *other = aligned_alloc(VM_PAGE_SIZE, VM_PAGE_SIZE);

    ck_assert_ptr_nonnull(other);
    ck_succeeds(map_lent(A, PAGE_READWRITE));
    ck_succeeds(map_lent(B, PAGE_READONLY));
    ck_succeeds(vm_map_host(vm, 0x700000, 0x1000, other, PAGE_READWRITE, NULL, NULL));
    /* mov [rbx], eax; mov ecx, [rdx]; mov [rsi], ecx; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x8b, 0x0a, 0x89, 0x0e, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 77);
    cpu_set(g.cpu, CPU_RBX, A + 0x234);
    cpu_set(g.cpu, CPU_RDX, B + 0x234);
    cpu_set(g.cpu, CPU_RSI, 0x700ff0);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 6);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 77);
    ck_assert_uint_eq(other[0xff0], 77);
    ck_succeeds(vm_unmap_view(vm, 0x700000));
    free(other);
}
END_TEST

/* mov al, n; int3 at A; al. */
static uint64_t run_lent_code(void)
{
    cpu_set(g.cpu, CPU_RIP, A);
    guest_run(&g, CPU_EVENT_EXCEPTION, A + 2);
    return cpu_get(g.cpu, CPU_RAX) & 0xff;
}

START_TEST(code_runs_in_lent_memory)
{
    memcpy(lent, (const uint8_t[]){0xb0, 1, 0xcc}, 3);
    ck_succeeds(map_lent(A, PAGE_EXECUTE_READ));
    ck_succeeds(map_lent(B, PAGE_READWRITE));
    ck_assert_uint_eq(run_lent_code(), 1);
    lent[1] = 2; /* by the owner, who says so */
    vm_lent_changed(vm, A, 3);
    ck_assert_uint_eq(run_lent_code(), 2);
    ck_assert(vm_debug_write(vm, B + 1, "\3", 1)); /* by the debugger, through the other address */
    ck_assert_uint_eq(run_lent_code(), 3);
    for (uint8_t i = 4; i < 8; i++) { /* by the guest, through the other address: mov [rbx], cl */
        GUEST_CODE_AT(&g, GUEST_CODE, 0x88, 0x0b, 0xcc);
        cpu_set(g.cpu, CPU_RBX, B + 1);
        cpu_set(g.cpu, CPU_RCX, i);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 2);
        ck_assert_uint_eq(run_lent_code(), i);
    }
}
END_TEST

/* Another memory at the same address and the same offset: neither old bytes nor old code may show. */
START_TEST(what_is_gone_is_not_seen_again)
{
    for (uint8_t i = 1; i < 5; i++) {
        uint8_t *bytes = aligned_alloc(VM_PAGE_SIZE, VM_PAGE_SIZE);

        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, (const uint8_t[]){0xb0, i, 0xcc}, 3);
        ck_succeeds(vm_map_host(vm, A, VM_PAGE_SIZE, bytes, PAGE_EXECUTE_READWRITE, NULL, NULL));
        ck_assert_uint_eq(run_lent_code(), i);
        ck_succeeds(vm_unmap_view(vm, A));
        ck_assert(vm_lent_is_gone(vm, bytes, VM_PAGE_SIZE));
        free(bytes);
        cpu_set(g.cpu, CPU_RIP, A);
        guest_run(&g, CPU_EVENT_FAULT, A);
        ck_assert_int_eq(g.event.fault, VM_FAULT_FREE);
    }
}
END_TEST

/* ---- Saved moments --------------------------------------------------------------------------- */

START_TEST(moments_keep_the_mapping_and_not_the_bytes)
{
    struct vm_saved *saved;
    uint8_t byte;

    ck_succeeds(map_device(A));
    ck_succeeds(map_lent(B, PAGE_READWRITE));
    saved = vm_save(vm);
    ck_assert_ptr_nonnull(saved);
    ck_succeeds(vm_unmap_view(vm, A));
    ck_succeeds(vm_unmap_view(vm, B));
    ck_assert_uint_eq(gone, 0);
    ck_assert(!vm_lent_is_gone(vm, lent, SIZE));
    build_committed(vm, A, SIZE);
    lent[5] = 9;
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(vm_device_read(vm, A, &byte, 1), 1);
    ck_assert_uint_eq(vm_debug_read(vm, B + 5, &byte, 1), 1);
    ck_assert_uint_eq(byte, 9);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x03, 0x01, 0xcc); /* mov [rbx],eax; add eax,[rcx] */
    cpu_set(g.cpu, CPU_RAX, 1);
    cpu_set(g.cpu, CPU_RBX, B);
    cpu_set(g.cpu, CPU_RCX, A + 0x100);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 4);
    ck_assert_uint_eq(lent[0], 1);
    ck_succeeds(vm_unmap_view(vm, A));
    ck_succeeds(vm_unmap_view(vm, B));
    vm_saved_free(saved);
    ck_assert_uint_eq(gone, 1);
    ck_assert(vm_lent_is_gone(vm, lent, SIZE));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("foreign");
    TCase *tc = tcase_create("memory");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, they_are_mapped_memory);
    tcase_add_test(tc, a_place_may_be_left_to_the_vm);
    tcase_add_test(tc, what_cannot_be_mapped);
    tcase_add_test(tc, they_are_released_as_views_only);
    tcase_add_test(tc, no_memory_to_map);
    tcase_add_test(tc, readers_stop_at_a_device_and_pass_over_it);
    tcase_add_test(tc, a_device_answers_who_asks_it);
    tcase_add_test(tc, readers_and_writers_reach_lent_memory);
    tcase_add_test(tc, guest_and_owner_see_each_others_writes);
    tcase_add_test(tc, lent_memory_may_be_shown_twice);
    tcase_add_test(tc, code_runs_in_lent_memory);
    tcase_add_test(tc, what_is_gone_is_not_seen_again);
    tcase_add_test(tc, moments_keep_the_mapping_and_not_the_bytes);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
