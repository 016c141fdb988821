/* core/vm/ranges.c and allocs.c against an array of granules: contents, gaps, search for room, damage. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/allocs.h"
#include "winstub/vm.h"

#define GRANULES 600u
#define LIMIT    ((gva_t)GRANULES * VM_GRANULARITY)

static struct pool nodes;
static struct allocs allocs;
static struct allocation objects[GRANULES]; /* object i starts at granule i when present */
static unsigned owner[GRANULES];            /* 0 free, else 1 + the object */

static void setup(void)
{
    pool_init(&nodes, sizeof(struct ranges_node));
    allocs_init(&allocs, &nodes, LIMIT);
    memset(owner, 0, sizeof owner);
    memset(objects, 0, sizeof objects);
}

static void teardown(void)
{
    pool_fini(&nodes);
}

/* Insert [granule, granule + count), less cut pages at its end. */
static void add(unsigned granule, unsigned count, unsigned cut)
{
    struct allocation *a = &objects[granule];

    a->base = (gva_t)granule * VM_GRANULARITY;
    a->end = a->base + (gva_t)count * VM_GRANULARITY - (gva_t)cut * VM_PAGE_SIZE;
    ck_assert(allocs_is_free(&allocs, a->base, a->end));
    ck_assert(allocs_reserve(&allocs, 1));
    allocs_insert(&allocs, a);
    for (unsigned i = 0; i < count; i++)
        owner[granule + i] = granule + 1;
}

static void drop(unsigned granule)
{
    allocs_remove(&allocs, &objects[granule]);
    for (unsigned i = granule; i < GRANULES && owner[i] == granule + 1; i++)
        owner[i] = 0;
}

static bool run_is_free(unsigned granule, unsigned count)
{
    for (unsigned i = granule; i < granule + count; i++) {
        if (i == 0 || i >= GRANULES || owner[i])
            return false;
    }
    return true;
}

/* What allocs_find_room must answer; 0 for none. */
static gva_t expected_room(const struct room *room)
{
    unsigned count = (unsigned)((room->size + VM_GRANULARITY - 1) / VM_GRANULARITY);
    gva_t found = 0;

    for (unsigned g = 1; g + count <= GRANULES; g++) {
        gva_t at = (gva_t)g * VM_GRANULARITY;

        if (at < room->lowest || at + room->size > room->end || at % room->alignment ||
            !run_is_free(g, count))
            continue;
        found = at;
        if (!room->top_down)
            break;
    }
    return found;
}

static void ck_room(const struct room *room)
{
    gva_t expected = expected_room(room);
    gva_t got = 0;

    ck_assert_int_eq(allocs_find_room(&allocs, room, &got), expected != 0);
    ck_assert_uint_eq(got, expected);
}

static void ck_rooms(void)
{
    for (unsigned n = 0; n < 40; n++) {
        struct room room = {
            .size = (uint64_t)(rand() % 12 + 1) * VM_GRANULARITY -
                    (uint64_t)(rand() % 16) * VM_PAGE_SIZE,
            .lowest = rand() % 3 ? VM_LOWEST : (gva_t)(rand() % (int)GRANULES) * VM_GRANULARITY,
            .end = rand() % 3 ? LIMIT : (gva_t)(rand() % (int)GRANULES + 1) * VM_GRANULARITY,
            .alignment = UINT64_C(0x10000) << (rand() % 4 ? 0 : rand() % 5),
            .top_down = rand() % 2};

        if (room.lowest < VM_LOWEST)
            room.lowest = VM_LOWEST;
        ck_room(&room);
    }
}

/* The tree agrees with the array, granule by granule. */
static void ck_same(void)
{
    const struct allocation *last = NULL;

    ck_assert(allocs_valid(&allocs));
    for (unsigned g = 0; g < GRANULES; g++) {
        gva_t at = (gva_t)g * VM_GRANULARITY;
        const struct allocation *a = owner[g] ? &objects[owner[g] - 1] : NULL;

        last = a ? a : last;
        ck_assert_ptr_eq(allocs_find(&allocs, at), a);
        ck_assert_ptr_eq(allocs_floor(&allocs, at), last);
        ck_assert_int_eq(allocs_is_free(&allocs, at, at + 1), !a);
        if (a && a != allocs_floor(&allocs, a->base - 1))
            ck_assert_ptr_eq(allocs_above(&allocs, a->base - 1), a);
    }
}

