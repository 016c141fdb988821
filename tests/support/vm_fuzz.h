/*
 * What fuzz_vm's operations work on: one or two address spaces, their naive twins (vm_model.h), and what was saved of them. Each
 * operation takes its arguments from the input, does the same to both, and ends the program when they differ. Here are the
 * operations on sections and views; the others are fuzz_vm.c's.
 */
#ifndef VM_FUZZ_H
#define VM_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc_fail.h"
#include "vm_input.h"
#include "vm_model.h"

#define NO_OFFSET UINT64_MAX
#define MOMENTS   3u
#define SPACES    2u

struct space {
    struct vm *vm; /* NULL when there is none */
    struct model *model;
    struct vm_fill tlb[MODEL_PAGES]; /* what a CPU may have cached; offset NO_OFFSET: nothing */
};

/* An address space and its twin as they were; NULL when not used. */
struct moment {
    struct space *space;
    struct vm_saved *vm;
    struct model *model;
};

/* The file of a section: what it holds is what the twin says, as far as that is not dirty. */
struct file {
    struct state *state;
    unsigned number;
};

struct state {
    struct vm_input in;
    struct space spaces[SPACES];
    struct space *space; /* the one that is worked on, */
    struct vm *vm;       /* and what it is made of */
    struct model *model;
    struct moment moments[MOMENTS];
    struct vm_section *sections[MODEL_SECTIONS]; /* by the twin's numbers; NULL: no handle */
    struct file files[MODEL_SECTIONS];
    bool starved; /* allocations fail before they succeed */
};

/* result = call. Starved, it is first tried with allocation 1, 2, ... failing; look is done after each refusal. */
#define ATTEMPT(s, result, refusal, call, look)                                                    \
    for (unsigned long nth = 1;; nth++) {                                                          \
        alloc_fail_at((s)->starved ? nth : 0);                                                     \
        (result) = (call);                                                                         \
        if (!alloc_fail_stop() || (result) != (refusal))                                           \
            break;                                                                                 \
        look;                                                                                      \
    }
/* The same; a refusal leaves the layout as it was. The bytes are looked at after the operation. */
#define TRY(s, result, refusal, call) ATTEMPT(s, result, refusal, call, compare_layouts(s))

void compare_layouts(const struct state *s); /* of all spaces */

/*
 * A section of each kind, and in a space overlapping views of them and placeholders, for what random operations rarely get
 * to by themselves.
 */
void start_with_sections(struct state *s);
void start_with_views(struct state *s);

void do_new_section(struct state *s);
void do_new_image(struct state *s);
void do_close_section(struct state *s);
void do_map_view(struct state *s);
/* A view of as much as a placeholder takes, or of a little more or less, in its place; and back. */
void do_replace(struct state *s);
void do_unmap_back(struct state *s);
void do_flush(struct state *s);
/* Somebody writes to the file of a section by other means. */
void do_write_file(struct state *s);
void do_grow(struct state *s);
void drop_sections(struct state *s); /* every handle */

#endif
