/*
 * Where NT keeps things: the offsets of the structures that user code reads without asking the kernel
 * (TEB, PEB, process parameters, loader data, heap header) and of those that system services take and give, in both
 * widths, and a block of them under construction.
 * Every layout fact of core/nt is in this list; who fills which field with what is decided elsewhere.
 *
 * Sources: winternl.h and winnt.h (mingw-w64) for the documented members, Wine's include/winternl.h
 * and NT-PROCESS section 2 for the rest; the values are those of Windows 10, which agree with
 * every release since Windows 8 for the members listed. Shared user data has one layout
 * for both widths: ntddk.h (mingw-w64), see clock.h.
 */
#ifndef CORE_NT_LAYOUT_H
#define CORE_NT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/vm.h"

/* name, offset in 32-bit processes, offset in 64-bit processes, kind (enum nt_kind) */
#define NT_FIELDS(F)                                                                               \
    F(TEB_EXCEPTION_LIST, 0x000, 0x0000, PTR)                                                      \
    F(TEB_STACK_BASE, 0x004, 0x0008, PTR)                                                          \
    F(TEB_STACK_LIMIT, 0x008, 0x0010, PTR)                                                         \
    F(TEB_FIBER_VERSION, 0x010, 0x0020, PTR)                                                       \
    F(TEB_SELF, 0x018, 0x0030, PTR)                                                                \
    F(TEB_PROCESS_ID, 0x020, 0x0040, PTR)                                                          \
    F(TEB_THREAD_ID, 0x024, 0x0048, PTR)                                                           \
    F(TEB_TLS_POINTER, 0x02c, 0x0058, PTR)                                                         \
    F(TEB_PEB, 0x030, 0x0060, PTR)                                                                 \
    F(TEB_LAST_ERROR, 0x034, 0x0068, U32)                                                          \
    F(TEB_WOW32_RESERVED, 0x0c0, 0x0100, PTR)                                                      \
    F(TEB_CURRENT_LOCALE, 0x0c4, 0x0108, U32)                                                      \
    F(TEB_ACTIVATION_STACK, 0x184, 0x0290, PTR)                                                    \
    F(TEB_ACTIVATION_POINTER, 0x1a8, 0x02c8, PTR)                                                  \
    F(TEB_REAL_PROCESS_ID, 0x6b4, 0x07d8, PTR)                                                     \
    F(TEB_REAL_THREAD_ID, 0x6b8, 0x07e0, PTR)                                                      \
    F(TEB_STATIC_STRING, 0xbf8, 0x1258, STRING)                                                    \
    F(TEB_STATIC_BUFFER, 0xc00, 0x1268, U16)                                                       \
    F(TEB_DEALLOCATION_STACK, 0xe0c, 0x1478, PTR)                                                  \
    F(TEB_TLS_SLOTS, 0xe10, 0x1480, PTR)                                                           \
    F(TEB_TLS_LINKS, 0xf10, 0x1680, LIST)                                                          \
    F(PEB_BEING_DEBUGGED, 0x002, 0x002, U8)                                                        \
    F(PEB_MUTANT, 0x004, 0x008, PTR)                                                               \
    F(PEB_IMAGE_BASE, 0x008, 0x010, PTR)                                                           \
    F(PEB_LDR, 0x00c, 0x018, PTR)                                                                  \
    F(PEB_PARAMETERS, 0x010, 0x020, PTR)                                                           \
    F(PEB_PROCESS_HEAP, 0x018, 0x030, PTR)                                                         \
    F(PEB_API_SET, 0x038, 0x068, PTR)                                                              \
    F(PEB_PROCESSORS, 0x064, 0x0b8, U32)                                                           \
    F(PEB_GLOBAL_FLAG, 0x068, 0x0bc, U32)                                                          \
    F(PEB_SECTION_TIMEOUT, 0x070, 0x0c0, U64)                                                      \
    F(PEB_HEAP_RESERVE, 0x078, 0x0c8, PTR)                                                         \
    F(PEB_HEAP_COMMIT, 0x07c, 0x0d0, PTR)                                                          \
    F(PEB_HEAP_DECOMMIT_TOTAL, 0x080, 0x0d8, PTR)                                                  \
    F(PEB_HEAP_DECOMMIT_BLOCK, 0x084, 0x0e0, PTR)                                                  \
    F(PEB_HEAP_COUNT, 0x088, 0x0e8, U32)                                                           \
    F(PEB_HEAP_CAPACITY, 0x08c, 0x0ec, U32)                                                        \
    F(PEB_HEAPS, 0x090, 0x0f0, PTR)                                                                \
    F(PEB_OS_MAJOR, 0x0a4, 0x118, U32)                                                             \
    F(PEB_OS_MINOR, 0x0a8, 0x11c, U32)                                                             \
    F(PEB_OS_BUILD, 0x0ac, 0x120, U16)                                                             \
    F(PEB_OS_PLATFORM, 0x0b0, 0x124, U32)                                                          \
    F(PEB_SUBSYSTEM, 0x0b4, 0x128, U32)                                                            \
    F(PEB_SUBSYSTEM_MAJOR, 0x0b8, 0x12c, U32)                                                      \
    F(PEB_SUBSYSTEM_MINOR, 0x0bc, 0x130, U32)                                                      \
    F(PEB_AFFINITY, 0x0c0, 0x138, PTR)                                                             \
    F(PEB_SESSION, 0x1d4, 0x2c0, U32)                                                              \
    F(PARAMETERS_MAXIMUM_LENGTH, 0x000, 0x000, U32)                                                \
    F(PARAMETERS_LENGTH, 0x004, 0x004, U32)                                                        \
    F(PARAMETERS_FLAGS, 0x008, 0x008, U32)                                                         \
    F(PARAMETERS_DEBUG_FLAGS, 0x00c, 0x00c, U32)                                                   \
    F(PARAMETERS_CONSOLE, 0x010, 0x010, PTR)                                                       \
    F(PARAMETERS_CONSOLE_FLAGS, 0x014, 0x018, U32)                                                 \
    F(PARAMETERS_STDIN, 0x018, 0x020, PTR)                                                         \
    F(PARAMETERS_STDOUT, 0x01c, 0x028, PTR)                                                        \
    F(PARAMETERS_STDERR, 0x020, 0x030, PTR)                                                        \
    F(PARAMETERS_DIRECTORY, 0x024, 0x038, STRING)                                                  \
    F(PARAMETERS_DLL_PATH, 0x030, 0x050, STRING)                                                   \
    F(PARAMETERS_IMAGE_PATH, 0x038, 0x060, STRING)                                                 \
    F(PARAMETERS_COMMAND_LINE, 0x040, 0x070, STRING)                                               \
    F(PARAMETERS_ENVIRONMENT, 0x048, 0x080, PTR)                                                   \
    F(PARAMETERS_X, 0x04c, 0x088, U32)                                                             \
    F(PARAMETERS_Y, 0x050, 0x08c, U32)                                                             \
    F(PARAMETERS_WIDTH, 0x054, 0x090, U32)                                                         \
    F(PARAMETERS_HEIGHT, 0x058, 0x094, U32)                                                        \
    F(PARAMETERS_COLUMNS, 0x05c, 0x098, U32)                                                       \
    F(PARAMETERS_ROWS, 0x060, 0x09c, U32)                                                          \
    F(PARAMETERS_FILL, 0x064, 0x0a0, U32)                                                          \
    F(PARAMETERS_WINDOW_FLAGS, 0x068, 0x0a4, U32)                                                  \
    F(PARAMETERS_SHOW, 0x06c, 0x0a8, U32)                                                          \
    F(PARAMETERS_TITLE, 0x070, 0x0b0, STRING)                                                      \
    F(PARAMETERS_DESKTOP, 0x078, 0x0c0, STRING)                                                    \
    F(PARAMETERS_SHELL, 0x080, 0x0d0, STRING)                                                      \
    F(PARAMETERS_RUNTIME, 0x088, 0x0e0, STRING)                                                    \
    F(PARAMETERS_ENVIRONMENT_SIZE, 0x290, 0x3f0, PTR)                                              \
    F(PARAMETERS_GROUP, 0x29c, 0x408, U32)                                                         \
    F(LDR_LENGTH, 0x000, 0x000, U32)                                                               \
    F(LDR_INITIALIZED, 0x004, 0x004, U8)                                                           \
    F(LDR_LOAD_ORDER, 0x00c, 0x010, LIST)                                                          \
    F(LDR_MEMORY_ORDER, 0x014, 0x020, LIST)                                                        \
    F(LDR_INIT_ORDER, 0x01c, 0x030, LIST)                                                          \
    F(ENTRY_LOAD_ORDER, 0x000, 0x000, LIST)                                                        \
    F(ENTRY_MEMORY_ORDER, 0x008, 0x010, LIST)                                                      \
    F(ENTRY_INIT_ORDER, 0x010, 0x020, LIST)                                                        \
    F(ENTRY_BASE, 0x018, 0x030, PTR)                                                               \
    F(ENTRY_POINT, 0x01c, 0x038, PTR)                                                              \
    F(ENTRY_IMAGE_SIZE, 0x020, 0x040, U32)                                                         \
    F(ENTRY_FULL_NAME, 0x024, 0x048, STRING)                                                       \
    F(ENTRY_BASE_NAME, 0x02c, 0x058, STRING)                                                       \
    F(ENTRY_FLAGS, 0x034, 0x068, U32)                                                              \
    F(ENTRY_LOAD_COUNT, 0x038, 0x06c, U16)                                                         \
    F(ENTRY_TLS_INDEX, 0x03a, 0x06e, U16)                                                          \
    F(ENTRY_HASH, 0x03c, 0x070, LIST)                                                              \
    F(ENTRY_TIMESTAMP, 0x044, 0x080, U32)                                                          \
    F(ENTRY_NODE_MODULE, 0x054, 0x0a0, LIST)                                                       \
    F(ENTRY_ORIGINAL_BASE, 0x080, 0x0f8, PTR)                                                      \
    F(ENTRY_NAME_HASH, 0x090, 0x108, U32)                                                          \
    F(ENTRY_LOAD_REASON, 0x094, 0x10c, U32)                                                        \
    F(ACTIVATION_FRAMES, 0x004, 0x008, LIST)                                                       \
    F(STRING_LENGTH, 0x000, 0x000, U16)                                                            \
    F(STRING_ROOM, 0x002, 0x002, U16)                                                              \
    F(STRING_BUFFER, 0x004, 0x008, PTR)                                                            \
    F(ATTRIBUTES_LENGTH, 0x000, 0x000, U32)                                                        \
    F(ATTRIBUTES_ROOT, 0x004, 0x008, PTR)                                                          \
    F(ATTRIBUTES_NAME, 0x008, 0x010, PTR)                                                          \
    F(ATTRIBUTES_FLAGS, 0x00c, 0x018, U32)                                                         \
    F(IO_STATUS, 0x000, 0x000, U32)                                                                \
    F(IO_INFORMATION, 0x004, 0x008, PTR)                                                           \
    F(MEMORY_BASE, 0x000, 0x000, PTR)                                                              \
    F(MEMORY_ALLOCATION, 0x004, 0x008, PTR)                                                        \
    F(MEMORY_ALLOCATION_PROTECT, 0x008, 0x010, U32)                                                \
    F(MEMORY_SIZE, 0x00c, 0x018, PTR)                                                              \
    F(MEMORY_STATE, 0x010, 0x020, U32)                                                             \
    F(MEMORY_PROTECT, 0x014, 0x024, U32)                                                           \
    F(MEMORY_TYPE, 0x018, 0x028, U32)                                                              \
    F(REGION_ALLOCATION, 0x000, 0x000, PTR)                                                        \
    F(REGION_ALLOCATION_PROTECT, 0x004, 0x008, U32)                                                \
    F(REGION_TYPE, 0x008, 0x00c, U32)                                                              \
    F(REGION_SIZE, 0x00c, 0x010, PTR)                                                              \
    F(REGION_COMMITTED, 0x010, 0x018, PTR)                                                         \
    F(SECTION_BASE, 0x000, 0x000, PTR)                                                             \
    F(SECTION_FLAGS, 0x004, 0x008, U32)                                                            \
    F(SECTION_SIZE, 0x008, 0x010, U64)                                                             \
    F(IMAGE_ENTRY, 0x000, 0x000, PTR)                                                              \
    F(IMAGE_STACK_RESERVE, 0x008, 0x010, PTR)                                                      \
    F(IMAGE_STACK_COMMIT, 0x00c, 0x018, PTR)                                                       \
    F(IMAGE_SUBSYSTEM, 0x010, 0x020, U32)                                                          \
    F(IMAGE_SUBSYSTEM_MINOR, 0x014, 0x024, U16)                                                    \
    F(IMAGE_SUBSYSTEM_MAJOR, 0x016, 0x026, U16)                                                    \
    F(IMAGE_CHARACTERISTICS, 0x01c, 0x02c, U16)                                                    \
    F(IMAGE_DLL_CHARACTERISTICS, 0x01e, 0x02e, U16)                                                \
    F(IMAGE_MACHINE, 0x020, 0x030, U16)                                                            \
    F(IMAGE_HAS_CODE, 0x022, 0x032, U8)                                                            \
    F(IMAGE_FLAGS, 0x023, 0x033, U8)                                                               \
    F(IMAGE_FILE_SIZE, 0x028, 0x038, U32)                                                          \
    F(IMAGE_CHECKSUM, 0x02c, 0x03c, U32)                                                           \
    F(PROCESS_EXIT_STATUS, 0x000, 0x000, U32)                                                      \
    F(PROCESS_PEB, 0x004, 0x008, PTR)                                                              \
    F(PROCESS_AFFINITY, 0x008, 0x010, PTR)                                                         \
    F(PROCESS_PRIORITY, 0x00c, 0x018, U32)                                                         \
    F(PROCESS_ID, 0x010, 0x020, PTR)                                                               \
    F(PROCESS_PARENT, 0x014, 0x028, PTR)                                                           \
    F(THREAD_EXIT_STATUS, 0x000, 0x000, U32)                                                       \
    F(THREAD_TEB, 0x004, 0x008, PTR)                                                               \
    F(THREAD_PROCESS_ID, 0x008, 0x010, PTR)                                                        \
    F(THREAD_ID, 0x00c, 0x018, PTR)                                                                \
    F(THREAD_AFFINITY, 0x010, 0x020, PTR)                                                          \
    F(THREAD_PRIORITY, 0x014, 0x028, U32)                                                          \
    F(THREAD_BASE_PRIORITY, 0x018, 0x02c, U32)                                                     \
    F(VM_VIRTUAL_PEAK, 0x000, 0x000, PTR)                                                          \
    F(VM_VIRTUAL, 0x004, 0x008, PTR)                                                               \
    F(VM_WORKING_PEAK, 0x00c, 0x018, PTR)                                                          \
    F(VM_WORKING, 0x010, 0x020, PTR)                                                               \
    F(VM_PAGEFILE, 0x024, 0x048, PTR)                                                              \
    F(VM_PAGEFILE_PEAK, 0x028, 0x050, PTR)                                                         \
    F(VM_PRIVATE, 0x02c, 0x058, PTR)                                                               \
    F(LISTED_NEXT, 0x000, 0x000, U32)                                                              \
    F(LISTED_THREADS, 0x004, 0x004, U32)                                                           \
    F(LISTED_CREATED, 0x020, 0x020, U64)                                                           \
    F(LISTED_USED, 0x028, 0x028, U64)                                                              \
    F(LISTED_NAME, 0x038, 0x038, STRING)                                                           \
    F(LISTED_PRIORITY, 0x040, 0x048, U32)                                                          \
    F(LISTED_ID, 0x044, 0x050, PTR)                                                                \
    F(LISTED_PARENT, 0x048, 0x058, PTR)                                                            \
    F(LISTED_HANDLES, 0x04c, 0x060, U32)                                                           \
    F(LISTED_SESSION, 0x050, 0x064, U32)                                                           \
    F(LISTED_VIRTUAL, 0x05c, 0x078, PTR)                                                           \
    F(LISTED_PRIVATE, 0x084, 0x0c8, PTR)                                                           \
    F(LISTED_THREAD_CREATED, 0x010, 0x010, U64)                                                    \
    F(LISTED_THREAD_START, 0x01c, 0x020, PTR)                                                      \
    F(LISTED_THREAD_PROCESS, 0x020, 0x028, PTR)                                                    \
    F(LISTED_THREAD_ID, 0x024, 0x030, PTR)                                                         \
    F(LISTED_THREAD_PRIORITY, 0x028, 0x038, U32)                                                   \
    F(LISTED_THREAD_BASE, 0x02c, 0x03c, U32)                                                       \
    F(LISTED_THREAD_STATE, 0x034, 0x044, U32)                                                      \
    F(LISTED_THREAD_REASON, 0x038, 0x048, U32)                                                     \
    F(SYSTEM_TIMER_RESOLUTION, 0x004, 0x004, U32)                                                  \
    F(SYSTEM_PAGE_SIZE, 0x008, 0x008, U32)                                                         \
    F(SYSTEM_PHYSICAL_PAGES, 0x00c, 0x00c, U32)                                                    \
    F(SYSTEM_LOWEST_PAGE, 0x010, 0x010, U32)                                                       \
    F(SYSTEM_HIGHEST_PAGE, 0x014, 0x014, U32)                                                      \
    F(SYSTEM_GRANULARITY, 0x018, 0x018, U32)                                                       \
    F(SYSTEM_LOWEST_ADDRESS, 0x01c, 0x020, PTR)                                                    \
    F(SYSTEM_HIGHEST_ADDRESS, 0x020, 0x028, PTR)                                                   \
    F(SYSTEM_AFFINITY, 0x024, 0x030, PTR)                                                          \
    F(SYSTEM_PROCESSORS, 0x028, 0x038, U8)                                                         \
    F(SID_AND_ATTRIBUTES_SID, 0x000, 0x000, PTR)                                                   \
    F(RECORD_CODE, 0x000, 0x000, U32)                                                              \
    F(RECORD_FLAGS, 0x004, 0x004, U32)                                                             \
    F(RECORD_NEXT, 0x008, 0x008, PTR)                                                              \
    F(RECORD_ADDRESS, 0x00c, 0x010, PTR)                                                           \
    F(RECORD_COUNT, 0x010, 0x018, U32)                                                             \
    F(RECORD_INFORMATION, 0x014, 0x020, PTR)                                                       \
    F(HEAP_SIGNATURE, 0x008, 0x010, U32)                                                           \
    F(HEAP_FLAGS, 0x040, 0x070, U32)                                                               \
    F(HEAP_FORCE_FLAGS, 0x044, 0x074, U32)

