/*
 * Sections and views of them. The one place that decides how a view becomes guest memory.
 */
#ifndef CORE_NT_SECTIONS_H
#define CORE_NT_SECTIONS_H

#include <stdint.h>

#include "nt/handles.h"
#include "winstub/buf.h"
#include "winstub/image.h"
#include "winstub/process.h"

enum section_kind { SECTION_IMAGE, SECTION_FILE, SECTION_PAGEFILE };

struct section {
    struct object object;
    enum section_kind kind;
    struct buf bytes;       /* the file's; empty for SECTION_PAGEFILE */
    struct pe_image *image; /* SECTION_IMAGE */
    uint64_t size;          /* bytes */
    uint32_t protect;
    uint32_t attributes; /* SEC_* */
    char *path;          /* guest path of the file, "" for none */
};
extern const struct object_class section_class;

/* A new section without contents, one reference; NULL when memory is short. */
struct section *section_new(enum section_kind kind, const char *path);

/*
 * Map size bytes from offset (size 0: all the rest) at *base, 0 for anywhere; *size receives what was mapped.
 * STATUS_IMAGE_NOT_AT_BASE is a success. M01..M32.
 */
MUST_USE nt_status section_map(struct process *p, const struct section *section, uint64_t offset,
                               uint32_t protect, gva_t *base, uint64_t *size);
/* STATUS_NOT_MAPPED_VIEW */
MUST_USE nt_status section_unmap(struct process *p, gva_t addr);

#endif
