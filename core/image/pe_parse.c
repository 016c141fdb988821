/*
 * From the untrusted bytes of a file to struct pe_image: headers and section table, every field
 * checked against the file and against the others. What Windows refuses is refused, with two
 * leniencies: gaps between sections and empty sections are taken, so that dumped and repaired images
 * can be looked at. What the directories point to is left to pe_dirs.c and pe_layout.c, which bound
 * every step themselves. Follows Microsoft's "PE Format"; rounding follows NT's image sections as
 * observed by Wine's loader tests.
 */
#include "image/pe_format.h"
#include "image/refuse.h"

#include <stdlib.h>
#include <string.h>

/* The file being parsed, and where its parts begin. */
struct parser {
    struct bytes file;
    struct diag *why;
    struct pe_image *image;
    uint64_t nt;  /* file offset of the PE signature */
    uint64_t opt; /* of the optional header */
    uint64_t table;
    uint32_t file_alignment;
    uint32_t section_alignment;
};

/* Find the PE signature. */
static enum err find_signature(struct parser *p)
{
    uint16_t magic = 0, relocs = 0;
    uint32_t lfanew = 0, signature = 0;

    if (!bytes_u16(p->file, 0, &magic) || magic != DOS_MAGIC)
        return foreign_file(p->file, p->why);
    if (!bytes_u32(p->file, DOS_E_LFANEW, &lfanew))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside its DOS header of 0x40 bytes", p->file.len);
    if (bytes_u32(p->file, lfanew, &signature) && signature == PE_SIGNATURE) {
        if (lfanew & 3)
            return diag_set(
                p->why, ERR_FORMAT,
                "e_lfanew at file offset 0x3c is 0x%x; Windows takes multiples of 4 only", lfanew);
        p->nt = lfanew;
        p->opt = p->nt + NT_OPTIONAL;
        return ERR_OK;
    }
    /* A DOS program may keep its relocation table where later formats keep e_lfanew. */
    if (bytes_has(p->file, lfanew, 4) ||
        (bytes_u16(p->file, DOS_E_LFARLC, &relocs) && relocs < 0x40))
        return foreign_dos(p->file, lfanew, p->why);
    return diag_set(p->why, ERR_TRUNCATED,
                    "the file ends at 0x%zx, before the PE header that e_lfanew (file offset 0x3c) "
                    "puts at 0x%x: a truncated Windows program, or a DOS program",
                    p->file.len, lfanew);
}

/* The file header, and the optional header's kind. */
static enum err parse_file_header(struct parser *p)
{
    struct pe_image *image = p->image;
    const uint8_t *nt = p->file.data + p->nt;
    uint16_t magic, want;

    if (!bytes_has(p->file, p->nt, NT_OPTIONAL + 2))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the PE header at 0x%" PRIx64, p->file.len,
                        p->nt);
    image->machine = get_u16(nt + NT_MACHINE);
    if (image->machine != IMAGE_FILE_MACHINE_I386 && image->machine != IMAGE_FILE_MACHINE_AMD64)
        return foreign_machine(image->machine, p->nt + NT_MACHINE, p->why);
    image->arch = image->machine == IMAGE_FILE_MACHINE_AMD64 ? CPU_AMD64 : CPU_I386;
    image->timestamp = get_u32(nt + NT_TIMESTAMP);
    image->characteristics = get_u16(nt + NT_CHARACTERISTICS);
    if (!(image->characteristics & IMAGE_FILE_EXECUTABLE_IMAGE))
        return diag_set(p->why, ERR_FORMAT,
                        "Characteristics at file offset 0x%" PRIx64 " is 0x%04x without the "
                        "EXECUTABLE_IMAGE bit (0x2): the linker did not finish this file",
                        p->nt + NT_CHARACTERISTICS, image->characteristics);
    p->table = p->opt + get_u16(nt + NT_OPTIONAL_SIZE);
    magic = get_u16(nt + NT_OPTIONAL + OPT_MAGIC);
    want = image->arch == CPU_AMD64 ? OPT_MAGIC_PE32PLUS : OPT_MAGIC_PE32;
    if (magic != want)
        return diag_set(p->why, ERR_FORMAT,
                        "the optional header's Magic at file offset 0x%" PRIx64
                        " is 0x%04x; a program for Machine 0x%04x has 0x%04x",
                        p->opt, magic, image->machine, want);
    return ERR_OK;
}

