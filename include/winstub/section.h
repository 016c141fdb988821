/*
 * Sections: memory that several views show, so that a write through one is seen through every other at once.
 * Backed by the page file (zeros at first), by a file of the caller's, or by an image. Rules: M01..M32 of
 * NT-MEMORY-RULES. What has a handle, who may open it and what a file is belongs to the caller (core/nt).
 */
#ifndef WINSTUB_SECTION_H
#define WINSTUB_SECTION_H

#include "winstub/vm.h"

struct vm_section;

/*
 * Where a section's bytes come from and go to, by offset in bytes. read is asked for whole pages at their first touch
 * and fills what lies behind the end of the file with zeros; write gets what was written, never past size.
 * Both answer ERR_OK or why not, and must not call the vm.
 */
struct vm_backing {
    void *ctx;
    uint64_t size; /* bytes */
    enum err (*read)(void *ctx, uint64_t offset, void *dst, size_t len);
    enum err (*write)(void *ctx, uint64_t offset, const void *src,
                      size_t len); /* NULL: read-only */
    void (*release)(void *ctx);    /* called once, when the section is done with ctx; may be NULL */
};

/* What NtCreateSection is asked for. Zero-initialise. */
struct vm_section_config {
    uint64_t size;                 /* bytes; 0: the file's size */
    uint32_t protect;              /* PAGE_*: the most that views may ask for */
    uint32_t attributes;           /* SEC_COMMIT or SEC_RESERVE; SEC_NOCACHE, SEC_WRITECOMBINE */
    const struct vm_backing *file; /* copied; NULL: the page file */
    const char *path;              /* guest path of the file, copied; NULL for none */
};

/*
 * Can there be such a section? *size: its bytes. Of a file only size and whether it can be written are asked.
 * STATUS_INVALID_PARAMETER_4      no size, and no file that would have one
 * STATUS_INVALID_PARAMETER_6      attributes
 * STATUS_INVALID_PAGE_PROTECTION  protect: NOACCESS or EXECUTE alone too (M20)
 * STATUS_ACCESS_DENIED            views that write, of a file that cannot be written (M21)
 * STATUS_SECTION_TOO_BIG          size is beyond the file's (M29)
 * STATUS_MAPPED_FILE_SIZE_ZERO    an empty file (M30)
 */
MUST_USE nt_status vm_section_check(const struct vm_section_config *config, uint64_t *size);

/*
 * Make a section with one reference, the caller's, of vm and all that lie beside it. A section lives on while views show
 * it (M18), and outlives vm.
 * vm_section_check's statuses; STATUS_COMMITMENT_LIMIT, STATUS_NO_MEMORY
 * On failure the backing stays the caller's. O(1).
 */
MUST_USE nt_status vm_section_new(struct vm *vm, const struct vm_section_config *config,
                                  struct vm_section **out);

/*
 * The same for an image; its base says nothing yet. Contents are copied; pages that are all zero take no frame. Views
 * show the whole image, its protections and labels.
 * STATUS_INVALID_PARAMETER  no size, or runs out of order; STATUS_NO_MEMORY. O(image pages).
 */
MUST_USE nt_status vm_section_new_image(struct vm *vm, const struct vm_image *image,
                                        struct vm_section **out);

struct vm_section *vm_section_ref(struct vm_section *section); /* returns section */
/* Takes NULL. When the last reference and the last view are gone, what was written is written back. */
void vm_section_unref(struct vm_section *section);

/*
 * Files that are read and written by other means as well. Before such a read, and before such a write: write back what was
 * written through views to bytes [offset, offset + size). After such a write: show what the file holds there now; pages that
 * are private by now, or still wait for being written back, stay as they are. Nothing happens without a file.
 * STATUS_IN_PAGE_ERROR  the file refuses; STATUS_NO_MEMORY, nothing changed. O(pages of the range that have frames).
 */
MUST_USE nt_status vm_section_write_back(struct vm_section *section, uint64_t offset,
                                         uint64_t size);
MUST_USE nt_status vm_section_reread(struct vm_section *section, uint64_t offset, uint64_t size);
/* The file has become larger, and the section with it. Nothing for a smaller size, and without a file. */
void vm_section_grow(struct vm_section *section, uint64_t size);

uint64_t
vm_section_size(const struct vm_section *section); /* bytes; whole pages unless it is a file's */

/* What NtMapViewOfSection is asked for. Zero-initialise; 0 members are "not given". */
struct vm_view_request {
    gva_t base;       /* 0: anywhere */
    uint64_t offset;  /* bytes from the section's start, a multiple of 64 KiB; 0 for images */
    uint64_t size;    /* bytes; 0: all from offset on, as for images always */
    uint64_t end;     /* bytes: what lies from there on is not to be seen; 0: the section's size */
    uint32_t type;    /* 0 or MEM_TOP_DOWN; MEM_REPLACE_PLACEHOLDER, AT_ROUND_TO_PAGE as below */
    uint32_t protect; /* PAGE_*; says nothing for images */
    uint32_t most;    /* PAGE_*: the most, nothing if invalid; 0: what the section says */
    gva_t lowest;     /* MEM_ADDRESS_REQUIREMENTS, as in struct vm_request */
    gva_t highest;    /* inclusive */
    uint64_t alignment; /* power of two of at least 64 KiB */
    uint64_t zero_bits; /* as in struct vm_request */
    const char *label;  /* copied; names the view in maps */
};

/*
 * Map a view in vm, the one that the section was made with or one beside it. *base and *size receive its range, in whole pages; either may be NULL. With MEM_REPLACE_PLACEHOLDER the view
 * takes the place of the placeholder that is exactly where it goes; base and offset are then multiples of a page. With
 * AT_ROUND_TO_PAGE, in a 32-bit address space, base is rounded down to a page (M08).
 * STATUS_MAPPED_ALIGNMENT         base or offset (M03, M04)
 * STATUS_CONFLICTING_ADDRESSES    something lives at base (M02), or no such placeholder
 * STATUS_INVALID_VIEW_SIZE        past the end of the section or of what is to be seen of it (M09)
 * STATUS_SECTION_PROTECTION       protect allows more than the section or `most` (M22)
 * STATUS_INVALID_PAGE_PROTECTION  protect
 * STATUS_INVALID_PARAMETER_3      base is above the user range
 * STATUS_INVALID_PARAMETER_4      base and zero_bits, or base and size, do not go together (M05, M06)
 * STATUS_INVALID_PARAMETER_9      type (M07)
 * STATUS_INVALID_PARAMETER        address requirements; a placeholder's place for an image, or without a base
 * STATUS_COMMITMENT_LIMIT, STATUS_NO_MEMORY
 * O(log allocations + the stretches that are committed or labelled differently).
 */
MUST_USE nt_status vm_section_map(struct vm *vm, struct vm_section *section,
                                  const struct vm_view_request *req, gva_t *base, uint64_t *size);

/*
 * NtFlushVirtualMemory: write back what was written to the pages of [addr, addr + size) of a view; size 0: to the end of
 * the view. Nothing happens without a file.
 * STATUS_NOT_MAPPED_VIEW  the range is not inside one view; STATUS_IN_PAGE_ERROR  the file refuses
 */
MUST_USE nt_status vm_section_flush(struct vm *vm, gva_t addr, uint64_t size);

#endif
