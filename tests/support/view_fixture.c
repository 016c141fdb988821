/* Address spaces with a section; the contract is in view_fixture.h. */
#include "view_fixture.h"

#include <check.h>
#include <string.h>

struct vm_section *s;
struct memory_file file;

void view_setup(void)
{
    vm_setup();
    s = build_section(vm, 0x30000, PAGE_READWRITE, SEC_COMMIT);
    memset(file.bytes, 'f', sizeof file.bytes);
}

void view_teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_section_unref(s);
    vm_teardown();
}

void use(struct vm_section *section)
{
    vm_section_unref(s);
    s = section;
}

uint32_t protect_at(gva_t addr)
{
    return region_at(vm, addr).protect;
}
