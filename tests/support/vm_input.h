/*
 * Arguments of operations on memory out of a fuzzer's bytes: mostly sensible, often at the edge of something that is there,
 * sometimes absurd. Behind the end everything is zero.
 */
#ifndef VM_INPUT_H
#define VM_INPUT_H

#include <stdint.h>

#include "vm_model.h"
#include "winstub/bytes.h"

struct vm_input {
    struct bytes bytes;
    uint64_t at;
    const struct model *model; /* what is there */
};

uint8_t next_u8(struct vm_input *in);
uint16_t next_u16(struct vm_input *in);
/* A page that is taken, if one is. */
gva_t taken_page(const struct vm_input *in, unsigned which);
/* Mostly a page boundary or a byte beside one, often of taken memory, sometimes far outside. */
gva_t next_addr(struct vm_input *in);
uint64_t next_size(struct vm_input *in);
uint32_t next_protect(struct vm_input *in);
uint32_t next_section_protect(struct vm_input *in);

#endif
