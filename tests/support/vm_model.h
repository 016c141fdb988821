/*
 * The memory manager's slow twin: one record and 4 KiB of contents per page of a small address space, every
 * answer found by looking at all of them. It states NT-MEMORY-RULES a second time, in the most naive way, for
 * fuzz_vm to compare with. It shares no code with core/vm.
 */
#ifndef VM_MODEL_H
#define VM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/section.h"
#include "winstub/vm.h"

#define MODEL_PAGES 272u /* 17 granules, the lowest of which nobody may use */
#define MODEL_LIMIT ((gva_t)MODEL_PAGES * VM_PAGE_SIZE)

struct model_page {
    unsigned allocation; /* 0: free; else an index of model.allocations */
    uint32_t protect;    /* 0: not committed */
    bool written;        /* of a view: private by now */
    bool watched;        /* recorded by write watch; survives decommit */
};

struct model_allocation {
    uint32_t protect;
    uint32_t type;
    unsigned
        section; /* 1 + a number in model.sections of what the view shows; 0: it is not in the table */
    unsigned first; /* the section's page at its base */
    bool watch;
    bool placeholder;
    bool replaced; /* stands in a placeholder's place */
};

#define MODEL_SECTIONS      10u
#define MODEL_SECTION_PAGES 40u

/* A section. It lives while there is a handle or a view. */
struct model_section {
    bool handle;
    uint32_t type;
    uint32_t protect;
    uint64_t size; /* bytes */
    bool file;
    bool committed[MODEL_SECTION_PAGES];
    bool dirty[MODEL_SECTION_PAGES];     /* of a file: written since it was read or flushed */
    uint32_t parts[MODEL_SECTION_PAGES]; /* of an image: as each page starts */
    uint8_t bytes[MODEL_SECTION_PAGES][VM_PAGE_SIZE];
};

struct model {
    struct model_page pages[MODEL_PAGES];
    uint8_t bytes[MODEL_PAGES][VM_PAGE_SIZE];
    struct model_allocation allocations[4096];
    unsigned allocation_count;
    struct model_section *sections; /* MODEL_SECTIONS, the same of all that lie beside each other */
    struct model *beside;           /* the next of those, in a ring; itself when it is alone */
    uint64_t commit_limit;          /* bytes, for all of them */
    bool dep;
};

struct model *model_new(uint64_t commit_limit);
struct model *model_new_beside(struct model *other);
void model_free(struct model *m); /* takes NULL */
/* A twin of its own that holds what a moment of m does. */
struct model *model_save(const struct model *m);

/* Each answers as its vm_ counterpart must, outputs included. */
nt_status model_allocate(struct model *m, const struct vm_request *req, gva_t *base,
                         uint64_t *size);
nt_status model_release(struct model *m, gva_t *base, uint64_t *size, uint32_t type);
nt_status model_protect(struct model *m, gva_t *base, uint64_t *size, uint32_t protect,
                        uint32_t *old);
nt_status model_query(const struct model *m, gva_t addr, struct vm_region *out);
/* An image with every kind of page, to be mapped; the bytes live until the next call. */
struct vm_image model_image(uint8_t fill);
nt_status model_map_image(struct model *m, const struct vm_image *image);
nt_status model_unmap(struct model *m, gva_t addr);
nt_status model_unmap_to_placeholder(struct model *m, gva_t addr);
nt_status model_section_new(struct model *m, unsigned number, const struct vm_section_config *c);
void model_section_new_image(struct model *m, unsigned number, const struct vm_image *image);
/* The file of a section is larger now; what it holds there is read through it. */
void model_section_grow(struct model *m, unsigned number, uint64_t size,
                        const struct vm_backing *file);
bool model_section_lives(const struct model *m, unsigned number);
nt_status model_section_map(struct model *m, unsigned number, const struct vm_view_request *req,
                            gva_t *base, uint64_t *size);
/* Which pages of which section a flush writes back, those that are dirty; NULL: none, or it is refused. */
nt_status model_flush(struct model *m, gva_t addr, uint64_t size, struct model_section **section,
                      unsigned *first, unsigned *end);
/* Make m what it was at a moment, with the handles of now; those beside it follow. */
void model_restore(struct model *m, const struct model *moment);
void model_unmap_all(struct model *m);
bool model_clear_guard(struct model *m, gva_t addr);
bool model_write(struct model *m, gva_t addr, const uint8_t *src, size_t len);
/* Store one byte where a fill has allowed it. */
void model_store(struct model *m, gva_t addr, uint8_t value);
/* What a page holds. */
const uint8_t *model_bytes(const struct model *m, unsigned page);
uint64_t model_own_committed(const struct model *m);
uint64_t model_committed(const struct model *m); /* with all beside it */
size_t model_read(const struct model *m, gva_t addr, uint8_t *dst, size_t len);
nt_status model_get_write_watch(struct model *m, uint32_t flags, gva_t base, uint64_t size,
                                gva_t *addresses, uint64_t *count);
nt_status model_reset_write_watch(struct model *m, gva_t base, uint64_t size);
nt_status model_kernel_write(struct model *m, gva_t addr, const uint8_t *src, size_t len);
/* What a fill answers; a granted first write to a WRITECOPY page takes place. */
enum vm_fault model_fill(struct model *m, gva_t page, enum vm_access want);
/* vm_access bits that the page allows now without anything to be noted. */
unsigned model_access(const struct model *m, gva_t page);

#endif
