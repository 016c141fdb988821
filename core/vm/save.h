/*
 * What a saved moment is made of: shared page tables, and a flat copy of the layout that moments share; vm->known is the
 * one that describes the present, if any. save.c makes them from a vm and back, saved_write.c and saved_read.c bytes.
 */
#ifndef VM_SAVE_H
#define VM_SAVE_H

#include "vm/section.h"

struct saved_run {
    gva_t start;
    gva_t end;
    uint32_t protect;
    bool written;
    struct label *label;
};

struct saved_allocation {
    gva_t base;
    gva_t end;
    uint32_t type;
    uint16_t protect;
    bool placeholder;
    bool replaced;
    bool foreign;
    struct pageset *writes; /* a copy */
    struct label *label;
    struct vm_section *section; /* of a view, else NULL */
    uint64_t first;             /* its page at base */
    size_t run_count;
};

/* All allocations, ascending, and their runs one after the other. Never changes. */
struct layout {
    unsigned refs;
    struct vm *vm;
    size_t allocation_count;
    size_t run_count;
    size_t foreign_count;
    struct saved_allocation *allocations;
    struct saved_run *runs;
    struct foreign_row *foreign;
};

struct vm_saved {
    struct pagetable pages;
    struct layout *layout;
    bool dep;
    gva_t default_base;
    struct section_moment *sections; /* all that had users */
    size_t section_count;
};

void layout_unref(struct layout *l); /* takes NULL */
/* A moment of an empty address space, with a layout of its own. NULL when memory is short. */
struct vm_saved *saved_new(struct vm *vm);

#endif
