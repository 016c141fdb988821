/* An address space and its naive twin (vm_model.h), compared for fuzz targets: whoever finds a difference says so and aborts. */
#ifndef VM_COMPARE_H
#define VM_COMPARE_H

#include <stdbool.h>

#include "vm_model.h"

/* Abort unless ok: "what" differs. */
void check(bool ok, const char *what);

/* Every invariant, what is committed, and the answer to a query of every page. */
void compare_layout(const struct vm *vm, const struct model *m);
/* Every byte. */
void compare_memory(const struct vm *vm, const struct model *m);

#endif
