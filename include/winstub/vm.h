/*
 * The memory manager: one guest address space that answers as Windows does.
 *
 * Rules and their numbers (A01 ... R03) are those of the project's NT-MEMORY-RULES. Shared by every
 * function: addresses and sizes are in bytes; ends are exclusive; a status other than success means that
 * nothing changed and no output was written; one vm is used by one thread at a time. Pages are 4 KiB,
 * allocations start at multiples of 64 KiB.
 *
 * Three layers live in core/vm: frames (4 KiB of the host arena each), the page table (page number to
 * frame and protection, only for pages that have a frame), allocations (what is reserved, committed and
 * how protected). The CPU reads memory through vm_fill and the arena, the debugger through vm_debug_*.
 */
#ifndef WINSTUB_VM_H
#define WINSTUB_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/nt.h"

struct buf;

#define VM_PAGE_SIZE           0x1000u
#define VM_GRANULARITY         0x10000u
#define VM_LOWEST              0x10000u /* the lowest address that find-free hands out */
#define VM_USER_LIMIT_64       UINT64_C(0x7FFFFFFF0000) /* exclusive; lpMaximumApplicationAddress + 1 */
#define VM_USER_LIMIT_32       UINT64_C(0x7FFF0000)
#define VM_USER_LIMIT_32_LARGE UINT64_C(0xFFFE0000) /* large address aware, as under WOW64 */

struct vm;

struct vm_config {
    gva_t
        user_limit; /* one of VM_USER_LIMIT_*, or any multiple of 64 KiB below; 0 = VM_USER_LIMIT_64 */
    uint64_t arena_size;   /* host address space for frames; 0 = 64 GiB; whole pages */
    uint64_t commit_limit; /* bytes of commit charge; 0 = arena_size */
    struct vm *beside;     /* NULL, or the space to lie beside; arena and limit are then its own */
};

/*
 * Make an empty address space. *out is the caller's until vm_free. Spaces that lie beside each other are the memory of
 * several processes: they have one arena, one commit limit and one set of sections, whose views in all of them show the
 * same bytes, and the same host memory may be lent to all. Each has its own observer, which hears what any of them does
 * to what it shows. All are used by one thread at a time.
 * ERR_NOMEM  the host refuses the arena's address space or the tables
 */
MUST_USE enum err vm_new(const struct vm_config *config, struct vm **out);
/*
 * Takes NULL. After its frames of vm_frame_new and its saved moments; sections may outlive it, and those beside it are as
 * they were. The last one that goes, of spaces and sections, takes the arena along.
 */
void vm_free(struct vm *vm);

/* ---- Windows' operations ------------------------------------------------------------------- */

/* What NtAllocateVirtualMemory(Ex) is asked for. Zero-initialise; 0 members are "not given". */
struct vm_request {
    gva_t base;    /* 0: anywhere */
    uint64_t size; /* bytes, not 0 */
    uint32_t
        type; /* MEM_COMMIT, MEM_RESERVE, MEM_TOP_DOWN, MEM_RESET, MEM_WRITE_WATCH, MEM_*_PLACEHOLDER */
    uint32_t protect;   /* PAGE_* */
    gva_t lowest;       /* MEM_ADDRESS_REQUIREMENTS */
    gva_t highest;      /* inclusive, as LowestStartingAddress/HighestEndingAddress are */
    uint64_t alignment; /* power of two of at least 64 KiB */
    uint64_t
        zero_bits; /* A22..A25: up to 31 a count of leading zeros of 32 bits, above that a mask */
    const char *label; /* copied; names a new allocation in maps */
    bool extended;     /* asked by NtAllocateVirtualMemoryEx: placeholders are allowed (A50) */
};

/*
 * Reserve, commit, or both (MEM_COMMIT alone at base 0 does both: A07). *base and *size receive the
 * rounded range. Either may be NULL. The statuses are those of rules A01..A66.
 * O(log allocations + log runs + pages in the range that have frames).
 */
MUST_USE nt_status vm_allocate(struct vm *vm, const struct vm_request *req, gva_t *base,
                               uint64_t *size);

