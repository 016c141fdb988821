/*
 * core/vm/saved_*.c: a moment as bytes and back: complete in the same vm and in another, refused when a byte is wrong or
 * missing, judged by what it says and not by its checksum alone.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/section.h"
#include "vm_builder.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/extent.h"
#include "winstub/foreign.h"
#include "winstub/saved.h"

#define HEAP   UINT64_C(0x200000)
#define HOLE   UINT64_C(0x300000) /* a placeholder */
#define FILLED UINT64_C(0x310000) /* in a placeholder's place */
#define WATCH  UINT64_C(0x400000)
#define VIEW1  UINT64_C(0x500000)
#define VIEW2  UINT64_C(0x600000)
#define GROWS  UINT64_C(0x700000) /* SEC_RESERVE */
#define FILE_1 UINT64_C(0x800000)
#define COPY_1 UINT64_C(0x900000) /* the file once more, copy on write */
#define DEVICE UINT64_C(0xa00000)
#define LENT   UINT64_C(0xb00000)
#define IMAGE  UINT64_C(0x140000000)
#define RC     (MEM_RESERVE | MEM_COMMIT)
#define RW     PAGE_READWRITE

static struct vm *vm;
static struct memory_file file;
static uint8_t *lent;
static struct buf bytes, before;

static bool on_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
    (void)ctx;
    memset(dst, (int)offset, len);
    return true;
}

static const struct vm_device device = {.read = on_read};

static void map_foreign(struct vm *to)
{
    ck_succeeds(vm_map_device(to, DEVICE, 0x1000, &device, "rom", NULL));
    ck_succeeds(vm_map_host(to, LENT, 0x1000, lent, RW, "lent", NULL));
}

static void build_sections(void)
{
    struct vm_section *s = build_section(vm, 0x20000, RW, SEC_COMMIT);

    (void)build_view(vm, s, VIEW1, 0, 0, RW);
    (void)build_view(vm, s, VIEW2, 0x10000, 0, RW);
    vm_section_unref(s);
    store_byte(vm, VIEW2 + 0x123, 'v');
    s = build_section(vm, 0x20000, RW, SEC_RESERVE);
    (void)build_view(vm, s, GROWS, 0, 0, RW);
    vm_section_unref(s);
    ck_succeeds(try_allocate(vm, GROWS + 0x3000, 0x2000, MEM_COMMIT, RW));
    store_byte(vm, GROWS + 0x4000, 'g');
    s = build_file_section(vm, &file, RW);
    (void)build_view(vm, s, FILE_1, 0, 0, RW);
    (void)build_view(vm, s, COPY_1, 0, 0, PAGE_WRITECOPY);
    vm_section_unref(s);
    store_byte(vm, FILE_1 + 0x1001, 'd');
    store_byte(vm, COPY_1 + 0x2001, 'c');
    store_byte(vm, COPY_1 + 0x3001, 0); /* private, and zeros but for one page */
}

