/*
 * Host memory that runs out when a test says so: every malloc, calloc and realloc of a unit test program
 * and of the library in it comes through here (the linker's --wrap; see the Makefile).
 */
#ifndef SUPPORT_ALLOC_FAIL_H
#define SUPPORT_ALLOC_FAIL_H

#include <stdbool.h>

/* From now on count allocations, and let number n (1 is the next) fail, once. */
void alloc_fail_at(unsigned long n);

/* Stop counting. Did an allocation fail since alloc_fail_at? */
bool alloc_fail_stop(void);

/*
 * Fail allocation 1, 2, ... of a call until it gets through, and look at each answer:
 *     ALLOC_FAIL_EACH(e, pe_parse(...), ERR_NOMEM, ERR_OK);
 * What a failed call leaves behind is the sanitizer's to find. e holds the answer.
 */
#define ALLOC_FAIL_EACH(e, call, refusal, success)                                                 \
    do {                                                                                           \
        bool alloc_failed = true;                                                                  \
        for (unsigned long alloc_n = 1; alloc_failed; alloc_n++) {                                 \
            alloc_fail_at(alloc_n);                                                                \
            (e) = (call);                                                                          \
            alloc_failed = alloc_fail_stop();                                                      \
            ck_assert_msg((e) == (alloc_failed ? (refusal) : (success)),                           \
                          "%s: answered %d with allocation %lu failing", #call, (int)(e),          \
                          alloc_n);                                                                \
        }                                                                                          \
    } while (0)

#endif