/*
 * NtFreeVirtualMemory with MEM_DECOMMIT or MEM_RELEASE in type, the latter also with MEM_PRESERVE_PLACEHOLDER
 * or MEM_COALESCE_PLACEHOLDERS. *base and *size are read and, on
 * success, receive the rounded range; *size 0 means the whole allocation that starts at *base. F01..F24.
 */
MUST_USE nt_status vm_release(struct vm *vm, gva_t *base, uint64_t *size, uint32_t type);

/* NtProtectVirtualMemory. *old receives the first page's protection and must not be NULL (P04). P01..P20. */
MUST_USE nt_status vm_protect(struct vm *vm, gva_t *base, uint64_t *size, uint32_t protect,
                              uint32_t *old);

/*
 * NtGetWriteWatch, NtResetWriteWatch. addresses has room for *count; *count becomes how many were written to it,
 * ascending. flags: 0 or WRITE_WATCH_FLAG_RESET. W01..W11.
 * STATUS_ACCESS_VIOLATION  a pointer is NULL; STATUS_INVALID_PARAMETER  the rest; STATUS_NO_MEMORY
 * O(pages in the range).
 */
MUST_USE nt_status vm_get_write_watch(struct vm *vm, uint32_t flags, gva_t base, uint64_t size,
                                      gva_t *addresses, uint64_t *count, uint32_t *granularity);
MUST_USE nt_status vm_reset_write_watch(struct vm *vm, gva_t base, uint64_t size);

/* MEMORY_BASIC_INFORMATION, and what a debugger wants to know beside it. */
struct vm_region {
    gva_t base;               /* page of the address asked for */
    uint64_t size;            /* bytes to the end of the run of like pages */
    gva_t allocation_base;    /* 0 when free */
    uint64_t allocation_size; /* 0 when free */
    uint32_t allocation_protect;
    uint32_t state;   /* MEM_FREE, MEM_RESERVE, MEM_COMMIT */
    uint32_t protect; /* 0 unless committed; PAGE_NOACCESS when free */
    uint32_t type;    /* MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE; 0 when free */
    const char *
        label; /* of the run ("hello.exe .text") or else the allocation; "" if none; valid until the next change */
    uint64_t label_size; /* bytes to the end of what the label names, at most size; 0 when free */
    const char *path; /* guest path of the mapped file, "" if none; valid until the next change */
    bool device;      /* its bytes are made by callbacks: foreign.h */
    bool lent;        /* its bytes are the caller's: foreign.h */
};

/*
 * Describe the run of like pages that holds addr (NtQueryVirtualMemory). Q01..Q13.
 * STATUS_INVALID_PARAMETER  addr is at or above the user limit
 * O(log allocations + log runs).
 */
MUST_USE nt_status vm_query(const struct vm *vm, gva_t addr, struct vm_region *out);

/* A run of an image view with one protection. Runs are ascending, whole pages, and do not overlap. */
struct vm_image_run {
    uint64_t offset; /* bytes from the image's base */
    uint64_t size;
    uint32_t
        protect; /* PAGE_READONLY, PAGE_WRITECOPY, PAGE_EXECUTE_READ, ... as seen right after mapping */
    const char *label; /* section name, copied; "" for none */
};

struct vm_section;

struct vm_image {
    gva_t base;                      /* multiple of 64 KiB */
    uint64_t size;                   /* SizeOfImage, rounded up to pages by the callee */
    const uint8_t *bytes;            /* the image as mapped and relocated; size bytes */
    const struct vm_image_run *runs; /* pages outside every run are PAGE_NOACCESS */
    size_t run_count;
    const char *label; /* file name, copied */
    const char *path;  /* guest path, copied */
    const struct vm_section
        *like; /* NULL, or the image elsewhere: its frames serve where pages are the same */
};

/*
 * Map the only view of an image (Type IMAGE, AllocationProtect EXECUTE_WRITECOPY: M26) at image->base: the first two steps
 * of section.h in one. Contents are copied; pages that are all zero take no frame. WRITECOPY pages become READWRITE
 * by their first write (M24, M27). STATUS_INVALID_PARAMETER  no base, no size, runs out of order; and the statuses of
 * vm_section_map. O(log allocations + image pages).
 */
MUST_USE nt_status vm_map_image(struct vm *vm, const struct vm_image *image);