static void setup(void)
{
    struct vm_request req = {.base = HOLE,
                             .size = 0x10000,
                             .type = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                             .protect = PAGE_NOACCESS,
                             .extended = true};

    vm = build_vm(0);
    memset(file.bytes, 'f', sizeof file.bytes);
    memset(file.bytes + 0x3000, 0, 0x1000);
    lent = aligned_alloc(VM_PAGE_SIZE, VM_PAGE_SIZE);
    ck_assert_ptr_nonnull(lent);
    memset(lent, 'l', VM_PAGE_SIZE);
    build_committed(vm, HEAP, 0x20000);
    ck_assert(vm_debug_write(vm, HEAP + 0x2ffe, "saved", 6));
    ck_assert(vm_debug_write(vm, HEAP + 0x5000, "\0", 1)); /* a page of zeros with a frame */
    ck_assert(vm_set_label(vm, HEAP, "heap", false));
    ck_assert(vm_set_label(vm, HEAP, "first \xc3\xa9", true));
    ck_succeeds(try_protect(vm, HEAP + 0x8000, 0x1000, RW | PAGE_GUARD));
    ck_succeeds(try_release(vm, HEAP + 0xa000, 0x1000, MEM_DECOMMIT));
    ck_succeeds(try_release(vm, HEAP + 0x10000, 0x4000, MEM_RELEASE));
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    req.base = FILLED;
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    req.type = MEM_RESERVE | MEM_REPLACE_PLACEHOLDER;
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    build_memory(vm, WATCH, 0x10000, RC | MEM_WRITE_WATCH, RW);
    ck_succeeds(vm_write(vm, WATCH + 0x1000, "w", 1));
    ck_succeeds(try_release(vm, WATCH + 0x4000, 0x1000, MEM_RELEASE));
    ck_succeeds(vm_write(vm, WATCH + 0x6000, "w", 1));
    build_sections();
    ck_succeeds(build_image(vm, IMAGE));
    store_byte(vm, IMAGE + 0x2000, 'i');
    map_foreign(vm);
    vm_set_dep(vm, false);
    ck_assert(vm_set_default_base(vm, 0x1000000));
    buf_init(&before, 1u << 20);
    buf_init(&bytes, 64u << 20);
    picture(vm, &before);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
    buf_fini(&before);
    buf_fini(&bytes);
    free(lent);
}

/* The present as bytes. */
static void save_bytes(struct buf *out)
{
    struct vm_saved *saved = vm_save(vm);
    struct diag why = {""};

    ck_assert_ptr_nonnull(saved);
    ck_assert_msg(vm_saved_write(saved, out, &why) == ERR_OK, "%s", why.text);
    vm_saved_free(saved);
}

/* Read data into a vm and make it the present. */
static enum err load_into(struct vm *to, const struct buf *from, struct diag *why)
{
    struct vm_saved *saved;
    enum err e = vm_saved_read(to, from->data, from->len, NULL, &saved, why);

    if (e)
        return e;
    ck_assert(vm_restore(to, saved));
    vm_saved_free(saved);
    ck_assert(vm_valid(to));
    return ERR_OK;
}

static void load_well(struct vm *to)
{
    struct diag why = {""};

    ck_assert_msg(load_into(to, &bytes, &why) == ERR_OK, "%s", why.text);
}

static void ck_as_before(const struct vm *now)
{
    struct buf text;

    buf_init(&text, 1u << 20);
    picture(now, &text);
    ck_assert_str_eq(buf_str(&text), buf_str(&before));
    buf_fini(&text);
}

