/*
 * The memory manager's slow twin: one record and 4 KiB of contents per page of a small address space, every
 * answer found by looking at all of them. It states NT-MEMORY-RULES a second time, in the most naive way, for
 * fuzz_vm to compare with. It shares no code with core/vm.
 */
#ifndef VM_MODEL_H
#define VM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

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
    bool watch;
    bool placeholder;
};

struct model {
    struct model_page pages[MODEL_PAGES];
    uint8_t bytes[MODEL_PAGES][VM_PAGE_SIZE];
    struct model_allocation allocations[4096];
    unsigned allocation_count;
    uint64_t commit_limit; /* bytes */
    bool dep;
};

struct model *model_new(uint64_t commit_limit);
void model_free(struct model *m);

/* Each answers as its vm_ counterpart must, outputs included. */
nt_status model_allocate(struct model *m, const struct vm_request *req, gva_t *base,
                         uint64_t *size);
nt_status model_release(struct model *m, gva_t *base, uint64_t *size, uint32_t type);
nt_status model_protect(struct model *m, gva_t *base, uint64_t *size, uint32_t protect,
                        uint32_t *old);
nt_status model_query(const struct model *m, gva_t addr, struct vm_region *out);
nt_status model_map_image(struct model *m, const struct vm_image *image);
nt_status model_unmap(struct model *m, gva_t addr);
void model_unmap_all(struct model *m);
bool model_clear_guard(struct model *m, gva_t addr);
bool model_write(struct model *m, gva_t addr, const uint8_t *src, size_t len);
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
