/*
 * Physical memory: what address spaces that lie beside each other have in common. The frames of one arena, the nodes of
 * all page tables (so that a section's pages can be seen from every space), what may be committed, sections, and lent
 * memory, so that one byte has one offset in every space. It lives while a space or a section does.
 */
#ifndef VM_PHYSICAL_H
#define VM_PHYSICAL_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/frames.h"
#include "vm/pagetable.h"
#include "winstub/vm.h"

struct vm_section;
struct foreign;

struct physical {
    size_t users; /* spaces and sections */
    struct frames frames;
    struct pt_space tables;      /* of spaces, sections and saved moments */
    uint64_t commit_limit;       /* bytes, as the next */
    uint64_t committed;          /* charged against it: by all spaces and by sections */
    struct vm *spaces;           /* all of them, by vm->next_space */
    struct vm_section *sections; /* all of them, by their next */
    struct foreign
        *lent; /* all lent memory that lives, by offset, also what only saved moments hold */
};

/* New, with one user; commit_limit 0: arena_size. ERR_NOMEM. */
MUST_USE enum err physical_new(uint64_t arena_size, uint64_t commit_limit, struct physical **out);
struct physical *physical_ref(struct physical *p); /* returns p */
void physical_unref(struct physical *p);           /* the last user frees it */

/* vm is one of its spaces from here on, and the reverse. */
void physical_enter(struct physical *p, struct vm *vm);
void physical_leave(struct vm *vm);

/* Is there commitment left for so many bytes? What was restored may have used up more than there is. */
bool physical_may_commit(const struct physical *p, uint64_t bytes);

/* Tell the observers of all spaces; offsets as vm_fill counts. */
void physical_bytes_changed(const struct physical *p, uint64_t offset);
void physical_lent_gone(const struct physical *p, uint64_t offset, uint64_t size);

/* Frames, sections, references and sums over all spaces. O(everything in them). */
bool physical_valid(const struct physical *p);

#endif
