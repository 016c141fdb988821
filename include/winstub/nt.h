/*
 * NT's numbers: status codes and memory constants (structure offsets: core/nt/layout.h). Every value is from the public
 * winnt.h / ntstatus.h headers (mingw-w64 ships them) unless a comment names another source.
 */
#ifndef WINSTUB_NT_H
#define WINSTUB_NT_H

#include <stdint.h>

typedef uint32_t nt_status; /* NTSTATUS; 0 and positive int32 are success */

#define NT_SUCCESS(st) ((int32_t)(st) >= 0)

/* name, value, Win32 error code of RtlNtStatusToDosError */
#define NT_STATUS_LIST(S)                                                                          \
    S(STATUS_SUCCESS, 0x00000000, 0)                                                               \
    S(STATUS_IMAGE_NOT_AT_BASE, 0x40000003, 700)                                                   \
    S(STATUS_GUARD_PAGE_VIOLATION, 0x80000001, 0x80000001)                                         \
    S(STATUS_DATATYPE_MISALIGNMENT, 0x80000002, 998)                                               \
    S(STATUS_BREAKPOINT, 0x80000003, 0x80000003)                                                   \
    S(STATUS_SINGLE_STEP, 0x80000004, 0x80000004)                                                  \
    S(STATUS_UNSUCCESSFUL, 0xC0000001, 31)                                                         \
    S(STATUS_NOT_IMPLEMENTED, 0xC0000002, 1)                                                       \
    S(STATUS_INFO_LENGTH_MISMATCH, 0xC0000004, 24)                                                 \
    S(STATUS_ACCESS_VIOLATION, 0xC0000005, 998)                                                    \
    S(STATUS_INVALID_HANDLE, 0xC0000008, 6)                                                        \
    S(STATUS_INVALID_PARAMETER, 0xC000000D, 87)                                                    \
    S(STATUS_NO_MEMORY, 0xC0000017, 8)                                                             \
    S(STATUS_CONFLICTING_ADDRESSES, 0xC0000018, 487)                                               \
    S(STATUS_NOT_MAPPED_VIEW, 0xC0000019, 487)                                                     \
    S(STATUS_UNABLE_TO_FREE_VM, 0xC000001A, 87)                                                    \
    S(STATUS_UNABLE_TO_DELETE_SECTION, 0xC000001B, 87)                                             \
    S(STATUS_ILLEGAL_INSTRUCTION, 0xC000001D, 0xC000001D)                                          \
    S(STATUS_INVALID_VIEW_SIZE, 0xC000001F, 5)                                                     \
    S(STATUS_INVALID_FILE_FOR_SECTION, 0xC0000020, 193)                                            \
    S(STATUS_ALREADY_COMMITTED, 0xC0000021, 5)                                                     \
    S(STATUS_ACCESS_DENIED, 0xC0000022, 5)                                                         \
    S(STATUS_NONCONTINUABLE_EXCEPTION, 0xC0000025, 0xC0000025)                                     \
    S(STATUS_ARRAY_BOUNDS_EXCEEDED, 0xC000008C, 0xC000008C)                                        \
    S(STATUS_NOT_COMMITTED, 0xC000002D, 487)                                                       \
    S(STATUS_SECTION_TOO_BIG, 0xC0000040, 8)                                                       \
    S(STATUS_INVALID_PAGE_PROTECTION, 0xC0000045, 87)                                              \
    S(STATUS_SECTION_PROTECTION, 0xC000004E, 87)                                                   \
    S(STATUS_PRIVILEGE_NOT_HELD, 0xC0000061, 1314)                                                 \
    S(STATUS_FREE_VM_NOT_AT_BASE, 0xC000009F, 487)                                                 \
    S(STATUS_MEMORY_NOT_ALLOCATED, 0xC00000A0, 487)                                                \
    S(STATUS_INVALID_PARAMETER_1, 0xC00000EF, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_2, 0xC00000F0, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_3, 0xC00000F1, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_4, 0xC00000F2, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_5, 0xC00000F3, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_6, 0xC00000F4, 87)                                                  \
    S(STATUS_INVALID_PARAMETER_9, 0xC00000F7, 87)                                                  \
    S(STATUS_FLOAT_DIVIDE_BY_ZERO, 0xC000008E, 0xC000008E)                                         \
    S(STATUS_FLOAT_INVALID_OPERATION, 0xC0000090, 0xC0000090)                                      \
    S(STATUS_INTEGER_DIVIDE_BY_ZERO, 0xC0000094, 0xC0000094)                                       \
    S(STATUS_INTEGER_OVERFLOW, 0xC0000095, 534)                                                    \
    S(STATUS_PRIVILEGED_INSTRUCTION, 0xC0000096, 0xC0000096)                                       \
    S(STATUS_STACK_OVERFLOW, 0xC00000FD, 1001)                                                     \
    S(STATUS_STACK_BUFFER_OVERRUN, 0xC0000409, 1282)                                               \
    S(STATUS_FLOAT_MULTIPLE_TRAPS, 0xC00002B5, 0xC00002B5)                                         \
    S(STATUS_INVALID_IMAGE_NOT_MZ, 0xC000012F, 193)                                                \
    S(STATUS_INVALID_IMAGE_PROTECT, 0xC0000130, 193)                                               \
    S(STATUS_INVALID_IMAGE_WIN_16, 0xC0000131, 193)                                                \
    S(STATUS_INVALID_IMAGE_LE_FORMAT, 0xC000012E, 193)                                             \
    S(STATUS_INVALID_IMAGE_WIN_64, 0xC0000359, 216)                                                \
    S(STATUS_COMMITMENT_LIMIT, 0xC000012D, 1455)                                                   \
    S(STATUS_MAPPED_FILE_SIZE_ZERO, 0xC000011E, 1006)                                              \
    S(STATUS_MAPPED_ALIGNMENT, 0xC0000220, 1132)                                                   \
    S(STATUS_PENDING, 0x00000103, 997)                                                             \
    S(STATUS_NO_YIELD_PERFORMED, 0x40000024, 721)                                                  \
    S(STATUS_BUFFER_OVERFLOW, 0x80000005, 234)                                                     \
    S(STATUS_NO_MORE_ENTRIES, 0x8000001A, 259)                                                     \
    S(STATUS_INVALID_INFO_CLASS, 0xC0000003, 87)                                                   \
    S(STATUS_IN_PAGE_ERROR, 0xC0000006, 999)                                                       \
    S(STATUS_IO_DEVICE_ERROR, 0xC0000185, 1117)                                                    \
    S(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010, 1)                                                \
    S(STATUS_END_OF_FILE, 0xC0000011, 38)                                                          \
    S(STATUS_INVALID_SYSTEM_SERVICE, 0xC000001C, 1)                                                \
    S(STATUS_BUFFER_TOO_SMALL, 0xC0000023, 122)                                                    \
    S(STATUS_OBJECT_TYPE_MISMATCH, 0xC0000024, 6)                                                  \
    S(STATUS_OBJECT_NAME_INVALID, 0xC0000033, 123)                                                 \
    S(STATUS_OBJECT_NAME_NOT_FOUND, 0xC0000034, 2)                                                 \
    S(STATUS_OBJECT_PATH_NOT_FOUND, 0xC000003A, 3)                                                 \
    S(STATUS_OBJECT_PATH_SYNTAX_BAD, 0xC000003B, 161)                                              \
    S(STATUS_USER_MAPPED_FILE, 0xC0000243, 1224)                                                   \
    S(STATUS_SECTION_NOT_IMAGE, 0xC0000049, 87)                                                    \
    S(STATUS_INVALID_IMAGE_FORMAT, 0xC000007B, 193)                                                \
    S(STATUS_NO_TOKEN, 0xC000007C, 1008)                                                           \
    S(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A, 1450)                                             \
    S(STATUS_FILE_IS_A_DIRECTORY, 0xC00000BA, 5)                                                   \
    S(STATUS_NOT_A_DIRECTORY, 0xC0000103, 267)                                                     \
    S(STATUS_DLL_NOT_FOUND, 0xC0000135, 126)                                                       \
    S(STATUS_INVALID_ADDRESS, 0xC0000141, 487)                                                     \
    S(STATUS_PIPE_BROKEN, 0xC000014B, 109)                                                         \
    S(STATUS_HANDLE_NOT_CLOSABLE, 0xC0000235, 6)                                                   \
    S(STATUS_PORT_NOT_SET, 0xC0000353, 1)                                                          \
    S(STATUS_INVALID_PARAMETER_MIX, 0xC0000030, 87)                                                \
    S(STATUS_ABANDONED_WAIT_0, 0x00000080, 735)                                                    \
    S(STATUS_USER_APC, 0x000000C0, 0)                                                              \
    S(STATUS_ALERTED, 0x00000101, 739)                                                             \
    S(STATUS_NOTIFY_CLEANUP, 0x0000010B, 745)                                                      \
    S(STATUS_NOTIFY_ENUM_DIR, 0x0000010C, 1022)                                                    \
    S(STATUS_NOT_ALL_ASSIGNED, 0x00000106, 1300)                                                   \
    S(STATUS_TIMEOUT, 0x00000102, 258)                                                             \
    S(STATUS_OBJECT_NAME_EXISTS, 0x40000000, 698)                                                  \
    S(STATUS_INVALID_CID, 0xC000000B, 87)                                                          \
    S(STATUS_MUTANT_NOT_OWNED, 0xC0000046, 288)                                                    \
    S(STATUS_MUTANT_LIMIT_EXCEEDED, 0xC0000191, 587)                                               \
    S(STATUS_SEMAPHORE_LIMIT_EXCEEDED, 0xC0000047, 298)                                            \
    S(STATUS_SUSPEND_COUNT_EXCEEDED, 0xC000004A, 156)                                              \
    S(STATUS_THREAD_IS_TERMINATING, 0xC000004B, 5)                                                 \
    S(STATUS_NOT_FOUND, 0xC0000225, 1168)                                                          \
    S(STATUS_NO_MORE_FILES, 0x80000006, 18)                                                        \
    S(STATUS_NO_SUCH_FILE, 0xC000000F, 2)                                                          \
    S(STATUS_OBJECT_NAME_COLLISION, 0xC0000035, 183)                                               \
    S(STATUS_SHARING_VIOLATION, 0xC0000043, 32)                                                    \
    S(STATUS_FILE_LOCK_CONFLICT, 0xC0000054, 33)                                                   \
    S(STATUS_LOCK_NOT_GRANTED, 0xC0000055, 33)                                                     \
    S(STATUS_DELETE_PENDING, 0xC0000056, 5)                                                        \
    S(STATUS_RANGE_NOT_LOCKED, 0xC000007E, 158)                                                    \
    S(STATUS_DISK_FULL, 0xC000007F, 112)                                                           \
    S(STATUS_BAD_NETWORK_PATH, 0xC00000BE, 53)                                                     \
    S(STATUS_NOT_SAME_DEVICE, 0xC00000D4, 17)                                                      \
    S(STATUS_DIRECTORY_NOT_EMPTY, 0xC0000101, 145)                                                 \
    S(STATUS_KEY_DELETED, 0xC000017C, 1018)                                                        \
    S(STATUS_CANNOT_DELETE, 0xC0000121, 5)                                                         \
    S(STATUS_INVALID_LOCK_RANGE, 0xC00001A1, 307)                                                  \
    S(STATUS_NOT_A_REPARSE_POINT, 0xC0000275, 4390)                                                \
    S(STATUS_NO_EAS_ON_FILE, 0xC0000052, 1392)                                                     \
    S(STATUS_EAS_NOT_SUPPORTED, 0xC000004F, 282)                                                   \
    S(STATUS_OBJECT_PATH_INVALID, 0xC0000039, 161)                                                 \
    S(STATUS_INSTANCE_NOT_AVAILABLE, 0xC00000AB, 231)                                              \
    S(STATUS_PIPE_NOT_AVAILABLE, 0xC00000AC, 231)                                                  \
    S(STATUS_INVALID_PIPE_STATE, 0xC00000AD, 230)                                                  \
    S(STATUS_PIPE_BUSY, 0xC00000AE, 231)                                                           \
    S(STATUS_ILLEGAL_FUNCTION, 0xC00000AF, 1)                                                      \
    S(STATUS_PIPE_DISCONNECTED, 0xC00000B0, 233)                                                   \
    S(STATUS_PIPE_CLOSING, 0xC00000B1, 232)                                                        \
    S(STATUS_PIPE_CONNECTED, 0xC00000B2, 535)                                                      \
    S(STATUS_PIPE_LISTENING, 0xC00000B3, 536)                                                      \
    S(STATUS_INVALID_READ_MODE, 0xC00000B4, 230)                                                   \
    S(STATUS_IO_TIMEOUT, 0xC00000B5, 121)                                                          \
    S(STATUS_NOT_SUPPORTED, 0xC00000BB, 50)                                                        \
    S(STATUS_PIPE_EMPTY, 0xC00000D9, 232)                                                          \
    S(STATUS_CANCELLED, 0xC0000120, 995)                                                           \
    S(STATUS_PROCESS_IS_TERMINATING, 0xC000010A, 5)                                                \
    S(STATUS_PARTIAL_COPY, 0x8000000D, 299)