static bool power_of_two(uint32_t n)
{
    return n && !(n & (n - 1));
}

/* SectionAlignment and FileAlignment: they decide whether the image is mapped flat. */
static enum err check_alignments(struct parser *p)
{
    const uint8_t *opt = p->file.data + p->opt;

    p->section_alignment = get_u32(opt + OPT_SECTION_ALIGNMENT);
    p->file_alignment = get_u32(opt + OPT_FILE_ALIGNMENT);
    if (!power_of_two(p->section_alignment))
        return diag_set(p->why, ERR_FORMAT,
                        "SectionAlignment at file offset 0x%" PRIx64
                        " is 0x%x; expected a power of two",
                        p->opt + OPT_SECTION_ALIGNMENT, p->section_alignment);
    if (!power_of_two(p->file_alignment) || p->file_alignment > p->section_alignment)
        return diag_set(p->why, ERR_FORMAT,
                        "FileAlignment at file offset 0x%" PRIx64
                        " is 0x%x; expected a power of two, at most SectionAlignment (0x%x)",
                        p->opt + OPT_FILE_ALIGNMENT, p->file_alignment, p->section_alignment);
    if (p->file_alignment % SECTOR_SIZE && p->file_alignment != p->section_alignment)
        return diag_set(p->why, ERR_FORMAT,
                        "FileAlignment at file offset 0x%" PRIx64
                        " is 0x%x; expected a multiple of 0x200, or SectionAlignment (0x%x)",
                        p->opt + OPT_FILE_ALIGNMENT, p->file_alignment, p->section_alignment);
    p->image->flat = p->section_alignment < VM_PAGE_SIZE;
    return ERR_OK;
}

/* SizeOfImage, SizeOfHeaders, the entry point and ImageBase. */
static enum err check_sizes(struct parser *p)
{
    struct pe_image *image = p->image;
    const uint8_t *opt = p->file.data + p->opt;
    uint32_t image_size = get_u32(opt + OPT_IMAGE_SIZE);

    if (image_size > PE_IMAGE_MAX)
        return diag_set(p->why, ERR_LIMIT,
                        "SizeOfImage at file offset 0x%" PRIx64 " is 0x%x; the limit is 0x%x",
                        p->opt + OPT_IMAGE_SIZE, image_size, PE_IMAGE_MAX);
    image->image_size = (uint32_t)round_up(image_size, VM_PAGE_SIZE);
    image->headers_size = get_u32(opt + OPT_HEADERS_SIZE);
    if (!image_size || image->headers_size > image->image_size)
        return diag_set(p->why, ERR_FORMAT,
                        "SizeOfHeaders at file offset 0x%" PRIx64 " is 0x%x and SizeOfImage 0x%x; "
                        "the image must hold its headers",
                        p->opt + OPT_HEADERS_SIZE, image->headers_size, image_size);
    image->entry_rva = get_u32(opt + OPT_ENTRY);
    if (image->entry_rva >= image->image_size)
        return diag_set(p->why, ERR_FORMAT,
                        "AddressOfEntryPoint at file offset 0x%" PRIx64
                        " is 0x%x, past the image's end at 0x%x",
                        p->opt + OPT_ENTRY, image->entry_rva, image->image_size);
    image->image_base = image->arch == CPU_AMD64 ? get_u64(opt + OPT64_IMAGE_BASE)
                                                 : get_u32(opt + OPT32_IMAGE_BASE);
    if (image->image_base % VM_GRANULARITY)
        return diag_set(p->why, ERR_FORMAT,
                        "ImageBase at file offset 0x%" PRIx64 " is 0x%" PRIx64
                        "; expected a multiple of 0x10000",
                        p->opt + opt_image_base(image->arch), image->image_base);
    return ERR_OK;
}

