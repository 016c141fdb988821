/* What every unit test program ends with. */
#ifndef SUPPORT_SUITE_H
#define SUPPORT_SUITE_H

#include <check.h>

/* Run the suite and free it; main returns the result. */
int suite_main(Suite *suite);

#endif
