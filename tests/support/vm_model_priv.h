/* What the files of the naive twin share; see vm_model.h. Pages are numbers, ends are exclusive. */
#ifndef VM_MODEL_PRIV_H
#define VM_MODEL_PRIV_H

#include "vm_model.h"

/* Go through m and all that lie beside it. */
#define EACH_BESIDE(o, m)                                                                          \
    for (const struct model *o = (m); o; o = o->beside == (m) ? NULL : o->beside)

#define MODEL_CACHING (PAGE_NOCACHE | PAGE_WRITECOMBINE)

bool mp_valid(uint32_t p, bool fresh);
bool mp_is_copy(uint32_t p);
bool mp_writes(uint32_t p); /* READWRITE or EXECUTE_READWRITE, whatever else */
uint32_t mp_stored(uint32_t wanted, uint32_t initial);
uint32_t mp_written(uint32_t p);
uint32_t mp_unwritten(uint32_t p);
bool mp_fits(uint32_t wanted, uint32_t allowed); /* in a view or section */
unsigned mp_access(const struct model *m, uint32_t p);

unsigned model_page(gva_t addr);
unsigned model_first(const struct model *m, unsigned page);
unsigned model_end(const struct model *m, unsigned page);
bool model_all_free(const struct model *m, unsigned start, unsigned end);
bool model_may_commit(const struct model *m, uint64_t bytes);
void model_wipe(struct model *m, unsigned start, unsigned end, unsigned allocation);
unsigned model_new_allocation(struct model *m, struct model_allocation a);
const struct model_allocation *model_allocation_at(const struct model *m, unsigned page);
nt_status model_requirements(const struct vm_request *q);
gva_t model_zero_end(uint64_t zero_bits); /* UINT64_MAX for 0 */
bool model_search(const struct model *m, const struct vm_request *q, unsigned pages, unsigned *at);

/* The section that a page's view shows, and which of its pages; NULL for other memory. */
struct model_section *model_shown(struct model *m, unsigned page, unsigned *index);
/* A protect or commit of a page that may have it. */
void model_set_protect(struct model *m, unsigned page, uint32_t protect);
/* MEM_COMMIT and MEM_RESET inside a view. */
nt_status model_view_commit(struct model *m, const struct vm_request *q, unsigned start,
                            unsigned end);
uint64_t model_section_charge(const struct model *m);
/* Does a view of m itself show a section? */
bool model_shows(const struct model *m, unsigned number);

#endif