/* Four pointer-sized numbers: the stack's and the heap's reserve and commit. */
static void parse_reserves(struct parser *p)
{
    const uint8_t *at = p->file.data + p->opt + OPT_STACK_RESERVE;
    uint64_t *out[] = {&p->image->stack_reserve, &p->image->stack_commit, &p->image->heap_reserve,
                       &p->image->heap_commit};

    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        *out[i] = p->image->arch == CPU_AMD64 ? get_u64(at + 8 * i) : get_u32(at + 4 * i);
}

/* The data directories; as on Windows, their number and not SizeOfOptionalHeader says how many there are. */
static enum err parse_dirs(struct parser *p)
{
    uint64_t at = p->opt + opt_dir_count(p->image->arch);
    uint32_t count = get_u32(p->file.data + at);

    if (count > DIR_COUNT)
        count = DIR_COUNT;
    at += 4;
    if (!bytes_has(p->file, at, 8 * (uint64_t)count))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the %u data directories at 0x%" PRIx64,
                        p->file.len, count, at);
    for (uint32_t i = 0; i < count; i++) {
        p->image->dirs[i].rva = get_u32(p->file.data + at + 8 * i);
        p->image->dirs[i].size = get_u32(p->file.data + at + 8 * i + 4);
    }
    return ERR_OK;
}

static enum err parse_optional_header(struct parser *p)
{
    struct pe_image *image = p->image;
    uint64_t need = opt_dir_count(image->arch) + 4;
    const uint8_t *opt = p->file.data + p->opt;
    enum err e;

    if (!bytes_has(p->file, p->opt, need))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the optional header at 0x%" PRIx64
                        ", which needs 0x%" PRIx64 " bytes",
                        p->file.len, p->opt, need);
    e = check_alignments(p);
    if (e)
        return e;
    e = check_sizes(p);
    if (e)
        return e;
    image->checksum = get_u32(opt + OPT_CHECKSUM);
    image->subsystem = get_u16(opt + OPT_SUBSYSTEM);
    image->dll_characteristics = get_u16(opt + OPT_DLL_CHARACTERISTICS);
    parse_reserves(p);
    return parse_dirs(p);
}

/* Section names are for people: keep what prints. */
static void parse_name(const uint8_t *raw, char name[9])
{
    size_t len = 0;

    while (len < 8 && raw[len]) {
        name[len] = raw[len] > 0x20 && raw[len] < 0x7F ? (char)raw[len] : '?';
        len++;
    }
    name[len] = 0;
}

/*
 * The part of the file that fills a section. NT reads whole sectors from the sector that holds
 * PointerToRawData on, and no more than the section's pages take. Data past the file's last sector: refused.
 */
static enum err place_data(struct parser *p, size_t index, uint32_t raw_offset, uint32_t raw_size,
                           struct pe_section *s)
{
    uint64_t skip = raw_offset % SECTOR_SIZE;
    uint64_t start = raw_offset - skip;
    uint64_t size = round_up((uint64_t)raw_size + skip, SECTOR_SIZE);
    uint64_t room = round_up(s->virtual_size, VM_PAGE_SIZE);

    if (!raw_offset || !raw_size)
        return ERR_OK;
    if (size > room)
        size = room;
    if (raw_offset >= p->file.len || start + size > round_up(p->file.len, SECTOR_SIZE))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the data of section %zu (%s): "
                        "PointerToRawData 0x%x, SizeOfRawData 0x%x",
                        p->file.len, index + 1, s->name, raw_offset, raw_size);
    if (start + size > p->file.len)
        size = p->file.len - start;
    s->file_offset = (uint32_t)start;
    s->file_size = (uint32_t)size;
    return ERR_OK;
}

