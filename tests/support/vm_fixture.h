/* Suites of the memory manager: a fresh address space for each test, which finds it in vm and leaves it valid. */
#ifndef TESTS_VM_FIXTURE_H
#define TESTS_VM_FIXTURE_H

#include "vm_builder.h"

extern struct vm *vm;
void vm_setup(void);
void vm_teardown(void);

#endif
