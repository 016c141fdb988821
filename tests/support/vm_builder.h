/* Address spaces for tests: made in one line, described as text, so that "nothing changed" is one comparison. */
#ifndef VM_BUILDER_H
#define VM_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/section.h"
#include "winstub/vm.h"

struct buf;

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* For programs that include check.h: a status by name, and a refusal that leaves no trace. */
#define ck_status(call, status) ck_assert_str_eq(nt_text(call), nt_text(status))
#define ck_succeeds(call)       ck_status(call, STATUS_SUCCESS)
#define ck_refused(call, status)                                                                   \
    do {                                                                                           \
        struct memory_of *ck_before = remember(vm);                                                \
        ck_status(call, status);                                                                   \
        ck_assert(unchanged(ck_before, vm));                                                       \
    } while (0)

/* A vm with a 64-bit user range and an arena of that many frames (0: the default size). Ends the test when it cannot. */
struct vm *build_vm(uint32_t frames);

/* Allocate at base (0: anywhere); returns the base. Ends the test on failure. */
gva_t build_memory(struct vm *vm, gva_t base, uint64_t size, uint32_t type, uint32_t protect);
/* Reserve only, or reserve and commit as PAGE_READWRITE. */
gva_t build_reserved(struct vm *vm, gva_t base, uint64_t size);
gva_t build_committed(struct vm *vm, gva_t base, uint64_t size);

/* Every call with plain values, outputs dropped. */
nt_status try_allocate(struct vm *vm, gva_t base, uint64_t size, uint32_t type, uint32_t protect);
nt_status try_release(struct vm *vm, gva_t base, uint64_t size, uint32_t type);
nt_status try_protect(struct vm *vm, gva_t base, uint64_t size, uint32_t protect);

/* The region at addr; ends the test when there is none. */
struct vm_region region_at(const struct vm *vm, gva_t addr);

/* Append every run of the address space and a checksum of what it holds. */
void picture(const struct vm *vm, struct buf *out);

/*
 * Remember the address space and then say whether it still looks the same: map, contents, statistics, layout
 * version; what differs goes to stderr. unchanged() and forget_memory() free what remember() made.
 */
struct memory_of;
struct memory_of *remember(const struct vm *vm);
bool unchanged(struct memory_of *before, const struct vm *vm);
void forget_memory(struct memory_of *m);

/* A section that ends the test when it cannot be made; attributes: SEC_COMMIT, SEC_RESERVE. */
struct vm_section *build_section(struct vm *vm, uint64_t size, uint32_t protect,
                                 uint32_t attributes);

/* A file in memory for sections; what is asked of it is counted. */
struct memory_file {
    uint8_t bytes[0x12800];
    unsigned reads, writes, releases;
    bool broken; /* every request fails */
};
/* Its backing; sections that cannot write get one without write. */
struct vm_backing memory_backing(struct memory_file *file, bool writable);
/* A section of all of it. */
struct vm_section *build_file_section(struct vm *vm, struct memory_file *file, uint32_t protect);

/* Map size bytes (0: the rest) from offset at base (0: anywhere); returns where. Ends the test on failure. */
gva_t build_view(struct vm *vm, struct vm_section *s, gva_t base, uint64_t offset, uint64_t size,
                 uint32_t protect);
nt_status try_view(struct vm *vm, struct vm_section *s, gva_t base, uint64_t offset, uint64_t size,
                   uint32_t protect);

/* The byte at addr, and storing one as the guest does. Each ends the test on failure. */
uint8_t byte_at(const struct vm *vm, gva_t addr);
void store_byte(struct vm *vm, gva_t addr, uint8_t value);

/* An image view of four pages at base: header READONLY, .text EXECUTE_READ, .data WRITECOPY, .bss WRITECOPY (zero). */
nt_status build_image(struct vm *vm, gva_t base);

#endif