/* A flat image is its file: a section has no place of its own to be moved to. */
static enum err place_flat(struct parser *p, size_t index, uint32_t raw_offset, uint32_t raw_size,
                           struct pe_section *s)
{
    if (!raw_offset || !raw_size)
        return ERR_OK;
    if (raw_offset != s->rva)
        return diag_set(p->why, ERR_FORMAT,
                        "section %zu (%s) has PointerToRawData 0x%x and VirtualAddress 0x%x; with "
                        "SectionAlignment 0x%x, below a page, Windows takes equal numbers only",
                        index + 1, s->name, raw_offset, s->rva, p->section_alignment);
    if ((uint64_t)raw_offset + raw_size > round_up(p->file.len, SECTOR_SIZE) ||
        raw_offset >= p->file.len)
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the data of section %zu (%s): "
                        "PointerToRawData 0x%x, SizeOfRawData 0x%x",
                        p->file.len, index + 1, s->name, raw_offset, raw_size);
    s->file_offset = raw_offset;
    s->file_size = raw_size;
    if (s->file_size > p->file.len - raw_offset)
        s->file_size = (uint32_t)(p->file.len - raw_offset);
    return ERR_OK;
}

/* Section index, which may begin at lowest or later. */
static enum err parse_section(struct parser *p, size_t index, uint64_t lowest)
{
    uint64_t at = p->table + SECTION_HEADER_SIZE * index;
    const uint8_t *raw = p->file.data + at;
    struct pe_section *s = &p->image->sections[index];
    uint32_t raw_size = get_u32(raw + SECTION_FILE_SIZE);
    uint32_t raw_offset = get_u32(raw + SECTION_FILE_OFFSET);

    parse_name(raw, s->name);
    s->virtual_size = get_u32(raw + 8);
    if (!s->virtual_size)
        s->virtual_size = raw_size;
    s->rva = get_u32(raw + SECTION_RVA);
    s->flags = get_u32(raw + SECTION_FLAGS);
    if ((uint64_t)s->rva + s->virtual_size > p->image->image_size)
        return diag_set(p->why, ERR_FORMAT,
                        "section %zu (%s, header at file offset 0x%" PRIx64
                        ") spans RVA 0x%x, size 0x%x; the image ends at 0x%x",
                        index + 1, s->name, at, s->rva, s->virtual_size, p->image->image_size);
    if (p->image->flat)
        return place_flat(p, index, raw_offset, raw_size, s);
    if (s->rva % p->section_alignment)
        return diag_set(p->why, ERR_FORMAT,
                        "section %zu (%s) has VirtualAddress 0x%x at file offset 0x%" PRIx64
                        "; expected a multiple of SectionAlignment (0x%x)",
                        index + 1, s->name, s->rva, at + SECTION_RVA, p->section_alignment);
    if (s->rva < lowest)
        return diag_set(p->why, ERR_FORMAT,
                        "section %zu (%s) has VirtualAddress 0x%x at file offset 0x%" PRIx64
                        ", inside what comes before it, which ends at 0x%" PRIx64,
                        index + 1, s->name, s->rva, at + SECTION_RVA, lowest);
    return place_data(p, index, raw_offset, raw_size, s);
}

/*
 * How much of the file is mapped as headers. Windows maps the page whatever SizeOfHeaders says, so that
 * the section table is in it; it cannot be more than the file or the image.
 */
static void settle_headers(struct parser *p)
{
    struct pe_image *image = p->image;
    uint64_t end = p->table + SECTION_HEADER_SIZE * image->section_count;

    if (image->headers_size < end)
        image->headers_size = (uint32_t)end;
    if (image->headers_size > p->file.len)
        image->headers_size = (uint32_t)p->file.len;
    if (image->headers_size > image->image_size)
        image->headers_size = image->image_size;
}

static enum err parse_sections(struct parser *p)
{
    struct pe_image *image = p->image;
    size_t count = get_u16(p->file.data + p->nt + NT_SECTION_COUNT);
    uint64_t lowest;

    if (!bytes_has(p->file, p->table, SECTION_HEADER_SIZE * count))
        return diag_set(p->why, ERR_TRUNCATED,
                        "the file ends at 0x%zx, inside the section table at 0x%" PRIx64
                        " of %zu entries (NumberOfSections at file offset 0x%" PRIx64 ")",
                        p->file.len, p->table, count, p->nt + NT_SECTION_COUNT);
    image->sections = calloc(count + 1, sizeof *image->sections);
    if (!image->sections)
        return diag_set(p->why, ERR_NOMEM, "the host is out of memory for %zu sections", count);
    image->section_count = count;
    settle_headers(p);
    lowest = round_up(image->headers_size, VM_PAGE_SIZE);
    for (size_t i = 0; i < count; i++) {
        const struct pe_section *s = &image->sections[i];
        enum err e = parse_section(p, i, lowest);

        if (e)
            return e;
        lowest = round_up((uint64_t)s->rva + s->virtual_size, VM_PAGE_SIZE);
    }
    return ERR_OK;
}

