/*
 * Making the image of a DLL that does not exist: bare mode's kernel32 and its kin, with headers and an
 * export table real enough for code that walks them.
 */
#ifndef CORE_IMAGE_PE_BUILD_H
#define CORE_IMAGE_PE_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/gva.h"

#define PE_STUB_SIZE   16u    /* bytes from one export's code to the next one's */
#define PE_EXPORTS_MAX 65535u /* ordinals have 16 bits, and 0 is none */

struct pe_dll_export {
    const char *name; /* NULL: exported by ordinal only */
    uint16_t ordinal; /* 0: the next one above every ordinal asked for */
};

struct pe_dll_spec {
    enum cpu_arch arch;
    const char *name;                    /* "kernel32.dll" */
    const struct pe_dll_export *exports; /* in any order; no ordinal twice */
    size_t export_count;
};

struct pe_built {
    uint32_t text_rva; /* stub of export i: text_rva + PE_STUB_SIZE * i; its code is ret */
    uint32_t image_size;
};

/*
 * Append the image to mapped, which is empty. It is laid out for base and refers to no address, so that it is right
 * anywhere; as FileAlignment is a page, the same bytes are also a file that pe_parse and debuggers read.
 * ERR_INVALID  an ordinal twice, or more than PE_EXPORTS_MAX exports; ERR_NOMEM  also for mapped's limit
 * O(n log n) of the exports.
 */
MUST_USE enum err pe_build_dll(const struct pe_dll_spec *spec, gva_t base, struct buf *mapped,
                               struct pe_built *out);

#endif