/* NtUnmapViewOfSection: addr anywhere inside the view. STATUS_NOT_MAPPED_VIEW (M16, M17). */
MUST_USE nt_status vm_unmap_view(struct vm *vm, gva_t addr);
/*
 * NtUnmapViewOfSectionEx with MEM_PRESERVE_PLACEHOLDER: a view that took a placeholder's place becomes one again.
 * STATUS_NOT_MAPPED_VIEW        addr is not in a view
 * STATUS_CONFLICTING_ADDRESSES  the view took no placeholder's place
 * STATUS_NO_MEMORY
 */
MUST_USE nt_status vm_unmap_to_placeholder(struct vm *vm, gva_t addr);

/* Free the whole user range, views too. Frames of vm_frame_new and what was saved stay. O(everything). */
void vm_unmap_all(struct vm *vm);

/* Where vm_allocate would put req (base 0) now. STATUS_NO_MEMORY when nothing fits. O(log allocations). */
MUST_USE nt_status vm_find_free(const struct vm *vm, const struct vm_request *req, gva_t *base);

/* Rename the allocation that holds addr, or its run only when run is set. False when addr is free or memory is short. */
bool vm_set_label(struct vm *vm, gva_t addr, const char *label, bool run);

/* ---- The debugger's path: ignores protection, never clears a guard, records no write watch ---- */

/*
 * Copy up to len bytes from guest memory; returns how many (short at the first page that is not committed or belongs
 * to a device, which is not asked).
 */
size_t vm_debug_read(const struct vm *vm, gva_t addr, void *dst, size_t len);

/*
 * Copy into committed guest memory, read-only pages included, breaking copy-on-write sharing as
 * WriteProcessMemory would. All or nothing: false when any page is not committed or a device's, or memory is short.
 */
MUST_USE bool vm_debug_write(struct vm *vm, gva_t addr, const void *src, size_t len);

/* ---- A system service's path: obeys protection, as the kernel does with its caller's pointers ---- */

enum vm_access { VM_READ = 1, VM_WRITE = 2, VM_EXEC = 4 };

/*
 * Touch every page of [addr, addr + len) as an access would: demand zero, copy on write, write watch. Nothing for len 0.
 * STATUS_ACCESS_VIOLATION      some page does not allow it
 * STATUS_GUARD_PAGE_VIOLATION  a guard page was met, whose guard is off now (G09)
 * STATUS_NO_MEMORY
 */
MUST_USE nt_status vm_probe(struct vm *vm, gva_t addr, uint64_t len, enum vm_access want);

/* Probe, then copy: all bytes or none; pages that were touched before a failure stay touched, as under NT. */
MUST_USE nt_status vm_read(struct vm *vm, gva_t addr, void *dst, size_t len);
MUST_USE nt_status vm_write(struct vm *vm, gva_t addr, const void *src, size_t len);

/* ---- The CPU's path ------------------------------------------------------------------------- */

/* Why an access is refused. */
enum vm_fault {
    VM_FAULT_NONE,
    VM_FAULT_FREE,     /* no allocation */
    VM_FAULT_RESERVED, /* reserved, not committed */
    VM_FAULT_NOACCESS, /* PAGE_NOACCESS, or reading PAGE_EXECUTE is fine on x86 */
    VM_FAULT_GUARD,    /* guard page: one-shot */
    VM_FAULT_READONLY, /* write to a page without write permission */
    VM_FAULT_NOEXEC,   /* execution without execute permission, DEP on */
    VM_FAULT_NOMEM,    /* the arena is full */
    VM_FAULT_IN_PAGE,  /* the file that a view shows cannot be read */
    VM_FAULT_KERNEL,   /* at or above the user limit */
    VM_FAULT_DEVICE, /* vm_fill: allowed, but to be asked of a device; cpu_event: the device refused */
};

struct vm_fill {
    uint64_t
        offset; /* of the frame in the arena, whole pages; behind its end: lent memory (foreign.h) */
    unsigned access; /* vm_access bits the CPU may cache for this page */
};

/*
 * Answer a TLB miss: give the page its frame (demand zero, copy on write) and say what is allowed.
 * page is page-aligned, want is one access. VM_FAULT_NONE: *out is set and holds `want`. Anything else: nothing
 * changed, guard state included. Never invalidates what an earlier answer for another page said.
 */
