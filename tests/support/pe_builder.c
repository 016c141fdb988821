/* Laying out PE files for tests; see pe_builder.h. Misuse by a test aborts: it is a bug in the test. */
#include "pe_builder.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/bytes.h"

enum {
    IN_CODE = 0x60000020,
    IN_RDATA = 0x40000040,
    IN_DATA = (int)0xC0000040,
    IN_BSS = (int)0xC0000080
};

static uint8_t *at_rva(struct pe_builder *b, uint32_t rva, size_t len)
{
    for (size_t i = 0; i < b->section_count; i++) {
        struct pb_section *s = &b->sections[i];

        if (rva >= s->rva && rva - s->rva + len <= PB_DATA_MAX)
            return s->data + (rva - s->rva);
    }
    abort();
}

void pe_builder_u16(struct pe_builder *b, uint32_t rva, uint16_t v)
{
    put_u16(at_rva(b, rva, 2), v);
}

void pe_builder_u32(struct pe_builder *b, uint32_t rva, uint32_t v)
{
    put_u32(at_rva(b, rva, 4), v);
}

void pe_builder_word(struct pe_builder *b, uint32_t rva, uint64_t v)
{
    if (b->arch == CPU_AMD64)
        put_u64(at_rva(b, rva, 8), v);
    else
        put_u32(at_rva(b, rva, 4), (uint32_t)v);
}

void pe_builder_text(struct pe_builder *b, uint32_t rva, const char *text)
{
    memcpy(at_rva(b, rva, strlen(text) + 1), text, strlen(text) + 1);
}

void pe_builder_code(struct pe_builder *b, const void *code, size_t len)
{
    if (len > b->sections[0].file_size || len > PB_DATA_MAX)
        abort();
    memset(b->sections[0].data, 0xCC, b->sections[0].file_size);
    memcpy(b->sections[0].data, code, len);
    b->sections[0].virtual_size = (uint32_t)len;
}

static void add_section(struct pe_builder *b, const char *name, uint32_t rva, uint32_t virtual_size,
                        uint32_t file_offset, uint32_t file_size, uint32_t flags)
{
    b->sections[b->section_count++] = (struct pb_section){.name = name,
                                                          .rva = rva,
                                                          .virtual_size = virtual_size,
                                                          .file_offset = file_offset,
                                                          .file_size = file_size,
                                                          .flags = flags};
}

static void add_imports(struct pe_builder *b)
{
    uint32_t step = b->arch == CPU_AMD64 ? 8 : 4;
    uint64_t by_ordinal = UINT64_C(1) << (8 * step - 1);

    b->dirs[1].rva = PB_IMPORTS;
    b->dirs[1].size = 60;
    pe_builder_u32(b, PB_IMPORTS, PB_LOOKUP);
    pe_builder_u32(b, PB_IMPORTS + 12, PB_NAMES);
    pe_builder_u32(b, PB_IMPORTS + 16, PB_SLOTS);
    pe_builder_u32(b, PB_IMPORTS + 20 + 12, PB_NAMES + 0x10);
    pe_builder_u32(b, PB_IMPORTS + 20 + 16, PB_SLOTS + 0x20);
    pe_builder_text(b, PB_NAMES, "KERNEL32.dll");
    pe_builder_text(b, PB_NAMES + 0x10, "WS2_32.dll");
    pe_builder_u16(b, PB_NAMES + 0x20, 5);
    pe_builder_text(b, PB_NAMES + 0x22, "ExitProcess");
    pe_builder_u16(b, PB_NAMES + 0x30, 6);
    pe_builder_text(b, PB_NAMES + 0x32, "GetStdHandle");
    for (uint32_t table = PB_SLOTS;; table = PB_LOOKUP) {
        pe_builder_word(b, table, PB_NAMES + 0x20);
        pe_builder_word(b, table + step, PB_NAMES + 0x30);
        if (table == PB_LOOKUP)
            break;
    }
    pe_builder_word(b, PB_SLOTS + 0x20, by_ordinal | 115);
}

