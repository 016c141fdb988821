/*
 * Saved memory that anybody may have written: refused with a sentence, or an address space that holds every invariant,
 * survives changes, and says the same when it is written again. The checksum is made right first, so that the fuzzer gets
 * past it; inputs whose first byte is odd keep theirs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/foreign.h"
#include "winstub/saved.h"

#define LENGTH_AT 16 /* of the header: see winstub/saved.h */

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fuzz_saved: %s\n", what);
    abort();
}

static bool on_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, (int)offset, len);
    return true;
}

/* The input with a length and a checksum that fit; NULL when memory is short. */
static uint8_t *mended(const uint8_t *data, size_t size, bool mend)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    if (mend && size >= LENGTH_AT + 8 + 4) {
        put_u64(copy + LENGTH_AT, size);
        put_u32(copy + size - 4, crc32_of((struct bytes){copy, size - 4}));
    }
    return copy;
}

/* What was read is written again: the same bytes, unless the input had things that nothing shows. */
static void write_again(struct vm *vm)
{
    struct vm_saved *saved = vm_save(vm), *second;
    struct diag why = {""};
    struct buf first, again;

    check(saved != NULL, "save");
    buf_init(&first, 64u << 20);
    buf_init(&again, 64u << 20);
    if (!vm_saved_write(saved, &first, &why)) {
        check(!vm_saved_read(vm, first.data, first.len, NULL, &second, &why), why.text);
        check(!vm_saved_write(second, &again, &why), why.text);
        check(first.len == again.len && memcmp(first.data, again.data, first.len) == 0,
              "written again, it says something else");
        vm_saved_free(second);
    }
    buf_fini(&first);
    buf_fini(&again);
    vm_saved_free(saved);
}

/* Touch what is there as a guest would, and take it away again. */
static void use(struct vm *vm)
{
    struct vm_region r;
    nt_status st;

    for (gva_t at = 0; vm_query(vm, at, &r) == STATUS_SUCCESS; at = r.base + r.size) {
        struct vm_fill fill;

        if (r.state == MEM_FREE)
            continue;
        (void)vm_fill(vm, r.base, VM_READ, &fill);
        (void)vm_fill(vm, r.base, VM_WRITE, &fill);
        st = vm_write(vm, r.base + r.size - 1, "x", 1);
        check(st != STATUS_SUCCESS || r.protect, "a write to memory that is not committed");
    }
    check(vm_valid(vm), "an invariant after use");
    vm_unmap_all(vm);
    check(vm_valid(vm), "an invariant after the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vm_config config = {
        .user_limit = VM_USER_LIMIT_64, .arena_size = 32u << 20, .commit_limit = 16u << 20};
    struct vm_device device = {.read = on_read};
    bool mend = size && !(data[0] & 1);
    struct vm_saved *saved;
    struct diag why = {""};
    uint8_t *bytes;
    struct vm *vm;
    enum err e;

    if (vm_new(&config, &vm))
        return 0;
    check(!vm_map_device(vm, 0xa00000, 0x1000, &device, "rom", NULL), "device");
    bytes = mended(data + (size > 0), size - (size > 0), mend);
    e = vm_saved_read(vm, bytes, size - (size > 0), NULL, &saved, &why);
    free(bytes);
    check(e == ERR_OK || *why.text, "an error without a sentence");
    check(vm_valid(vm), "an invariant after reading");
    if (!e) {
        check(vm_restore(vm, saved), "restore");
        vm_saved_free(saved);
        check(vm_valid(vm), "an invariant after restoring");
        write_again(vm);
        use(vm);
    }
    vm_free(vm);
    return 0;
}
