/* Address spaces beside each other; the contract is in spaces_fixture.h. */
#include "spaces_fixture.h"

#include <check.h>
#include <string.h>

#include "vm/section.h"

struct vm *vms[SPACES];
struct vm_section *shared;
struct memory_file shared_file;
struct heard heard[SPACES];

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    struct heard *h = ctx;

    (void)end;
    h->revoked++;
    h->start = start;
}

static void on_changed(void *ctx, uint64_t offset)
{
    struct heard *h = ctx;

    h->changed++;
    h->offset = offset;
}

static void on_freed(void *ctx, uint64_t offset)
{
    struct heard *h = ctx;

    h->freed++;
    h->offset = offset;
}

static void on_lent_gone(void *ctx, uint64_t offset, uint64_t size)
{
    struct heard *h = ctx;

    (void)size;
    h->lent_gone++;
    h->offset = offset;
}

struct vm *space_beside(struct vm *other)
{
    struct vm_config config = {.beside = other};
    struct vm *vm;

    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    return vm;
}

void spaces_setup(void)
{
    struct vm_config config = {.arena_size = 64 * VM_PAGE_SIZE, .commit_limit = 0x1000000};

    ck_assert_int_eq(vm_new(&config, &vms[0]), ERR_OK);
    vms[1] = space_beside(vms[0]);
    vms[2] = space_beside(vms[1]);
    memset(shared_file.bytes, 'f', sizeof shared_file.bytes);
    shared_file.writes = shared_file.releases = 0;
    for (size_t i = 0; i < SPACES; i++) {
        struct vm_observer observer = {.ctx = &heard[i],
                                       .revoked = on_revoked,
                                       .frame_changed = on_changed,
                                       .frame_freed = on_freed,
                                       .lent_gone = on_lent_gone};

        heard[i] = (struct heard){0};
        vm_set_observer(vms[i], &observer);
    }
}

void drop_space(size_t i)
{
    vm_free(vms[i]);
    vms[i] = NULL;
    for (i = 0; i < SPACES; i++)
        ck_assert(!vms[i] || vm_valid(vms[i]));
}

void spaces_teardown(void)
{
    for (size_t i = 0; i < SPACES; i++)
        ck_assert(!vms[i] || vm_valid(vms[i]));
    vm_section_unref(shared);
    shared = NULL;
    for (size_t i = 0; i < SPACES; i++)
        drop_space(i);
}

void show_everywhere(uint32_t protect)
{
    for (size_t i = 0; i < SPACES; i++)
        build_view(vms[i], shared, SPACES_VIEW, 0, 0, protect);
}

uint64_t offset_of(size_t i, gva_t page, enum vm_access want)
{
    struct vm_fill fill;

    ck_assert_int_eq(vm_fill(vms[i], page, want, &fill), VM_FAULT_NONE);
    return fill.offset;
}

struct vm_stats stats(size_t i)
{
    struct vm_stats st;

    vm_get_stats(vms[i], &st);
    return st;
}

static void drain(struct pool *p)
{
    while (p->spare)
        (void)pool_take(p);
}

void drain_all(void)
{
    drain(&vms[0]->physical->tables.nodes);
    for (size_t i = 0; i < SPACES; i++) {
        drain(&vms[i]->allocation_pool);
        drain(&vms[i]->run_pool);
        drain(&vms[i]->index_pool);
    }
}