/* name, size in bytes in 32-bit processes, in 64-bit processes */
#define NT_STRUCTS(S)                                                                              \
    S(TEB, 0x1000, 0x1838)                                                                         \
    S(PEB, 0x480, 0x7c8)                                                                           \
    S(PARAMETERS, 0x2c0, 0x440)                                                                    \
    S(LDR, 0x30, 0x58)                                                                             \
    S(ENTRY, 0xa8, 0x120)                                                                          \
    S(LIST, 0x08, 0x10)                                                                            \
    S(ACTIVATION, 0x18, 0x28)                                                                      \
    S(STRING, 0x08, 0x10)                                                                          \
    S(ATTRIBUTES, 0x18, 0x30)                                                                      \
    S(IO, 0x08, 0x10)                                                                              \
    S(MEMORY, 0x1c, 0x30)                                                                          \
    S(REGION, 0x18, 0x28)                                                                          \
    S(SECTION, 0x10, 0x18)                                                                         \
    S(IMAGE, 0x30, 0x40)                                                                           \
    S(PROCESS, 0x18, 0x30)                                                                         \
    S(THREAD, 0x1c, 0x30)                                                                          \
    S(VM, 0x30, 0x60)                                                                              \
    S(LISTED, 0xb8, 0x100)                                                                         \
    S(LISTED_THREAD, 0x40, 0x50)                                                                   \
    S(SYSTEM, 0x2c, 0x40)                                                                          \
    S(SID_AND_ATTRIBUTES, 0x08, 0x10)                                                              \
    S(RECORD, 0x50, 0x98)                                                                          \
    S(HEAP, 0x258, 0x2c0)