/* The file offset of [rva, rva + len), when one section's data or the headers hold it all. */
static bool file_offset_of(const struct pe_image *image, uint64_t rva, uint64_t len, uint64_t *out)
{
    if (image->flat || rva + len <= image->headers_size) {
        *out = rva;
        return true;
    }
    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *s = &image->sections[i];

        if (rva >= s->rva && rva - s->rva + len <= s->file_size) {
            *out = rva - s->rva + s->file_offset;
            return true;
        }
    }
    return false;
}

/* IMAGE_COR20_HEADER, Flags: COMIMAGE_FLAGS_ILONLY means that there is no machine code to run. */
static enum err refuse_il_only(struct parser *p)
{
    const struct pe_dir *dir = &p->image->dirs[DIR_COM_DESCRIPTOR];
    uint64_t at = 0;
    uint32_t flags = 0;

    if (!dir->rva || !file_offset_of(p->image, dir->rva, 20, &at) ||
        !bytes_u32(p->file, at + 16, &flags) || !(flags & 1))
        return ERR_OK;
    return diag_set(p->why, ERR_UNSUPPORTED,
                    "this is a .NET program without machine code (ILONLY in the flags at file "
                    "offset 0x%" PRIx64 "); winstub runs native x86 and x64 code",
                    at + 16);
}

/* IMAGE_LOAD_CONFIG_DIRECTORY64, CHPEMetadataPointer: x64 in name, but its code is ARM64's (ARM64EC). */
static enum err refuse_arm64ec(struct parser *p)
{
    enum { CHPE_METADATA = 0xC8 };
    const struct pe_dir *dir = &p->image->dirs[DIR_LOAD_CONFIG];
    uint64_t at = 0, metadata = 0;
    uint32_t size = 0;

    if (p->image->arch != CPU_AMD64 || !dir->rva ||
        !file_offset_of(p->image, dir->rva, CHPE_METADATA + 8, &at) ||
        !bytes_u32(p->file, at, &size) || size < CHPE_METADATA + 8 ||
        !bytes_u64(p->file, at + CHPE_METADATA, &metadata) || !metadata)
        return ERR_OK;
    return diag_set(p->why, ERR_UNSUPPORTED,
                    "this is a Windows program for ARM64EC (CHPEMetadataPointer at file offset "
                    "0x%" PRIx64 "); winstub runs x86 and x64 programs",
                    at + CHPE_METADATA);
}

enum err pe_parse(struct bytes file, struct pe_image **out, struct diag *why)
{
    static enum err (*const steps[])(struct parser *) = {
        find_signature, parse_file_header, parse_optional_header,
        parse_sections, refuse_il_only,    refuse_arm64ec,
    };
    struct parser p = {.file = file, .why = why};
    enum err e = ERR_OK;

    if (file.len > PE_FILE_MAX)
        return diag_set(why, ERR_LIMIT, "the file has 0x%zx bytes; the limit is 0x%x", file.len,
                        PE_FILE_MAX);
    p.image = calloc(1, sizeof *p.image);
    if (!p.image)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    p.image->file = file;
    for (size_t i = 0; !e && i < sizeof steps / sizeof *steps; i++)
        e = steps[i](&p);
    if (e) {
        pe_free(p.image);
        return e;
    }
    *out = p.image;
    return ERR_OK;
}

void pe_free(struct pe_image *image)
{
    if (!image)
        return;
    free(image->sections);
    free(image);
}

uint32_t pe_first_section(const struct pe_image *image)
{
    uint32_t lowest = UINT32_MAX;

    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *s = &image->sections[i];

        if (s->virtual_size && s->rva < lowest)
            lowest = s->rva;
    }
    return lowest != UINT32_MAX ? lowest : (uint32_t)round_up(image->headers_size, VM_PAGE_SIZE);
}
