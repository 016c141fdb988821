/*
 * Naming what somebody handed us that is no Windows program for x86 or x64, and what to do with it.
 * Only called once pe_parse has refused the file. Magic numbers are those of the formats' own
 * documents (ELF gABI, Mach-O loader.h, minidumpapiset.h, ZIP APPNOTE, ...).
 */
#include "image/refuse.h"

#include <string.h>

enum err foreign_file(struct bytes file, struct diag *why)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *is;
    } known[] = {
        {"\x7F\x45LF", 4, "an ELF program, made for Linux or the like"},
        {"\xFE\xED\xFA\xCE", 4, "a Mach-O program, made for macOS"},
        {"\xFE\xED\xFA\xCF", 4, "a Mach-O program, made for macOS"},
        {"\xCE\xFA\xED\xFE", 4, "a Mach-O program, made for macOS"},
        {"\xCF\xFA\xED\xFE", 4, "a Mach-O program, made for macOS"},
        {"\xCA\xFE\xBA\xBE", 4, "a Mach-O fat binary or a Java class"},
        {"MDMP", 4, "a minidump, a record of a process and no program"},
        {"PAGEDU", 6, "a Windows kernel crash dump and no program"},
        {"!<arch>\n", 8, "a static or import library, which a linker must turn into a program"},
        {"PK\x03\x04", 4, "a ZIP archive: unpack it first"},
        {"MSCF", 4, "a cabinet archive: unpack it first"},
        {"7z\xBC\xAF\x27\x1C", 6, "a 7z archive: unpack it first"},
        {"\xD0\xCF\x11\xE0", 4, "an OLE compound file such as an MSI package: unpack it first"},
        {"#!", 2, "a script"},
        {"VZ", 2, "a TE image, made for UEFI firmware"},
        {"\x4C\x01", 2, "an i386 object file, perhaps: link it into a program first"},
        {"\x64\x86", 2, "an x64 object file, perhaps: link it into a program first"},
    };

    if (!file.len)
        return diag_set(why, ERR_FORMAT, "the file is empty; winstub runs Windows programs (PE)");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (file.len >= known[i].len && memcmp(file.data, known[i].magic, known[i].len) == 0)
            return diag_set(why, ERR_FORMAT,
                            "this is %s; winstub runs Windows programs (PE), and plain machine "
                            "code with --raw --arch x86-64 or --raw --arch x86",
                            known[i].is);
    }
    return diag_set(why, ERR_FORMAT,
                    "no Windows program: it does not begin with MZ (file offset 0x0); for plain "
                    "machine code say --raw --arch x86-64 or --raw --arch x86");
}

enum err foreign_dos(struct bytes file, uint32_t signature_offset, struct diag *why)
{
    static const struct {
        char magic[3];
        const char *is;
    } known[] = {
        {"NE", "a 16-bit program for Windows 3.x or OS/2 (NE)"},
        {"LE", "a DOS extender program or a Windows 9x driver (LE)"},
        {"LX", "an OS/2 program (LX)"},
    };
    struct bytes at = bytes_slice(file, signature_offset, 2);
    const char *is = "a DOS program";

    for (size_t i = 0; at.data && i < sizeof known / sizeof *known; i++) {
        if (memcmp(at.data, known[i].magic, 2) == 0)
            is = known[i].is;
    }
    return diag_set(why, ERR_FORMAT,
                    "this is %s: there is no PE header at file offset 0x%x, where e_lfanew (file "
                    "offset 0x3c) points; winstub runs 32- and 64-bit Windows programs",
                    is, signature_offset);
}

enum err foreign_machine(uint16_t machine, uint64_t offset, struct diag *why)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } known[] = {
        {0x01C0, "ARM"},          {0x01C2, "ARM Thumb"},    {0x01C4, "ARM Thumb-2"},
        {0xAA64, "ARM64"},        {0xA641, "ARM64EC"},      {0xA64E, "ARM64X"},
        {0x0200, "Itanium"},      {0x0184, "Alpha"},        {0x0284, "Alpha 64"},
        {0x0162, "MIPS R3000"},   {0x0166, "MIPS R4000"},   {0x0168, "MIPS R10000"},
        {0x0169, "MIPS WCE"},     {0x0266, "MIPS16"},       {0x01F0, "PowerPC"},
        {0x01F1, "PowerPC"},      {0x01F2, "PowerPC Xbox"}, {0x01A2, "SH3"},
        {0x01A6, "SH4"},          {0x01A8, "SH5"},          {0x0EBC, "EFI byte code"},
        {0x5032, "RISC-V 32"},    {0x5064, "RISC-V 64"},    {0x6232, "LoongArch 32"},
        {0x6264, "LoongArch 64"}, {0xC0EE, ".NET (CEE)"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].machine == machine)
            return diag_set(why, ERR_UNSUPPORTED,
                            "this is a Windows program for %s (Machine 0x%04x at file offset "
                            "0x%" PRIx64 "); winstub runs x86 (0x014c) and x64 (0x8664) programs",
                            known[i].name, machine, offset);
    }
    return diag_set(why, ERR_FORMAT,
                    "Machine at file offset 0x%" PRIx64 " is 0x%04x, which names no CPU; expected "
                    "0x014c (x86) or 0x8664 (x64)",
                    offset, machine);
}
