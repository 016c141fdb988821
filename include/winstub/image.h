/*
 * Images: parsing PE32 and PE32+ from untrusted bytes, and mapping them into a vm as the NT loader's
 * kernel side does. The parser touches no memory manager.
 */
#ifndef WINSTUB_IMAGE_H
#define WINSTUB_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/bytes.h"
#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/vm.h"

#define PE_FILE_MAX  (512u << 20) /* bytes; larger files are refused */
#define PE_IMAGE_MAX (1u << 30)   /* SizeOfImage */
#define RAW_CODE_MAX (64u << 20)  /* bytes of plain code */

struct pe_section {
    char name[9]; /* NUL-terminated, control characters replaced */
    uint32_t rva;
    uint32_t virtual_size; /* SizeOfRawData where the header says 0, as NT takes it */
    uint32_t file_offset;  /* what fills the section: from the start of a sector on, */
    uint32_t file_size;    /* inside the file, no more than its pages take; 0: only zeros */
    uint32_t flags;        /* IMAGE_SCN_* */
};

struct pe_dir {
    uint32_t rva;
    uint32_t size;
};

/*
 * A parsed image. Everything in it but what says otherwise was checked against the file: offsets and
 * sizes may be trusted, sections are ascending (unless flat), do not overlap and lie inside the image.
 */
struct pe_image {
    struct bytes file; /* the caller's bytes; must outlive this */
    enum cpu_arch arch;
    uint16_t machine;
    uint16_t characteristics;
    uint16_t dll_characteristics;
    uint16_t subsystem;
    uint32_t timestamp;
    gva_t image_base;    /* preferred */
    uint32_t entry_rva;  /* 0: none */
    uint32_t image_size; /* rounded up to pages */
    uint32_t headers_size;
    uint32_t checksum;
    uint64_t stack_reserve, stack_commit, heap_reserve, heap_commit; /* as asked for: any number */
    struct pe_dir dirs[16]; /* as found: may point anywhere; the walkers below bound them */
    bool flat;              /* SectionAlignment below a page: mapped as one run, as in the file */
    struct pe_section *sections;
    size_t section_count;
};

/*
 * Parse the headers and section table of file.
 * ERR_FORMAT       not MZ, not PE, or inconsistent; ERR_TRUNCATED; ERR_LIMIT; ERR_NOMEM
 * ERR_UNSUPPORTED  another CPU, or .NET without machine code
 * why says which field, at which file offset, and what was expected, or what the file is instead; its
 * text completes "hello.exe: ...", since only the caller knows the name. O(sections).
 */
MUST_USE enum err pe_parse(struct bytes file, struct pe_image **out, struct diag *why);
void pe_free(struct pe_image *image); /* takes NULL */

/*
 * Lay the image out as mapped: headers and sections at their RVAs, the rest zero; relocated to base, ImageBase in the
 * header updated. *out is malloc'd, image_size bytes, the caller's.
 * ERR_UNSUPPORTED  base differs from image_base and relocations are stripped
 * ERR_FORMAT       a damaged relocation table; ERR_RANGE  no room at base; ERR_NOMEM
 * O(image size).
 */
MUST_USE enum err pe_layout(const struct pe_image *image, gva_t base, uint8_t **out,
                            struct diag *why);

/*
 * Walk imports or exports of a laid-out image (mapped: image_size bytes as pe_layout made or as read from the guest).
 * The callback returns false to end the walk early. Texts end inside mapped: DLLs' names have at most 255 bytes,
 * functions' names at most 4096. A missing directory has no entries.
 * ERR_FORMAT  the directory is damaged; entries before the damage were reported
 * ERR_LIMIT   more than 2^18 imports, as only tables that overlap have
 * O(entries).
 */
struct pe_import {
    const char *dll;   /* points into mapped, as all texts here */
    const char *name;  /* NULL: by ordinal */
    uint16_t ordinal;  /* or hint */
    uint32_t slot_rva; /* of the import address table entry */
};
typedef bool pe_import_fn(void *ctx, const struct pe_import *import);
MUST_USE enum err pe_imports(const struct pe_image *image, struct bytes mapped, pe_import_fn *fn,
                             void *ctx, struct diag *why);

struct pe_export {
    const char *name; /* NULL: ordinal only */
    uint32_t ordinal;
    uint32_t rva;          /* 0 for a forwarder */
    const char *forwarder; /* "NTDLL.RtlAllocateHeap" or NULL */
};
typedef bool pe_export_fn(void *ctx, const struct pe_export *export);
/* First every name, in the table's order (a function may have several), then the functions without one. */
MUST_USE enum err pe_exports(const struct pe_image *image, struct bytes mapped, pe_export_fn *fn,
                             void *ctx, struct diag *why);

/* RVAs of TLS callbacks, at most cap; returns how many there are. 0 also for none or a damaged directory. */
size_t pe_tls_callbacks(const struct pe_image *image, struct bytes mapped, gva_t base,
                        uint32_t *rvas, size_t cap);

/* The RVA of an external symbol of the file's own symbol table, if it has one. False: it is not there. O(symbols). */
bool pe_symbol(const struct pe_image *image, const char *name, uint32_t *rva);

/* RVA of the lowest allocated section: what GDB calls the text segment. headers_size rounded up when there is none. */
uint32_t pe_first_section(const struct pe_image *image);

/*
 * Map the image into vm at base: per-section protection, labels "name headers", "name .text", path.
 * ERR_EXISTS  base is taken; ERR_NOMEM; ERR_RANGE  base is no multiple of 64 KiB or has no room; pe_layout's errors
 * O(image size).
 */
MUST_USE enum err image_map(struct vm *vm, const struct pe_image *image, gva_t base,
                            const char *name, const char *path, struct diag *why);

/* The pages that all views of an image share, and where they are relocated to. Zero-initialise; image_views_fini ends it. */
struct image_views {
    struct vm_section *section; /* NULL: no view was mapped yet */
    gva_t base;
};
void image_views_fini(struct image_views *views);

/*
 * image_map for one more view: those at another base than the first share frames with it where relocation makes no
 * difference. Errors as above.
 */
MUST_USE enum err image_map_view(struct vm *vm, struct image_views *views,
                                 const struct pe_image *image, gva_t base, const char *name,
                                 const char *path, struct diag *why);

/*
 * Place plain machine code at base, which need not be a multiple of anything: private memory,
 * PAGE_EXECUTE_READWRITE, labelled "code".
 * ERR_FORMAT  no bytes; ERR_LIMIT  more than RAW_CODE_MAX; ERR_EXISTS  base is taken; ERR_RANGE; ERR_NOMEM
 */
MUST_USE enum err raw_map(struct vm *vm, struct bytes code, gva_t base, struct diag *why);

#endif
