/* Numbers of the format that winstub/saved.h describes. */
#ifndef VM_SAVED_FORMAT_H
#define VM_SAVED_FORMAT_H

#define SAVED_MAGIC   "winstub\x1a"
#define SAVED_VERSION 1u

/* The header: where what lies, in bytes. */
enum {
    SAVED_AT_VERSION = 8,
    SAVED_AT_FLAGS = 12,
    SAVED_AT_LENGTH = 16,
    SAVED_AT_LIMIT = 24,
    SAVED_AT_BASE = 32,
    SAVED_AT_TEXTS = 40,
    SAVED_AT_SECTIONS = 44,
    SAVED_AT_FOREIGN = 48,
    SAVED_AT_ALLOCATIONS = 52,
    SAVED_AT_CONTENTS = 56,
    SAVED_AT_PAGES = 60,
    SAVED_HEADER = 68,
    SAVED_CHECKSUM = 4, /* at the end */
};

/* Bytes of the fixed parts of records, the least that each takes. */
enum {
    SAVED_TEXT_SIZE = 4,
    SAVED_SECTION_SIZE = 36,
    SAVED_PART_SIZE = 24,
    SAVED_SECTION_PAGE_SIZE = 16,
    SAVED_FOREIGN_SIZE = 24,
    SAVED_ALLOCATION_SIZE = 48,
    SAVED_RUN_SIZE = 20,
    SAVED_PAGE_SIZE = 12,
};

/* Flags. */
enum {
    SAVED_DEP = 1,
    SAVED_SECTION_FILE = 1,
    SAVED_SECTION_RESERVED = 2,
    SAVED_PAGE_CLEAN = 1,
    SAVED_DEVICE = 1,
    SAVED_LENT = 2,
    SAVED_PLACEHOLDER = 1,
    SAVED_FOREIGN = 2,
    SAVED_WATCHED = 4,
    SAVED_REPLACED = 8,
    SAVED_RUN_WRITTEN = 1,
};

#endif
