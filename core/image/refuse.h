/*
 * The sentences with which core/image turns something down: files that are no Windows program for a CPU
 * that winstub has, and places that are not free. Shared by the parser and the mappers.
 */
#ifndef CORE_IMAGE_REFUSE_H
#define CORE_IMAGE_REFUSE_H

#include <stdint.h>

#include "winstub/bytes.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/nt.h"

/*
 * ERR_FORMAT (ERR_UNSUPPORTED for a known CPU) with the name of what the file is instead of a Windows
 * program for x86 or x64; the offsets are those where it departs from the format (pe_foreign.c).
 */
enum err foreign_file(struct bytes file, struct diag *why);
enum err foreign_dos(struct bytes file, uint32_t signature_offset, struct diag *why);
enum err foreign_machine(uint16_t machine, uint64_t offset, struct diag *why);

/* What st, the memory manager's answer, means for mapping size bytes of what ("code") at base (map_result.c). */
enum err map_result(nt_status st, const char *what, gva_t base, uint64_t size, struct diag *why);

#endif
