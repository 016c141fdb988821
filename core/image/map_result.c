/* What the memory manager's refusal of an image or of code means to whoever asked for it. */
#include "image/refuse.h"

enum err map_result(nt_status st, const char *what, gva_t base, uint64_t size, struct diag *why)
{
    switch (st) {
    case STATUS_SUCCESS:
        return ERR_OK;
    case STATUS_CONFLICTING_ADDRESSES:
        return diag_set(why, ERR_EXISTS,
                        "%s of 0x%" PRIx64 " bytes cannot be at 0x%" PRIx64
                        ": part of that range is taken",
                        what, size, base);
    case STATUS_NO_MEMORY:
    case STATUS_COMMITMENT_LIMIT:
        return diag_set(why, ERR_NOMEM, "no memory is left for %s of 0x%" PRIx64 " bytes", what,
                        size);
    default:
        return diag_set(why, ERR_RANGE, "%s of 0x%" PRIx64 " bytes cannot be at 0x%" PRIx64 " (%s)",
                        what, size, base, nt_text(st));
    }
}
