/*
 * The numbers of the PE format that more than one file of core/image needs: offsets, sizes and flags.
 * Names and values are those of winnt.h; the format is described in Microsoft's "PE Format".
 */
#ifndef CORE_IMAGE_PE_FORMAT_H
#define CORE_IMAGE_PE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/image.h"

/* IMAGE_DOS_HEADER */
enum {
    DOS_MAGIC = 0x5A4D, /* "MZ" */
    DOS_E_LFARLC = 0x18,
    DOS_E_LFANEW = 0x3C,
    DOS_HEADER_SIZE = 0x40,
};

/* From the PE signature on: IMAGE_FILE_HEADER behind it, then the optional header. */
enum {
    PE_SIGNATURE = 0x4550, /* "PE\0\0" */
    NT_MACHINE = 4,
    NT_SECTION_COUNT = 6,
    NT_TIMESTAMP = 8,
    NT_OPTIONAL_SIZE = 20,
    NT_CHARACTERISTICS = 22,
    NT_OPTIONAL = 24,
};

/* IMAGE_OPTIONAL_HEADER32 and 64; members up to here have the same place in both. */
enum {
    OPT_MAGIC = 0,
    OPT_SIZE_OF_CODE = 4,
    OPT_ENTRY = 16,
    OPT_BASE_OF_CODE = 20,
    OPT64_IMAGE_BASE = 24,
    OPT32_IMAGE_BASE = 28,
    OPT_SECTION_ALIGNMENT = 32,
    OPT_FILE_ALIGNMENT = 36,
    OPT_OS_VERSION = 40,
    OPT_SUBSYSTEM_VERSION = 48,
    OPT_IMAGE_SIZE = 56,
    OPT_HEADERS_SIZE = 60,
    OPT_CHECKSUM = 64,
    OPT_SUBSYSTEM = 68,
    OPT_DLL_CHARACTERISTICS = 70,
    OPT_STACK_RESERVE = 72, /* then stack commit, heap reserve, heap commit: pointer-sized each */
};

enum {
    OPT_MAGIC_PE32 = 0x10B,
    OPT_MAGIC_PE32PLUS = 0x20B,
    SECTION_HEADER_SIZE = 40, /* IMAGE_SECTION_HEADER */
    SECTION_RVA = 12,
    SECTION_FILE_SIZE = 16,
    SECTION_FILE_OFFSET = 20,
    SECTION_FLAGS = 36,
    SECTOR_SIZE = 0x200, /* NT reads section data in whole sectors, whatever FileAlignment says */
};

/* IMAGE_DIRECTORY_ENTRY_* */
enum {
    DIR_EXPORT = 0,
    DIR_IMPORT = 1,
    DIR_RELOC = 5,
    DIR_TLS = 9,
    DIR_LOAD_CONFIG = 10,
    DIR_COM_DESCRIPTOR = 14,
    DIR_COUNT = 16,
};

enum {
    IMAGE_FILE_MACHINE_I386 = 0x14C,
    IMAGE_FILE_MACHINE_AMD64 = 0x8664,
    IMAGE_FILE_RELOCS_STRIPPED = 0x0001,
    IMAGE_FILE_EXECUTABLE_IMAGE = 0x0002,
    IMAGE_FILE_LARGE_ADDRESS_AWARE = 0x0020,
    IMAGE_FILE_32BIT_MACHINE = 0x0100,
    IMAGE_FILE_DLL = 0x2000,
    IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE = 0x0040,
    IMAGE_DLLCHARACTERISTICS_NX_COMPAT = 0x0100,
    IMAGE_SUBSYSTEM_WINDOWS_CUI = 3,
};

#define IMAGE_SCN_CNT_CODE             0x00000020u
#define IMAGE_SCN_CNT_INITIALIZED_DATA 0x00000040u
#define IMAGE_SCN_MEM_SHARED           0x10000000u
#define IMAGE_SCN_MEM_EXECUTE          0x20000000u
#define IMAGE_SCN_MEM_READ             0x40000000u
#define IMAGE_SCN_MEM_WRITE            0x80000000u

/* IMAGE_EXPORT_DIRECTORY */
enum {
    EXPORT_NAME = 12,
    EXPORT_BASE = 16,
    EXPORT_FUNCTION_COUNT = 20,
    EXPORT_NAME_COUNT = 24,
    EXPORT_FUNCTIONS = 28,
    EXPORT_NAMES = 32,
    EXPORT_NAME_ORDINALS = 36,
    EXPORT_DIR_SIZE = 40,
    EXPORT_COUNT_MAX = 0x10000, /* ordinals and hints have 16 bits */
};

/* Where the optional header holds ImageBase. */
static inline uint32_t opt_image_base(enum cpu_arch arch)
{
    return arch == CPU_AMD64 ? OPT64_IMAGE_BASE : OPT32_IMAGE_BASE;
}

/* Where the optional header holds NumberOfRvaAndSizes; the directories follow it. */
static inline uint32_t opt_dir_count(enum cpu_arch arch)
{
    return arch == CPU_AMD64 ? 108 : 92;
}

/* n rounded up to a multiple of unit, a power of two; the caller knows that the sum fits. */
static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) & ~(unit - 1);
}

#endif
