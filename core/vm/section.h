/*
 * Inside a section: its pages, which lie in a page table of their own, by number from 0, so that every view whose page is
 * not private finds the same frame there, and so that saving a section is sharing a table. Which pages are committed is
 * one fact for all views (M12); what a view's pages allow is said by the view's runs.
 */
#ifndef VM_SECTION_H
#define VM_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/space.h"
#include "winstub/section.h"

/* What an allocation shows of a section. */
struct view {
    struct vm_section *section;
    uint64_t first; /* the section's page at the allocation's base */
    struct vm *vm;  /* whose allocation it is */
    struct allocation *a;
    struct view *next; /* of the same section, also in spaces beside */
    struct view **link;
};

/* How pages of an image start, where views differ from NOACCESS without a label. */
struct image_part {
    uint64_t start; /* bytes from the image's base, whole pages */
    uint64_t end;
    uint32_t protect;
    struct label *label;
};

struct vm_section {
    struct physical *physical;
    struct vm_section *next; /* of the same physical memory */
    struct vm_section **link;
    unsigned users;   /* references and views: at 0 its pages are gone */
    unsigned moments; /* layouts and moments that were saved: they may bring it back */
    uint64_t size;    /* bytes */
    uint32_t type;    /* MEM_MAPPED, MEM_IMAGE */
    uint32_t protect; /* views allow no more; with the caching attributes that all of them show */
    bool writable;    /* views may write to its pages, rather than to copies of their own */
    struct pagetable pages;    /* PTE_WATCH: as in the file */
    struct pageset *committed; /* by offset; NULL: every page is */
    uint64_t charge;           /* bytes of physical->committed that are its own */
    struct vm_backing file;    /* read NULL: none */
    struct label *path;
    struct view *views;
    struct image_part *parts; /* of an image, ascending */
    size_t part_count;
};

/* A section without pages, of one user; NULL when memory is short. path may be NULL. */
struct vm_section *section_make(struct physical *p, uint64_t size, uint32_t type, const char *path);

uint64_t section_pages(const struct vm_section *s);
/* Is page [0, section_pages) committed? */
bool section_is_committed(const struct vm_section *s, uint64_t page);

/*
 * The frame whose bytes a committed page shows now; FRAME_NONE: zeros. Pages of files are read at the first time.
 * VM_FAULT_NOMEM, VM_FAULT_IN_PAGE.
 */
enum vm_fault section_look(struct vm_section *s, uint64_t page, frame_t *out);
/*
 * The entry of a committed page, given a frame if it has none, for a CPU that keeps the answer. The frame of a writable
 * section is nobody else's then, so that a later write need not replace it behind the back of other views. write: the
 * page is about to be written (of a writable section only). VM_FAULT_NOMEM, VM_FAULT_IN_PAGE; nothing changed.
 */
enum vm_fault section_touch(struct vm_section *s, uint64_t page, bool write, pte_t *out);

/*
 * Let a page without a frame show the frame that another section has there, when that holds these len bytes and nobody
 * may write to it. False: it does not, or memory is short.
 */
MUST_USE bool section_share(struct vm_section *s, uint64_t page, const struct vm_section *other,
                            const uint8_t *bytes, size_t len);

/* Write back what was written to pages [first, end). The first error, after trying all. */
enum err section_flush(struct vm_section *s, uint64_t first, uint64_t end);

/* What was saved keeps what is left of a section without users. */
struct vm_section *section_keep(struct vm_section *s); /* returns s */
void section_forget(struct vm_section *s);             /* takes NULL */

/* What a section held at one moment. */
struct section_moment {
    struct vm_section *section;
    struct pagetable pages;
    struct pageset *committed;
    uint64_t charge;
};
void section_save(struct vm_section *s, struct section_moment *out);
void section_restore(const struct section_moment *m); /* nothing when the section has no users */
void section_drop(struct section_moment *m);

/* Make a, which is vm's, the view of a section from page first on; NULL when memory is short. */
struct view *view_new(struct vm *vm, struct vm_section *s, uint64_t first, struct allocation *a);
void view_free(struct view *view); /* takes NULL */

/* The section's page that is seen at addr. */
static inline uint64_t view_page(const struct view *v, gva_t addr)
{
    return v->first + page_number(addr - v->a->base);
}

/* Guest path of the file that is mapped; "" for none and for NULL. */
const char *view_path(const struct view *v);
/* Is it a view of a file or an image, rather than of the page file? */
bool view_has_file(const struct view *v);
/* Does a write to a page of this run go to the section, once it is allowed? */
bool view_shares_writes(const struct view *v, const struct run *run);

/*
 * MEM_COMMIT of r inside the view a: acts as protect on what is committed, and commits for all views (M12..M14).
 */
MUST_USE nt_status view_commit(struct vm *vm, struct allocation *a, struct range r,
                               uint32_t protect);

/* Counts, entries, commitment and views of s, whatever spaces hold. O(pages). */
bool section_valid(const struct vm_section *s);

#endif
