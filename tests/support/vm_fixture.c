/* Fresh address spaces for tests; the contract is in vm_fixture.h. */
#include "vm_fixture.h"

#include <check.h>

struct vm *vm;

void vm_setup(void)
{
    vm = build_vm(0);
}

void vm_teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
}
