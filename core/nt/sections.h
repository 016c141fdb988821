/*
 * Section objects and views of them: what core/vm's sections are to a guest, files behind them included.
 */
#ifndef CORE_NT_SECTIONS_H
#define CORE_NT_SECTIONS_H

#include <stdint.h>

#include "nt/files.h"
#include "nt/handles.h"
#include "winstub/buf.h"
#include "winstub/image.h"
#include "winstub/process.h"
#include "winstub/section.h"

/* Access rights of sections (winnt.h). */
enum {
    SECTION_RIGHT_QUERY = 0x1,
    SECTION_RIGHT_MAP_WRITE = 0x2,
    SECTION_RIGHT_MAP_READ = 0x4,
    SECTION_RIGHT_MAP_EXECUTE = 0x8,
};

struct section {
    struct object object;
    uint32_t attributes;       /* SEC_*, as NtQuerySection has them */
    struct vm_section *memory; /* of data; NULL for an image */
    uint64_t size;             /* bytes of a file that are to be seen; 0: not of a file */
    uint32_t protect;          /* of a file: the most that views may ask for */
    struct pe_image *image;    /* NULL for data */
    struct image_views views;  /* of an image */
    struct buf bytes;          /* the image's file */
    char *path;                /* guest path of the file, "" for none */
};
extern const struct object_class section_class;

/* What NtCreateSection is asked for. */
struct section_request {
    uint64_t size; /* bytes; 0: the file's */
    uint32_t protect;
    uint32_t attributes;
    struct file *file; /* NULL: the page file */
};

/*
 * Make a section, which has one reference. A file grows to size when it may be written.
 * vm_section_new's statuses; STATUS_INVALID_IMAGE_NOT_MZ, STATUS_INVALID_IMAGE_FORMAT, STATUS_INVALID_FILE_FOR_SECTION;
 * STATUS_IN_PAGE_ERROR  the host cannot read the file. M19..M21, M28..M30.
 */
MUST_USE nt_status section_new(struct process *p, const struct section_request *request,
                               struct section **out);
/* A section of bytes that the kernel read itself, which it copies. */
MUST_USE nt_status section_of_bytes(struct process *p, const char *path, struct bytes bytes,
                                    struct section **out);

/*
 * Read the image in a file, of either width: its bytes, appended to out, and what they say. STATUS_INVALID_IMAGE_NOT_MZ,
 * STATUS_INVALID_IMAGE_FORMAT; STATUS_INVALID_FILE_FOR_SECTION: it is none, or empty; STATUS_SECTION_TOO_BIG; STATUS_NO_MEMORY;
 * STATUS_IN_PAGE_ERROR. M28.
 */
MUST_USE nt_status section_read_image(const struct file *file, struct buf *bytes,
                                      struct pe_image **out);

uint64_t section_size(const struct section *section); /* bytes */

/*
 * Map a view; for an image, only its base counts. *base and *size receive its range. STATUS_IMAGE_NOT_AT_BASE is a success
 * (M32); vm_section_map's statuses.
 */
MUST_USE nt_status section_map(struct process *p, struct section *section,
                               const struct vm_view_request *request, gva_t *base, uint64_t *size);
/* vm_unmap_view's statuses, vm_unmap_to_placeholder's */
MUST_USE nt_status section_unmap(struct process *p, gva_t addr, bool to_placeholder);

#endif
