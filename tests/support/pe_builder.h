/*
 * PE files for tests: an ordinary program of either width, and every number in it open to change, so
 * that a hostile file is an ordinary one with one thing wrong. Knows the format by itself: it shares no
 * constant with the parser under test.
 */
#ifndef TESTS_PE_BUILDER_H
#define TESTS_PE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"

enum { PB_SECTIONS_MAX = 8, PB_DATA_MAX = 0x400 };

struct pb_section {
    const char *name; /* at most 8 bytes */
    uint32_t rva, virtual_size, file_offset, file_size, flags;
    uint8_t data[PB_DATA_MAX]; /* its file_size bytes in the file; zeros beyond PB_DATA_MAX */
};

struct pe_builder {
    enum cpu_arch arch;
    uint32_t lfanew;
    uint16_t machine, characteristics, magic, optional_size, subsystem, dll_characteristics;
    uint32_t timestamp, checksum, entry, section_alignment, file_alignment, image_size,
        headers_size;
    uint64_t image_base, stack_reserve, stack_commit, heap_reserve, heap_commit;
    uint32_t dir_count;
    struct {
        uint32_t rva, size;
    } dirs[16];
    uint16_t section_count;
    struct pb_section sections[PB_SECTIONS_MAX];
};

/* What the ordinary program holds, and where. */
enum {
    PB_LFANEW = 0x80,
    PB_TEXT = 0x1000,
    PB_RDATA = 0x2000,
    PB_DATA = 0x3000, /* 0x200 bytes in the file, 0x1800 in memory */
    PB_BSS = 0x5000,  /* nothing in the file */
    PB_RELOC = 0x6000,
    PB_IMAGE_SIZE = 0x7000,
    PB_FILE_SIZE = 0xE00,
    PB_POINTER = 0x3010, /* in .data: the address of PB_TEXT, relocated */
    PB_IMPORTS =
        0x2000, /* KERNEL32.dll: ExitProcess (hint 5), GetStdHandle (6); WS2_32.dll: #115 */
    PB_SLOTS =
        0x2080, /* address table of KERNEL32; WS2_32 follows at 0x20a0, without lookup table */
    PB_LOOKUP = 0x20C0,  /* lookup table of KERNEL32 */
    PB_NAMES = 0x2100,   /* the texts of the imports */
    PB_EXPORTS = 0x2200, /* base 7: 7 "alpha", 8 unused, 9 without name, 10 "fwd" to NTDLL.RtlFoo */
    PB_EXPORTS_SIZE = 0xC0,
    PB_TLS = 0x2300, /* callbacks PB_TEXT + 0x10 and + 0x20 */
    PB_CALLBACKS = 0x2340,
};

/* The ordinary program: sections .text .rdata .data .bss .reloc as above; its code is ret. */
void pe_builder_init(struct pe_builder *b, enum cpu_arch arch);

/* Replace what .text holds. len is at most PB_DATA_MAX / 2. */
void pe_builder_code(struct pe_builder *b, const void *code, size_t len);

/* Numbers at an RVA that one of the sections holds in the file. */
void pe_builder_u16(struct pe_builder *b, uint32_t rva, uint16_t v);
void pe_builder_u32(struct pe_builder *b, uint32_t rva, uint32_t v);
void pe_builder_word(struct pe_builder *b, uint32_t rva, uint64_t v); /* pointer-sized */
void pe_builder_text(struct pe_builder *b, uint32_t rva, const char *text);

/* Append the file to out, which is empty. */
void pe_builder_write(const struct pe_builder *b, struct buf *out);

/* File offset of the PE signature's neighbours, for tests that damage the file itself. */
uint32_t pe_builder_optional(const struct pe_builder *b); /* the optional header */
uint32_t pe_builder_table(const struct pe_builder *b);    /* the section table */

#endif