START_TEST(random_changes)
{
    srand((unsigned)_i + 1);
    for (unsigned n = 0; n < 4000; n++) {
        unsigned g = (unsigned)rand() % (GRANULES - 1) + 1;
        unsigned count = (unsigned)rand() % 4 + 1;

        if (owner[g])
            drop(owner[g] - 1);
        else if (run_is_free(g, count))
            add(g, count, (unsigned)rand() % 16);
        if (n % 100 == 0) {
            ck_same();
            ck_rooms();
        }
    }
    for (unsigned g = 1; g < GRANULES; g++) {
        if (owner[g])
            drop(owner[g] - 1);
    }
    ck_same();
    ck_assert_ptr_null(allocs.tree.root);
}
END_TEST

START_TEST(ascending_keeps_nodes_full)
{
    for (unsigned g = 1; g < GRANULES; g++)
        add(g, 1, 0);
    ck_same();
    ck_assert_uint_eq(allocs.tree.root->level, 1);
    ck_assert_uint_le(allocs.tree.root->count, GRANULES / (RANGES_FANOUT - 1) + 1);
    ck_rooms();
}
END_TEST

START_TEST(descending)
{
    for (unsigned g = GRANULES - 1; g > 0; g--)
        add(g, 1, 1);
    ck_same();
}
END_TEST

START_TEST(shrinking_opens_gaps)
{
    struct room room = {
        .size = VM_GRANULARITY, .lowest = VM_LOWEST, .end = LIMIT, .alignment = VM_GRANULARITY};
    gva_t at;

    for (unsigned g = 1; g + 3 < GRANULES; g += 3)
        add(g, 3, 0);
    allocs_shrink(&allocs, &objects[4], objects[4].base + VM_GRANULARITY, objects[4].end);
    ck_assert(allocs_valid(&allocs));
    ck_assert(allocs_find_room(&allocs, &room, &at));
    ck_assert_uint_eq(at, 4 * VM_GRANULARITY);
    /* a page that is left over in a granule makes the granule unusable */
    allocs_shrink(&allocs, &objects[7], objects[7].base,
                  objects[7].base + VM_GRANULARITY + VM_PAGE_SIZE);
    ck_assert(allocs_valid(&allocs));
    room.lowest = 5 * VM_GRANULARITY;
    ck_assert(allocs_find_room(&allocs, &room, &at));
    ck_assert_uint_eq(at, 9 * VM_GRANULARITY);
}
END_TEST

START_TEST(no_memory)
{
    bool ok;

    ALLOC_FAIL_EACH(ok, allocs_reserve(&allocs, 1), false, true);
    add(1, 1, 0);
    ck_same();
}
END_TEST

START_TEST(valid_sees_damage)
{
    struct ranges_node *root;
    struct ranges_node *leaf;

    for (unsigned g = 1; g < 100; g += 2)
        add(g, 1, 0);
    root = allocs.tree.root;
    leaf = root->slot[0];
    ck_assert(allocs_valid(&allocs));
    root->gap[0] += VM_GRANULARITY;
    ck_assert(!allocs_valid(&allocs));
    root->gap[0] -= VM_GRANULARITY;
    leaf->end[3] = leaf->start[4] + 1;
    ck_assert(!allocs_valid(&allocs));
    leaf->end[3] = leaf->start[3] + VM_GRANULARITY;
    leaf->level = 1;
    ck_assert(!allocs_valid(&allocs));
    leaf->level = 0;
    leaf->gap[2] = 1; /* its brief */
    ck_assert(!allocs_valid(&allocs));
    leaf->gap[2] = 0;
    leaf->start[RANGES_FANOUT - 1] = 0; /* behind the last slot */
    ck_assert(!allocs_valid(&allocs));
    leaf->start[RANGES_FANOUT - 1] = UINT64_MAX;
    allocs.tree.count++;
    ck_assert(!allocs_valid(&allocs));
    allocs.tree.count--;
    objects[1].end += VM_PAGE_SIZE;
    ck_assert(!allocs_valid(&allocs));
    objects[1].end -= VM_PAGE_SIZE;
    ck_assert(allocs_valid(&allocs));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ranges");
    TCase *tc = tcase_create("contents");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, random_changes, 0, 4);
    tcase_add_test(tc, ascending_keeps_nodes_full);
    tcase_add_test(tc, descending);
    tcase_add_test(tc, shrinking_opens_gaps);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, valid_sees_damage);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
