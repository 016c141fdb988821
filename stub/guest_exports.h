/*
 * What a module of the guest exports, read from its memory, which it may have destroyed: every table is bounded
 * and read whole, every name is read by itself. Follows the PE format specification.
 */
#ifndef STUB_GUEST_EXPORTS_H
#define STUB_GUEST_EXPORTS_H

#include "session.h"

#define EXPORT_NAME_BYTES 256u /* of a name, its end included */

struct guest_exports {
    gva_t base;                          /* of the module; the caller's */
    uint32_t at, size;                   /* of the directory; addresses inside it are forwarders */
    uint32_t ordinal_base, count, names; /* how many; at most 65,536 */
    const uint8_t *functions;            /* count times 4 bytes */
    const uint8_t *name_rvas;            /* names times 4 bytes */
    const uint8_t *ordinals;             /* names times 2 bytes */
    struct buf tables;
};

/* The tables of the module at base; false for none, or damaged ones. guest_exports_free whatever comes of it. */
bool guest_exports_read(const struct stub *s, gva_t base, struct guest_exports *out);
void guest_exports_free(struct guest_exports *e);

/* Function index: its address; 0 for one that is elsewhere. guest_export_used: has the table anything for that ordinal? */
gva_t guest_export_address(const struct guest_exports *e, uint32_t index);
bool guest_export_used(const struct guest_exports *e, uint32_t index);
/* Name i and the index of its function; false when the table names one that is not there. */
bool guest_export_name(const struct stub *s, const struct guest_exports *e, uint32_t i,
                       char name[EXPORT_NAME_BYTES], uint32_t *index);
/* Where the function is instead ("OTHER.Name"), "" when it is here. */
void guest_export_forward(const struct stub *s, const struct guest_exports *e, uint32_t index,
                          char out[EXPORT_NAME_BYTES]);

#endif
