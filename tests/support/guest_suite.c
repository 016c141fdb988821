/* One suite, two widths: the fixtures of guest_suite.h. */
#include "guest_suite.h"

#include "suite.h"

struct guest g;

static void setup64(void)
{
    guest_init(&g, CPU_AMD64);
}

static void setup32(void)
{
    guest_init(&g, CPU_I386);
}

static void teardown(void)
{
    guest_fini(&g);
}

int guest_suite(const char *name, void (*add64)(TCase *), void (*add32)(TCase *))
{
    Suite *suite = suite_create(name);
    TCase *amd64 = tcase_create("amd64");
    TCase *i386 = tcase_create("i386");

    tcase_add_checked_fixture(amd64, setup64, teardown);
    add64(amd64);
    suite_add_tcase(suite, amd64);
    tcase_add_checked_fixture(i386, setup32, teardown);
    add32(i386);
    suite_add_tcase(suite, i386);
    return suite_main(suite);
}