static void add_exports(struct pe_builder *b)
{
    const uint32_t functions = PB_EXPORTS + 0x28, names = functions + 16, ordinals = names + 8,
                   texts = ordinals + 4;

    b->dirs[0].rva = PB_EXPORTS;
    b->dirs[0].size = PB_EXPORTS_SIZE;
    pe_builder_u32(b, PB_EXPORTS + 12, texts);
    pe_builder_u32(b, PB_EXPORTS + 16, 7);
    pe_builder_u32(b, PB_EXPORTS + 20, 4);
    pe_builder_u32(b, PB_EXPORTS + 24, 2);
    pe_builder_u32(b, PB_EXPORTS + 28, functions);
    pe_builder_u32(b, PB_EXPORTS + 32, names);
    pe_builder_u32(b, PB_EXPORTS + 36, ordinals);
    pe_builder_u32(b, functions, PB_TEXT + 0x10);
    pe_builder_u32(b, functions + 8, PB_TEXT + 0x20);
    pe_builder_u32(b, functions + 12, texts + 0x20);
    pe_builder_u32(b, names, texts + 0x10);
    pe_builder_u32(b, names + 4, texts + 0x18);
    pe_builder_u16(b, ordinals, 0);
    pe_builder_u16(b, ordinals + 2, 3);
    pe_builder_text(b, texts, "ordinary.dll");
    pe_builder_text(b, texts + 0x10, "alpha");
    pe_builder_text(b, texts + 0x18, "fwd");
    pe_builder_text(b, texts + 0x20, "NTDLL.RtlFoo");
}

static void add_tls(struct pe_builder *b)
{
    uint32_t step = b->arch == CPU_AMD64 ? 8 : 4;

    b->dirs[9].rva = PB_TLS;
    b->dirs[9].size = 4 * step + 8;
    pe_builder_word(b, PB_TLS + 3 * step, b->image_base + PB_CALLBACKS);
    pe_builder_word(b, PB_CALLBACKS, b->image_base + PB_TEXT + 0x10);
    pe_builder_word(b, PB_CALLBACKS + step, b->image_base + PB_TEXT + 0x20);
}

/* Relocations for the pointer in .data and the three addresses of the TLS directory. */
static void add_relocations(struct pe_builder *b)
{
    uint32_t step = b->arch == CPU_AMD64 ? 8 : 4;
    uint16_t type = b->arch == CPU_AMD64 ? 0xA000 : 0x3000;

    pe_builder_word(b, PB_POINTER, b->image_base + PB_TEXT);
    b->dirs[5].rva = PB_RELOC;
    b->dirs[5].size = 0x1C;
    pe_builder_u32(b, PB_RELOC, PB_RDATA);
    pe_builder_u32(b, PB_RELOC + 4, 0x10);
    pe_builder_u16(b, PB_RELOC + 8, (uint16_t)(type | (PB_TLS - PB_RDATA + 3 * step)));
    pe_builder_u16(b, PB_RELOC + 10, (uint16_t)(type | (PB_CALLBACKS - PB_RDATA)));
    pe_builder_u16(b, PB_RELOC + 12, (uint16_t)(type | (PB_CALLBACKS - PB_RDATA + step)));
    pe_builder_u32(b, PB_RELOC + 0x10, PB_DATA);
    pe_builder_u32(b, PB_RELOC + 0x14, 0xC);
    pe_builder_u16(b, PB_RELOC + 0x18, (uint16_t)(type | (PB_POINTER - PB_DATA)));
}

void pe_builder_init(struct pe_builder *b, enum cpu_arch arch)
{
    bool wide = arch == CPU_AMD64;

    *b = (struct pe_builder){
        .arch = arch,
        .lfanew = PB_LFANEW,
        .machine = wide ? 0x8664 : 0x14C,
        .characteristics = wide ? 0x22 : 0x102,
        .magic = wide ? 0x20B : 0x10B,
        .optional_size = wide ? 240 : 224,
        .subsystem = 3,
        .dll_characteristics = 0x140,
        .timestamp = 0x12345678,
        .checksum = 0xABCD,
        .entry = PB_TEXT,
        .section_alignment = 0x1000,
        .file_alignment = 0x200,
        .image_size = PB_IMAGE_SIZE,
        .headers_size = 0x400,
        .image_base = wide ? UINT64_C(0x140000000) : 0x400000,
        .stack_reserve = 0x200000,
        .stack_commit = 0x1000,
        .heap_reserve = 0x100000,
        .heap_commit = 0x2000,
        .dir_count = 16,
    };
    add_section(b, ".text", PB_TEXT, 0x30, 0x400, 0x200, IN_CODE);
    add_section(b, ".rdata", PB_RDATA, 0x400, 0x600, 0x400, IN_RDATA);
    add_section(b, ".data", PB_DATA, 0x1800, 0xA00, 0x200, (uint32_t)IN_DATA);
    add_section(b, ".bss", PB_BSS, 0x1000, 0, 0, (uint32_t)IN_BSS);
    add_section(b, ".reloc", PB_RELOC, 0x1C, 0xC00, 0x200, IN_RDATA);
    pe_builder_code(b, "\xC3", 1);
    b->sections[0].virtual_size = 0x30;
    add_imports(b);
    add_exports(b);
    add_tls(b);
    add_relocations(b);
}