/* Everything that a picture does not show. */
static void ck_behaves_as_before(struct vm *now)
{
    gva_t written[8];
    uint64_t count = 8;
    uint32_t granularity;
    struct vm_fill fill;
    struct vm_request req = {.base = HOLE,
                             .size = 0x10000,
                             .type = RC | MEM_REPLACE_PLACEHOLDER,
                             .protect = RW,
                             .extended = true};

    ck_assert_uint_eq(vm_default_base(now), 0x1000000);
    ck_succeeds(vm_get_write_watch(now, 0, WATCH + 0x5000, 0x3000, written, &count, &granularity));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(written[0], WATCH + 0x6000);
    ck_assert_int_eq(vm_fill(now, HEAP, VM_EXEC, &fill), VM_FAULT_NONE); /* DEP is off */
    ck_assert_int_eq(vm_fill(now, HEAP + 0x8000, VM_READ, &fill), VM_FAULT_GUARD);
    ck_succeeds(vm_allocate(now, &req, NULL, NULL));
    ck_succeeds(try_release(now, FILLED, 0x10000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
    store_byte(now, VIEW1 + 0x10123, 'V'); /* views of one section still share */
    ck_assert_uint_eq(byte_at(now, VIEW2 + 0x123), 'V');
    store_byte(now, FILE_1 + 0x2002, 'F'); /* the private page of the copy does not */
    store_byte(now, FILE_1 + 0x4002, 'F');
    ck_assert_uint_eq(byte_at(now, COPY_1 + 0x2002), 'f');
    ck_assert_uint_eq(byte_at(now, COPY_1 + 0x4002), 'F');
    ck_succeeds(try_allocate(now, GROWS + 0x6000, 0x1000, MEM_COMMIT, RW));
    ck_status(try_allocate(now, FILE_1, 0x1000, MEM_COMMIT, RW), STATUS_ALREADY_COMMITTED);
    store_byte(now, IMAGE + 0x3000, 'j');
    ck_assert_uint_eq(region_at(now, IMAGE + 0x3000).protect, RW);
    ck_assert(region_at(now, DEVICE).device && region_at(now, LENT).lent);
    ck_assert_uint_eq(byte_at(now, LENT + 5), 'l');
    ck_assert(vm_valid(now));
}

static void change_everything(void)
{
    ck_assert(vm_debug_write(vm, HEAP + 0x2ffe, "other", 6));
    ck_succeeds(try_protect(vm, HEAP + 0x1000, 0x1000, PAGE_NOACCESS));
    ck_assert(vm_clear_guard(vm, HEAP + 0x8000));
    ck_succeeds(try_release(vm, HOLE, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, WATCH, 0, MEM_RELEASE));
    store_byte(vm, VIEW1 + 0x10123, 'x');
    ck_succeeds(vm_unmap_view(vm, VIEW2));
    ck_succeeds(vm_unmap_view(vm, IMAGE));
    build_committed(vm, IMAGE, 0x100000);
    vm_set_dep(vm, true);
    ck_assert(vm_set_default_base(vm, VM_LOWEST));
}

START_TEST(everything_comes_back)
{
    save_bytes(&bytes);
    for (int i = 0; i < 3; i++) {
        change_everything();
        load_well(vm);
        ck_as_before(vm);
    }
    ck_behaves_as_before(vm);
}
END_TEST

START_TEST(everything_comes_back_in_another_vm)
{
    struct vm *other = build_vm(0);

    save_bytes(&bytes);
    map_foreign(other);
    load_well(other);
    ck_as_before(other);
    ck_behaves_as_before(other);
    vm_free(other);
}
END_TEST

/* Reading and writing again gives the same bytes; each appends, and tells nothing but the moment. */
START_TEST(bytes_say_the_same_again)
{
    struct buf again;

    save_bytes(&bytes);
    buf_init(&again, 64u << 20);
    save_bytes(&again);
    ck_assert_uint_eq(again.len, bytes.len);
    ck_assert_mem_eq(again.data, bytes.data, bytes.len);
    buf_clear(&again);
    load_well(vm);
    ck_assert(buf_text(&again, "before"));
    save_bytes(&again);
    ck_assert_uint_eq(again.len, bytes.len + 6);
    ck_assert_mem_eq(again.data, "before", 6);
    ck_assert_mem_eq(again.data + 6, bytes.data, bytes.len);
    buf_fini(&again);
}
END_TEST

START_TEST(an_empty_vm)
{
    vm_unmap_all(vm);
    save_bytes(&bytes);
    ck_assert_uint_le(bytes.len, 72);
    build_committed(vm, HEAP, 0x1000);
    load_well(vm);
    ck_assert_uint_eq(region_at(vm, VM_LOWEST).size, VM_USER_LIMIT_64 - VM_LOWEST);
}
END_TEST

/* 64 MiB of which one page says something, twice. */
START_TEST(zeros_and_repetitions_cost_nothing)
{
    struct vm_saved *first;

    vm_unmap_all(vm);
    build_committed(vm, HEAP, 64u << 20);
    for (gva_t at = HEAP; at < HEAP + 0x100000; at += VM_PAGE_SIZE)
        ck_assert(vm_debug_write(vm, at, "", 1));
    ck_assert(vm_debug_write(vm, HEAP + 0x234000, "text", 4));
    first = vm_save(vm); /* its frames are shared now */
    save_bytes(&bytes);
    ck_assert_uint_le(bytes.len, 4096 + 256);
    vm_saved_free(first);
}
END_TEST

START_TEST(a_loaded_moment_is_a_moment)
{
    struct diag why = {""};
    struct vm_saved *saved;

    save_bytes(&bytes);
    ck_assert_int_eq(vm_saved_read(vm, bytes.data, bytes.len, NULL, &saved, &why), ERR_OK);
    for (int i = 0; i < 3; i++) {
        change_everything();
        ck_assert(vm_restore(vm, saved));
        ck_as_before(vm);
    }
    vm_saved_free(saved);
    ck_as_before(vm);
}
END_TEST

/* ---- Files ----------------------------------------------------------------------------------- */

static struct memory_file reopened;

static bool on_open(void *ctx, const char *path, uint64_t size, struct vm_backing *out)
{
    ck_assert_str_eq(path, ctx);
    ck_assert_uint_eq(size, sizeof file.bytes);
    *out = memory_backing(&reopened, true);
    return true;
}

START_TEST(files_may_be_found_again)
{
    char path[64];
    struct vm_saved_files files = {path, on_open};
    struct diag why = {""};
    struct vm_saved *saved;

    (void)snprintf(path, sizeof path, "%s", region_at(vm, FILE_1).path);
    save_bytes(&bytes);
    memset(&reopened, 0, sizeof reopened);
    ck_assert_int_eq(vm_saved_read(vm, bytes.data, bytes.len, &files, &saved, &why), ERR_OK);
    ck_assert_uint_eq(reopened.writes + reopened.reads, 0);
    ck_assert(vm_restore(vm, saved));
    vm_saved_free(saved);
    ck_as_before(vm);
    store_byte(vm, FILE_1 + 0x6006, 'n');
    ck_succeeds(vm_section_flush(vm, FILE_1, 0));
    ck_assert_uint_eq(reopened.writes, 2); /* what was dirty when saved, and what is new */
    ck_assert_uint_eq(reopened.bytes[0x1001], 'd');
    ck_assert_uint_eq(reopened.bytes[0x6006], 'n');
    ck_succeeds(vm_unmap_view(vm, FILE_1));
    ck_succeeds(vm_unmap_view(vm, COPY_1));
    ck_assert_uint_eq(reopened.releases, 1);
    ck_assert_uint_eq(reopened.reads, 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read)
{
    struct vm_section *s = build_file_section(vm, &file, RW);
    struct diag why = {""};
    struct vm_saved *saved;

    (void)build_view(vm, s, 0xc00000, 0, 0, RW); /* nobody has looked at it */
    vm_section_unref(s);
    saved = vm_save(vm);
    file.broken = true;
    ck_assert_int_eq(vm_saved_write(saved, &bytes, &why), ERR_IO);
    ck_assert_uint_eq(bytes.len, 0);
    ck_assert_ptr_nonnull(strstr(why.text, "cannot be read at 0x0"));
    file.broken = false;
    vm_saved_free(saved);
}
END_TEST

/* ---- Refusals -------------------------------------------------------------------------------- */

/* What fails has changed nothing, the frames in use among it. */
static void refused(const struct buf *from, enum err wanted, const char *say)
{
    struct memory_of *as_was = remember(vm);
    struct diag why = {""};
    enum err e = load_into(vm, from, &why);

    ck_assert_msg(e == wanted && strstr(why.text, say), "%s: %s", err_text(e), why.text);
    ck_assert(unchanged(as_was, vm));
}

static void put_checksum(struct buf *b)
{
    put_u32(b->data + b->len - 4, crc32_of((struct bytes){b->data, b->len - 4}));
}

START_TEST(what_is_not_saved_memory)
{
    struct buf wrong;

    save_bytes(&bytes);
    buf_init(&wrong, 64u << 20);
    refused(&wrong, ERR_TRUNCATED, "ends after 0 bytes");
    ck_assert(buf_text(&wrong, "MZ"));
    refused(&wrong, ERR_TRUNCATED, "ends after 2 bytes");
    ck_assert(buf_append(&wrong, bytes.data, 200));
    refused(&wrong, ERR_FORMAT, "no saved memory");
    buf_clear(&wrong);
    ck_assert(buf_append(&wrong, bytes.data, bytes.len));
    wrong.data[8] = 2;
    refused(&wrong, ERR_UNSUPPORTED, "version 2");
    wrong.data[8] = 1;
    ck_assert(buf_byte(&wrong, 0));
    refused(&wrong, ERR_FORMAT, "behind its end");
    wrong.len--;
    put_u64(wrong.data + 24, VM_USER_LIMIT_32);
    put_checksum(&wrong);
    refused(&wrong, ERR_UNSUPPORTED, "up to 0x7fff0000");
    buf_fini(&wrong);
}
END_TEST

/* A small save: a header, texts, a watched allocation, an image with a page of its own. */
static void build_small(void)
{
    vm_unmap_all(vm);
    build_memory(vm, WATCH, 0x10000, RC | MEM_WRITE_WATCH, RW);
    ck_succeeds(vm_write(vm, WATCH + 0x1000, "w", 1));
    ck_succeeds(build_image(vm, IMAGE));
    store_byte(vm, IMAGE + 0x2000, 'i');
    save_bytes(&bytes);
}

START_TEST(every_truncation_is_refused)
{
    struct memory_of *as_was;

    build_small();
    as_was = remember(vm);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        struct vm_saved *saved = NULL;
        struct diag why = {""};

        memcpy(exact, bytes.data, len);
        if (vm_saved_read(vm, exact, len, NULL, &saved, &why) != ERR_TRUNCATED || !*why.text)
            ck_abort_msg("%zu of %zu bytes: %s", len, bytes.len, why.text);
        free(exact);
    }
    ck_assert(unchanged(as_was, vm));
}
END_TEST

START_TEST(every_wrong_byte_is_refused)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    struct memory_of *as_was;

    build_small();
    as_was = remember(vm);
    for (size_t at = 0; at < bytes.len; at++) {
        struct vm_saved *saved = NULL;
        struct diag why = {""};

        bytes.data[at] ^= masks[at % COUNT_OF(masks)];
        if (!vm_saved_read(vm, bytes.data, bytes.len, NULL, &saved, &why) || !*why.text)
            ck_abort_msg("byte %zu of %zu was wrong and accepted", at, bytes.len);
        bytes.data[at] ^= masks[at % COUNT_OF(masks)];
    }
    ck_assert(unchanged(as_was, vm));
    load_well(vm);
}
END_TEST

/* With a right checksum: either refused, or a good address space. Contents, which may be anything, are left out. */
START_TEST(every_wrong_byte_is_judged)
{
    static const uint8_t masks[] = {0x01, 0x02, 0x10, 0x80, 0xff};
    struct vm_saved *good = vm_save(vm);
    size_t accepted = 0, tried = 0, contents;

    save_bytes(&bytes);
    contents = get_u32(bytes.data + 56) * 4096;
    for (size_t at = 8; at < bytes.len - 4 - contents; at++) {
        struct diag why = {""};
        enum err e;

        if (at >= 16 && at < 24)
            continue;
        bytes.data[at] ^= masks[at % COUNT_OF(masks)];
        put_checksum(&bytes);
        e = load_into(vm, &bytes, &why);
        if (e && !*why.text)
            ck_abort_msg("byte %zu: %s without a word", at, err_text(e));
        accepted += !e;
        tried++;
        bytes.data[at] ^= masks[at % COUNT_OF(masks)];
        if (!e)
            ck_assert(vm_restore(vm, good));
    }
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_lt(accepted, tried / 2);
    vm_saved_free(good);
    ck_as_before(vm);
}
END_TEST

START_TEST(devices_must_be_there)
{
    save_bytes(&bytes);
    ck_succeeds(vm_unmap_view(vm, DEVICE));
    refused(&bytes, ERR_NOT_FOUND, "a device \"rom\" at 0xa00000");
    ck_succeeds(vm_map_host(vm, DEVICE, 0x1000, lent, RW, NULL, NULL));
    refused(&bytes, ERR_NOT_FOUND, "a device \"rom\" at 0xa00000");
    ck_succeeds(vm_unmap_view(vm, DEVICE));
    ck_succeeds(vm_map_device(vm, DEVICE, 0x2000, &device, NULL, NULL));
    refused(&bytes, ERR_NOT_FOUND, "map one there before");
    ck_succeeds(vm_unmap_view(vm, DEVICE));
    ck_succeeds(vm_map_device(vm, DEVICE, 0x1000, &device, NULL, NULL));
    ck_succeeds(vm_unmap_view(vm, LENT));
    refused(&bytes, ERR_NOT_FOUND, "lent memory \"lent\" at 0xb00000");
}
END_TEST

START_TEST(limits_hold)
{
    struct vm_config config = {.arena_size = 64 * VM_PAGE_SIZE, .commit_limit = 0x10000};
    struct diag why = {""};
    struct vm *other;
    struct buf small;

    save_bytes(&bytes);
    ck_assert_int_eq(vm_new(&config, &other), ERR_OK);
    map_foreign(other);
    ck_assert_int_eq(load_into(other, &bytes, &why), ERR_LIMIT);
    vm_free(other);
    config.arena_size = 8 * VM_PAGE_SIZE;
    config.commit_limit = 1u << 30;
    ck_assert_int_eq(vm_new(&config, &other), ERR_OK);
    map_foreign(other);
    ck_assert_int_eq(load_into(other, &bytes, &why), ERR_NOMEM);
    ck_assert(vm_valid(other));
    vm_free(other);
    for (size_t limit = 0; limit < bytes.len; limit += 997) {
        struct vm_saved *saved = vm_save(vm);

        buf_init(&small, limit);
        ck_assert_int_eq(vm_saved_write(saved, &small, &why), ERR_LIMIT);
        ck_assert_uint_eq(small.len, 0);
        buf_fini(&small);
        vm_saved_free(saved);
    }
}
END_TEST

START_TEST(no_memory)
{
    struct vm_saved *saved = vm_save(vm), *loaded = NULL;
    struct memory_of *as_was;
    struct diag why;
    enum err e = ERR_NOMEM;
    bool failed = true;

    save_bytes(&bytes);
    for (unsigned long n = 1; failed; n++) {
        struct buf out;

        buf_init(&out, 64u << 20);
        alloc_fail_at(n);
        e = vm_saved_write(saved, &out, &why);
        failed = alloc_fail_stop();
        ck_assert_int_eq(e, failed ? ERR_NOMEM : ERR_OK);
        buf_fini(&out);
    }
    vm_saved_free(saved);
    failed = true;
    for (unsigned long n = 1; failed; n++) {
        as_was = remember(vm);
        alloc_fail_at(n);
        e = vm_saved_read(vm, bytes.data, bytes.len, NULL, &loaded, &why);
        failed = alloc_fail_stop();
        ck_assert_int_eq(e, failed ? ERR_NOMEM : ERR_OK);
        if (failed)
            ck_assert(unchanged(as_was, vm));
        else
            forget_memory(as_was);
    }
    vm_saved_free(loaded);
}
END_TEST

START_TEST(the_checksum_is_the_usual_one)
{
    const uint8_t digits[] = "123456789";

    ck_assert_uint_eq(crc32_of((struct bytes){digits, 9}), 0xcbf43926);
    ck_assert_uint_eq(crc32_of((struct bytes){digits, 0}), 0);
    ck_assert_uint_eq(crc32_of((struct bytes){(const uint8_t *)"a", 1}), 0xe8b7be43);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("saved");
    TCase *tc = tcase_create("bytes");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, everything_comes_back);
    tcase_add_test(tc, everything_comes_back_in_another_vm);
    tcase_add_test(tc, bytes_say_the_same_again);
    tcase_add_test(tc, an_empty_vm);
    tcase_add_test(tc, zeros_and_repetitions_cost_nothing);
    tcase_add_test(tc, a_loaded_moment_is_a_moment);
    tcase_add_test(tc, files_may_be_found_again);
    tcase_add_test(tc, a_file_that_cannot_be_read);
    tcase_add_test(tc, what_is_not_saved_memory);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, every_wrong_byte_is_refused);
    tcase_add_test(tc, every_wrong_byte_is_judged);
    tcase_add_test(tc, devices_must_be_there);
    tcase_add_test(tc, limits_hold);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, the_checksum_is_the_usual_one);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
