/* Suites of address spaces beside each other: three over 64 frames, fresh for each test, which leaves them valid. */
#ifndef TESTS_SPACES_FIXTURE_H
#define TESTS_SPACES_FIXTURE_H

#include "alloc_fail.h"
#include "vm_builder.h"

#define SPACES      3
#define SPACES_VIEW UINT64_C(0x200000)

/* What an observer was told, and the last address and offset of it. */
struct heard {
    unsigned revoked, changed, freed, lent_gone;
    gva_t start;
    uint64_t offset;
};

extern struct vm *vms[SPACES]; /* NULL: gone */
extern struct heard heard[SPACES];
extern struct vm_section *shared;      /* a test's own; the fixture drops its reference */
extern struct memory_file shared_file; /* all its bytes are 'f' */

void spaces_setup(void);
void spaces_teardown(void);

struct vm *space_beside(struct vm *other);
/* One space goes; the others are valid. */
void drop_space(size_t i);
/* A view of all of shared, at SPACES_VIEW in each space. */
void show_everywhere(uint32_t protect);
/* The offset of a page's frame, by a fill that must succeed. */
uint64_t offset_of(size_t i, gva_t page, enum vm_access want);
struct vm_stats stats(size_t i);
/* No pool has anything to spare. */
void drain_all(void);

/* Run call until it gets through, with each allocation failing once: nothing changes in any space until then. */
#define EACH_WITHOUT_MEMORY(call)                                                                  \
    do {                                                                                           \
        for (unsigned long n = 1, failed = 1; failed; n++) {                                       \
            struct memory_of *before[SPACES];                                                      \
            nt_status st;                                                                          \
                                                                                                   \
            for (size_t i = 0; i < SPACES; i++)                                                    \
                before[i] = remember(vms[i]);                                                      \
            drain_all();                                                                           \
            alloc_fail_at(n);                                                                      \
            st = (call);                                                                           \
            failed = alloc_fail_stop();                                                            \
            ck_status(st, failed ? STATUS_NO_MEMORY : STATUS_SUCCESS);                             \
            for (size_t i = 0; i < SPACES; i++) {                                                  \
                if (failed)                                                                        \
                    ck_assert(unchanged(before[i], vms[i]));                                       \
                else                                                                               \
                    forget_memory(before[i]);                                                      \
                ck_assert(vm_valid(vms[i]));                                                       \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#endif