enum vm_fault vm_fill(struct vm *vm, gva_t page, enum vm_access want, struct vm_fill *out);

/* One-shot guard: turn the guard of addr's page off. False when it has none. */
bool vm_clear_guard(struct vm *vm, gva_t addr);

/* DEP off lets data pages execute (G14). On when the vm is new. */
void vm_set_dep(struct vm *vm, bool on);

/* The arena that vm_fill's offsets index: one host mapping that stays where it is. */
uint8_t *vm_arena(const struct vm *vm, uint64_t *size);

/* A frame for the CPU's own use (GDT); zeroed; released with vm_frame_free. STATUS_NO_MEMORY. */
MUST_USE nt_status vm_frame_new(struct vm *vm, uint64_t *offset);
void vm_frame_free(struct vm *vm, uint64_t offset);

/* An access by a system service. */
struct vm_served {
    gva_t addr;
    size_t len; /* bytes, not past the page */
    enum vm_access access;
    const uint8_t *bytes; /* VM_WRITE: what will be there */
    uint64_t offset;      /* VM_WRITE: of the page's frame in the arena */
};

/*
 * What a CPU that caches answers of vm_fill must be told. Called while the change is made, never from
 * inside vm_fill except frame_changed never; callbacks must not call the vm.
 */
struct vm_observer {
    void *ctx;
    /* Answers given for pages in [start, end) may now promise too much or name the wrong frame. */
    void (*revoked)(void *ctx, gva_t start, gva_t end);
    /* The bytes of the frame at this offset (vm_fill's) were changed by the host, through any space. */
    void (*frame_changed)(void *ctx, uint64_t offset);
    /* The frame at this offset was freed; NULL: as frame_changed. */
    void (*frame_freed)(void *ctx, uint64_t offset);
    /* Memory that was lent at these offsets is not there any more; what was translated from it must go. */
    void (*lent_gone)(void *ctx, uint64_t offset, uint64_t size);
    /* A system service (vm_read, vm_write) accesses bytes of one page; a write has not happened yet. */
    void (*served)(void *ctx, const struct vm_served *access);
};

/* At most one observer; NULL removes it. The struct is copied. */
void vm_set_observer(struct vm *vm, const struct vm_observer *observer);

/* ---- Save and restore ------------------------------------------------------------------------ */

/* All that a vm holds at one moment, except frames of vm_frame_new: map, contents, protections, guards, records. */
struct vm_saved;

/*
 * Save. Pages are shared until either side changes them. NULL: memory is short.
 * O(1) while the map is as at an earlier save or restore, else O(log allocations + runs).
 */
struct vm_saved *vm_save(struct vm *vm);
/*
 * Make vm what it was; extra allocations vanish. saved stays valid. False, nothing changed: memory is short.
 * O(pages written since) while the map is the same, and O(runs) for another one.
 */
MUST_USE bool vm_restore(struct vm *vm, const struct vm_saved *saved);
/* Before vm_free of the vm that it was saved from. Takes NULL. */
void vm_saved_free(struct vm_saved *saved);

/* ---- Reports -------------------------------------------------------------------------------- */

/*
 * Append to out, in one clause without a full stop, what an access at addr runs into: "free, 0x10 past the end of
 * private allocation 0x20000 (heap)", "reserved, not committed, in ...", "a guard page of ...", "read-only ...".
 */
void vm_explain(const struct vm *vm, gva_t addr, enum vm_access access, struct buf *out);

struct vm_stats {
    uint64_t reserved; /* bytes in allocations, committed or not */
    size_t allocations;
    uint64_t
        own; /* bytes charged for its committed pages; none for views that share what is written */
    /* Of it and all beside it: */
    uint64_t
        committed; /* bytes charged: their own, and those of a pagefile section once for all its views */
    uint64_t resident; /* bytes of frames in use */
    uint64_t shared; /* bytes of frames with more than one user: several views, or what was saved */
};
/* O(1), and O(frames) of sections that have several views. */
void vm_get_stats(const struct vm *vm, struct vm_stats *out);

/* Increments on every change that a reader of the map could see. */
uint64_t vm_layout_version(const struct vm *vm);

/* Every invariant of the three layers; debug builds assert it after each change. O(everything). */
bool vm_valid(const struct vm *vm);

#endif