uint32_t pe_builder_optional(const struct pe_builder *b)
{
    return b->lfanew + 24;
}

uint32_t pe_builder_table(const struct pe_builder *b)
{
    return pe_builder_optional(b) + b->optional_size;
}

/* Room for [at, at + len) in the file, zeros where nothing was written. */
static uint8_t *grow(struct buf *out, size_t at, size_t len)
{
    if (at + len > out->len && !buf_extend(out, at + len - out->len))
        abort();
    return out->data + at;
}

static void write_optional(const struct pe_builder *b, struct buf *out)
{
    bool wide = b->arch == CPU_AMD64;
    uint32_t dirs = wide ? 112 : 96;
    uint8_t *o = grow(out, pe_builder_optional(b), dirs + 8 * 16);
    const uint64_t sizes[] = {b->stack_reserve, b->stack_commit, b->heap_reserve, b->heap_commit};

    put_u16(o, b->magic);
    put_u32(o + 16, b->entry);
    if (wide)
        put_u64(o + 24, b->image_base);
    else
        put_u32(o + 28, (uint32_t)b->image_base);
    put_u32(o + 32, b->section_alignment);
    put_u32(o + 36, b->file_alignment);
    put_u32(o + 56, b->image_size);
    put_u32(o + 60, b->headers_size);
    put_u32(o + 64, b->checksum);
    put_u16(o + 68, b->subsystem);
    put_u16(o + 70, b->dll_characteristics);
    for (size_t i = 0; i < 4; i++) {
        if (wide)
            put_u64(o + 72 + 8 * i, sizes[i]);
        else
            put_u32(o + 72 + 4 * i, (uint32_t)sizes[i]);
    }
    put_u32(o + dirs - 4, b->dir_count);
    for (size_t i = 0; i < 16 && i < b->dir_count; i++) {
        put_u32(o + dirs + 8 * i, b->dirs[i].rva);
        put_u32(o + dirs + 8 * i + 4, b->dirs[i].size);
    }
}

static void write_section(const struct pe_builder *b, size_t index, struct buf *out)
{
    const struct pb_section *s = &b->sections[index];
    uint8_t *h = grow(out, pe_builder_table(b) + 40 * index, 40);
    size_t len = s->file_size < PB_DATA_MAX ? s->file_size : PB_DATA_MAX;

    memcpy(h, s->name, strlen(s->name));
    put_u32(h + 8, s->virtual_size);
    put_u32(h + 12, s->rva);
    put_u32(h + 16, s->file_size);
    put_u32(h + 20, s->file_offset);
    put_u32(h + 36, s->flags);
    if (s->file_offset && s->file_size)
        memcpy(grow(out, s->file_offset, s->file_size), s->data, len);
}

void pe_builder_write(const struct pe_builder *b, struct buf *out)
{
    uint8_t *nt;

    (void)grow(out, 0, b->headers_size);
    put_u16(grow(out, 0, 64), 0x5A4D);
    put_u16(out->data + 0x18, 0x40);
    put_u32(out->data + 0x3C, b->lfanew);
    nt = grow(out, b->lfanew, 24);
    put_u32(nt, 0x4550);
    put_u16(nt + 4, b->machine);
    put_u16(nt + 6, b->section_count);
    put_u32(nt + 8, b->timestamp);
    put_u16(nt + 20, b->optional_size);
    put_u16(nt + 22, b->characteristics);
    write_optional(b, out);
    for (size_t i = 0; i < b->section_count; i++)
        write_section(b, i, out);
}
