/* Arguments of operations on memory out of a fuzzer's bytes; see vm_input.h. */
#include "vm_input.h"

uint8_t next_u8(struct vm_input *in)
{
    uint8_t v = 0;

    if (bytes_u8(in->bytes, in->at, &v))
        in->at++;
    return v;
}

uint16_t next_u16(struct vm_input *in)
{
    uint8_t low = next_u8(in);

    return (uint16_t)(low | next_u8(in) << 8);
}

/* A page that is taken, if one is. */
gva_t taken_page(const struct vm_input *in, unsigned which)
{
    unsigned count = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++)
        count += in->model->pages[p].allocation != 0;
    for (unsigned p = 0; p < MODEL_PAGES && count; p++) {
        if (in->model->pages[p].allocation && which-- % count == 0)
            return (gva_t)p * VM_PAGE_SIZE;
    }
    return 0;
}

/* Mostly a page boundary or a byte beside one, often of taken memory, sometimes far outside. */
gva_t next_addr(struct vm_input *in)
{
    uint16_t v = next_u16(in);
    gva_t page = (gva_t)(v % (MODEL_PAGES + 4)) * VM_PAGE_SIZE;

    switch (v >> 13) {
    case 0:
        return page + 1;
    case 1:
        return page + VM_PAGE_SIZE - 1;
    case 2:
        return page / VM_GRANULARITY * VM_GRANULARITY;
    case 3:
        return (v & 0xff) == 0 ? UINT64_MAX - (v & 0xfff) : page;
    case 4:
    case 5:
        return taken_page(in, v & 0x1fff);
    case 6:
        return taken_page(in, v & 0x1fff) + VM_PAGE_SIZE - 1;
    default:
        return page;
    }
}

uint64_t next_size(struct vm_input *in)
{
    uint8_t v = next_u8(in);

    if (v < 8)
        return v;
    if (v == 255)
        return UINT64_MAX - 5;
    return (uint64_t)(v % (v & 0x80 ? 48 : 6)) * VM_PAGE_SIZE + (v & 0x40 ? 1 : 0);
}

uint32_t next_protect(struct vm_input *in)
{
    static const uint32_t modifiers[] = {
        0, 0, 0, PAGE_GUARD, PAGE_NOCACHE, PAGE_WRITECOMBINE, PAGE_TARGETS_INVALID, 0x300};
    uint8_t v = next_u8(in);

    if (v >= 0xf0)
        return v;
    return 1u << (v & 7) | modifiers[v >> 3 & 7];
}

uint32_t next_section_protect(struct vm_input *in)
{
    static const uint32_t protects[] = {PAGE_READWRITE,   PAGE_EXECUTE_READWRITE, PAGE_READWRITE,
                                        PAGE_WRITECOPY,   PAGE_EXECUTE_WRITECOPY, PAGE_READONLY,
                                        PAGE_EXECUTE_READ};
    uint8_t v = next_u8(in);

    return v >= 0xf0 ? v : protects[v % 7];
}
