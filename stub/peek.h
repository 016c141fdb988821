/* Numbers in the guest's memory, which it may have destroyed: every read is checked. */
#ifndef STUB_PEEK_H
#define STUB_PEEK_H

#include "session.h"

/* Has the guest 64 bits? As an index: 0 is 32 bits, 1 is 64. */
unsigned peek_width(const struct stub *s);
/* Exactly len bytes; false when they are not all there. */
bool peek(const struct stub *s, gva_t addr, void *dst, size_t len);
/* A little-endian number of len (1 to 8) bytes, and a pointer of the guest's width; 0 when it is not there. */
uint64_t peek_number(const struct stub *s, gva_t addr, size_t len);
gva_t peek_pointer(const struct stub *s, gva_t addr);

#endif