#define NT_STRING_MAX 65532u /* bytes of a UNICODE_STRING with a NUL behind it */

/* What a field holds: a number of some width, a pointer-sized value, a UNICODE_STRING, a LIST_ENTRY. */
enum nt_kind { NT_U8, NT_U16, NT_U32, NT_U64, NT_PTR, NT_STRING, NT_LIST };

enum nt_field {
#define NT_FIELD_ENUM(name, off32, off64, kind) NT_##name,
    NT_FIELDS(NT_FIELD_ENUM)
#undef NT_FIELD_ENUM
        NT_FIELD_COUNT
};

enum nt_struct {
#define NT_STRUCT_ENUM(name, size32, size64) NT_STRUCT_##name,
    NT_STRUCTS(NT_STRUCT_ENUM)
#undef NT_STRUCT_ENUM
        NT_STRUCT_COUNT
};

/* Offset of the field in its structure; size of the structure; both in bytes. */
uint32_t nt_offset(enum cpu_arch arch, enum nt_field field);
uint32_t nt_size(enum cpu_arch arch, enum nt_struct structure);
/* Bytes of a field that is a number. */
uint32_t nt_width(enum cpu_arch arch, enum nt_field field);
/* Bytes of a pointer: 4 or 8. */
uint32_t nt_pointer(enum cpu_arch arch);

