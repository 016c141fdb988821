/* Suites of views: vm_fixture's address space, with a section of 0x30000 bytes. */
#ifndef TESTS_VIEW_FIXTURE_H
#define TESTS_VIEW_FIXTURE_H

#include "vm_fixture.h"

extern struct vm_section *s;
extern struct memory_file file; /* nothing maps it yet; all its bytes are 'f' */
void view_setup(void);
void view_teardown(void);
/* Another section in place of setup's, which goes. */
void use(struct vm_section *section);

uint32_t protect_at(gva_t addr);

#endif
