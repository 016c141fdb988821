/*
 * Most suites of the CPU: run once with a 64-bit and once with a 32-bit guest, a fresh one for each test, which
 * finds it in g.
 */
#ifndef SUPPORT_GUEST_SUITE_H
#define SUPPORT_GUEST_SUITE_H

#include <check.h>

#include "guest.h"

extern struct guest g;

/* add64 and add32 add the tests of each width; main returns the result. */
int guest_suite(const char *name, void (*add64)(TCase *), void (*add32)(TCase *));

#endif
