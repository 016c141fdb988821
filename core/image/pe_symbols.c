/*
 * The symbol table that some linkers leave in an image (mingw's; not Microsoft's, whose symbols lie in files of their
 * own). It is part of the file and never mapped. Follows Microsoft's "PE Format", "COFF Symbol Table".
 */
#include "image/pe_format.h"

#include <string.h>

enum {
    HEADER_AT = 0x3c,   /* offset of the PE header, in the DOS header */
    SYMBOLS_AT = 4 + 8, /* PointerToSymbolTable, NumberOfSymbols: from the PE header */
    SYMBOL_SIZE = 18,   /* Name, Value, SectionNumber, Type, StorageClass, NumberOfAuxSymbols */
    SYMBOL_NAME = 8,
    SYMBOL_VALUE = 8,
    SYMBOL_SECTION = 12,
    SYMBOL_CLASS = 16,
    SYMBOL_AUX = 17,
    CLASS_EXTERNAL = 2,
};

/* Is that the symbol's name? One of up to eight bytes stands in the symbol, a longer one behind the table. */
static bool is_named(const struct pe_image *image, uint64_t symbol, uint64_t strings,
                     const char *name)
{
    size_t len = strlen(name);
    uint32_t zeros = 0, offset = 0;
    struct bytes text;

    if (!bytes_u32(image->file, symbol, &zeros) || !bytes_u32(image->file, symbol + 4, &offset))
        return false;
    if (zeros || len <= SYMBOL_NAME) {
        char padded[SYMBOL_NAME + 1] = {0};

        if (len > SYMBOL_NAME)
            return false;
        memcpy(padded, name, len);
        text = bytes_slice(image->file, symbol, SYMBOL_NAME);
        return text.data && memcmp(text.data, padded, SYMBOL_NAME) == 0;
    }
    text = bytes_slice(image->file, strings + offset, len + 1);
    return text.data && memcmp(text.data, name, len + 1) == 0;
}

/* The RVA of an external symbol that lies in a section. */
static bool symbol_rva(const struct pe_image *image, uint64_t symbol, uint32_t *rva)
{
    uint32_t value = 0;
    uint16_t section = 0;
    uint8_t class = 0;

    if (!bytes_u32(image->file, symbol + SYMBOL_VALUE, &value) ||
        !bytes_u16(image->file, symbol + SYMBOL_SECTION, &section) ||
        !bytes_u8(image->file, symbol + SYMBOL_CLASS, &class))
        return false;
    if (class != CLASS_EXTERNAL || !section || section > image->section_count ||
        value >= image->sections[section - 1].virtual_size)
        return false;
    *rva = image->sections[section - 1].rva + value;
    return true;
}

bool pe_symbol(const struct pe_image *image, const char *name, uint32_t *rva)
{
    uint32_t header = 0, table = 0, count = 0;
    uint64_t strings;

    if (!bytes_u32(image->file, HEADER_AT, &header) ||
        !bytes_u32(image->file, (uint64_t)header + SYMBOLS_AT, &table) || !table ||
        !bytes_u32(image->file, (uint64_t)header + SYMBOLS_AT + 4, &count))
        return false;
    strings = table + (uint64_t)count * SYMBOL_SIZE;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t symbol = table + i * SYMBOL_SIZE;
        uint8_t aux = 0;

        if (!bytes_u8(image->file, symbol + SYMBOL_AUX, &aux))
            return false;
        if (is_named(image, symbol, strings, name) && symbol_rva(image, symbol, rva))
            return true;
        i += aux;
    }
    return false;
}