enum { /* usable as case labels; the type is unsigned, as nt_status is */
#define NT_STATUS_DEFINE(name, value, win32) name = value##u,
       NT_STATUS_LIST(NT_STATUS_DEFINE)
#undef NT_STATUS_DEFINE
};

/* "STATUS_NO_MEMORY"; for a code outside the list "NTSTATUS". Static, never NULL. */
const char *nt_text(nt_status st);

/* Allocation types and states (MEM_*). */
enum {
    MEM_COMMIT = 0x1000,
    MEM_RESERVE = 0x2000,
    MEM_DECOMMIT = 0x4000,
    MEM_RELEASE = 0x8000,
    MEM_FREE = 0x10000,
    MEM_PRIVATE = 0x20000,
    MEM_MAPPED = 0x40000,
    MEM_RESET = 0x80000,
    MEM_TOP_DOWN = 0x100000,
    MEM_WRITE_WATCH = 0x200000,
    MEM_PHYSICAL = 0x400000,
    MEM_IMAGE = 0x1000000,
    MEM_RESET_UNDO = 0x1000000, /* as an allocation type */
};
#define MEM_LARGE_PAGES  0x20000000u
#define AT_ROUND_TO_PAGE 0x40000000u /* of views */

/* Only with NtAllocateVirtualMemoryEx, NtMapViewOfSectionEx, NtUnmapViewOfSectionEx, NtFreeVirtualMemory. */
enum {
    MEM_COALESCE_PLACEHOLDERS = 0x1,
    MEM_PRESERVE_PLACEHOLDER = 0x2,
    MEM_REPLACE_PLACEHOLDER = 0x4000,
    MEM_RESERVE_PLACEHOLDER = 0x40000,
};

/* Section attributes (SEC_*). */
enum {
    SEC_FILE = 0x800000,
    SEC_IMAGE = 0x1000000,
    SEC_RESERVE = 0x4000000,
    SEC_COMMIT = 0x8000000,
    SEC_NOCACHE = 0x10000000,
    SEC_WRITECOMBINE = 0x40000000,
};

#define WRITE_WATCH_FLAG_RESET 0x1u

/* Page protections (PAGE_*). */
enum {
    PAGE_NOACCESS = 0x01,
    PAGE_READONLY = 0x02,
    PAGE_READWRITE = 0x04,
    PAGE_WRITECOPY = 0x08,
    PAGE_EXECUTE = 0x10,
    PAGE_EXECUTE_READ = 0x20,
    PAGE_EXECUTE_READWRITE = 0x40,
    PAGE_EXECUTE_WRITECOPY = 0x80,
    PAGE_GUARD = 0x100,
    PAGE_NOCACHE = 0x200,
    PAGE_WRITECOMBINE = 0x400,
};
#define PAGE_TARGETS_INVALID 0x40000000u /* the same bit is PAGE_TARGETS_NO_UPDATE in a protect */

#endif