/*
 * Guest structures under construction in host memory. base is where the first byte will stand;
 * offsets count from there. Failures (no memory, over the limit) stick in bytes.failed, so a
 * builder may put many things and ask once.
 */
struct nt_block {
    enum cpu_arch arch;
    gva_t base;
    struct buf bytes;
};

void nt_block_init(struct nt_block *block, enum cpu_arch arch, gva_t base, size_t limit);
void nt_block_fini(struct nt_block *block);

/* Append size zero bytes, pointer-aligned; returns their offset, 0 on failure. */
size_t nt_block_take(struct nt_block *block, size_t size);
/* Append a pointer-aligned copy of UTF-16 text and a NUL behind it; returns its offset. */
size_t nt_block_text(struct nt_block *block, const struct buf *utf16);

/* Store value in the field of the structure at offset `at`, with the field's width. */
void nt_put(struct nt_block *block, size_t at, enum nt_field field, uint64_t value);
/* Store a UNICODE_STRING: Length `bytes` (without the NUL), MaximumLength `room`, Buffer at offset `text`. */
void nt_put_string(struct nt_block *block, size_t at, enum nt_field field, size_t text,
                   size_t bytes, size_t room);
/* nt_block_text, and nt_put_string for it with no room to spare. Fails when it is over NT_STRING_MAX. */
void nt_put_text(struct nt_block *block, size_t at, enum nt_field field, const struct buf *utf16);
/* Store pointer-sized value number `index` at `at`. */
void nt_put_pointer(struct nt_block *block, size_t at, size_t index, uint64_t value);

/* Make the LIST_ENTRY at offset head an empty ring. */
void nt_list_init(struct nt_block *block, size_t head);
/* Insert the LIST_ENTRY at offset node at the end of the ring of head. */
void nt_list_append(struct nt_block *block, size_t head, size_t node);

/*
 * Commit the block's memory at its base, read-write, and copy it there.
 * ERR_NOMEM  also when the block failed
 */
MUST_USE enum err nt_block_store(struct nt_block *block, struct vm *vm, const char *label,
                                 struct diag *why);

/* Read or write one number of a structure that lives at guest address `at`. False when it is not committed. */
bool nt_read(const struct vm *vm, enum cpu_arch arch, gva_t at, enum nt_field field,
             uint64_t *value);
MUST_USE bool nt_write(struct vm *vm, enum cpu_arch arch, gva_t at, enum nt_field field,
                       uint64_t value);

#endif
