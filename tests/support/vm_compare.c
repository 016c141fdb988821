/* Comparing an address space with its naive twin; see vm_compare.h. */
#include "vm_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fuzz_vm: %s differs\n", what);
    abort();
}

static void check_query(const struct vm *vm, const struct model *m, gva_t addr)
{
    struct vm_region a;
    struct vm_region b = {0};

    check(vm_query(vm, addr, &a) == model_query(m, addr, &b), "status of query");
    check(a.base == b.base && a.size == b.size, "extent of query");
    check(a.allocation_base == b.allocation_base && a.allocation_size == b.allocation_size,
          "allocation of query");
    check(a.allocation_protect == b.allocation_protect && a.state == b.state &&
              a.protect == b.protect && a.type == b.type,
          "attributes of query");
    check(a.label_size <= a.size && (a.state == MEM_FREE) == (a.label_size == 0), "label's size");
}

static void check_contents(const struct vm *vm, const struct model *m, gva_t addr)
{
    uint8_t bytes[VM_PAGE_SIZE];
    size_t len = m->pages[addr / VM_PAGE_SIZE].protect ? sizeof bytes : 0;

    check(vm_debug_read(vm, addr, bytes, sizeof bytes) >= len, "length of read");
    check(memcmp(bytes, model_bytes(m, (unsigned)(addr / VM_PAGE_SIZE)), len) == 0, "contents");
}

void compare_layout(const struct vm *vm, const struct model *m)
{
    struct vm_stats stats;

    check(vm_valid(vm), "an invariant");
    vm_get_stats(vm, &stats);
    check(stats.committed == model_committed(m), "what is committed");
    check(stats.own == model_own_committed(m), "what one space has committed");
    for (gva_t addr = 0; addr < MODEL_LIMIT; addr += VM_PAGE_SIZE)
        check_query(vm, m, addr);
}

void compare_memory(const struct vm *vm, const struct model *m)
{
    for (gva_t addr = 0; addr < MODEL_LIMIT; addr += VM_PAGE_SIZE)
        check_contents(vm, m, addr);
}
