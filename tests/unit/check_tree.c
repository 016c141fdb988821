/* core/vm/tree.c against a sorted array, and tree_valid against broken trees. */
#include <check.h>
#include <stdlib.h>

#include "suite.h"
#include "vm/tree.h"

#define NODES 500u

static struct tree tree;
static struct tree_node nodes[NODES]; /* node i has key 2 * i + 2 */
static bool present[NODES];

static void setup(void)
{
    tree = (struct tree){0};
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].key = 2 * i + 2;
        present[i] = false;
    }
}

static void add(unsigned i)
{
    tree_insert(&tree, tree_floor(&tree, nodes[i].key), &nodes[i]);
    present[i] = true;
}

static void drop(unsigned i)
{
    tree_remove(&tree, &nodes[i]);
    present[i] = false;
}

/* The tree holds exactly the present nodes, and floor finds the right one from every key. */
static void ck_same(void)
{
    const struct tree_node *at = tree_first(&tree);
    const struct tree_node *below = NULL;

    ck_assert(tree_valid(&tree));
    for (unsigned i = 0; i < NODES; i++) {
        ck_assert_ptr_eq(tree_floor(&tree, nodes[i].key - 1), below);
        if (!present[i])
            continue;
        ck_assert_ptr_eq(at, &nodes[i]);
        if (below)
            ck_assert_ptr_eq(tree_prev(at), below);
        below = at;
        at = tree_next(at);
    }
    ck_assert_ptr_null(at);
    ck_assert_ptr_eq(tree_last(&tree), below);
}

START_TEST(ascending_and_descending)
{
    for (unsigned i = 0; i < NODES; i += 2)
        add(i);
    ck_same();
    for (unsigned i = NODES; i-- > 0;) {
        if (i % 2)
            add(i);
    }
    ck_same();
    ck_assert_int_le(tree.root->height, 11);
}
END_TEST

START_TEST(random_changes)
{
    srand(7);
    for (unsigned n = 0; n < 3000; n++) {
        unsigned i = (unsigned)rand() % NODES;

        if (present[i])
            drop(i);
        else
            add(i);
        if (n % 50 == 0)
            ck_same();
    }
    for (unsigned i = 0; i < NODES; i++) {
        if (present[i])
            drop(i);
    }
    ck_same();
    ck_assert_uint_eq(tree.count, 0);
}
END_TEST

START_TEST(valid_sees_damage)
{
    struct tree_node *n;

    for (unsigned i = 0; i < 50; i++)
        add(i);
    n = tree.root->child[0];
    n->key += 1000;
    ck_assert(!tree_valid(&tree));
    n->key -= 1000;
    n->height++;
    ck_assert(!tree_valid(&tree));
    n->height--;
    n->child[1]->parent = tree.root;
    ck_assert(!tree_valid(&tree));
    n->child[1]->parent = n;
    tree.count++;
    ck_assert(!tree_valid(&tree));
    tree.count--;
    ck_assert(tree_valid(&tree));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tree");
    TCase *tc = tcase_create("order");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, ascending_and_descending);
    tcase_add_test(tc, random_changes);
    tcase_add_test(tc, valid_sees_damage);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
