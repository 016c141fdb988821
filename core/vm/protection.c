/* The tables behind protection.h. */
#include "vm/protection.h"

#include <stddef.h>

#include "winstub/nt.h"
#include "winstub/vm.h"

#define PROTECT_BASE      0xFFu
#define PROTECT_MODIFIERS (PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE)
#define PROTECT_EXECUTE                                                                            \
    (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)

#define FITS_READ    (PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY)
#define FITS_EXECUTE (FITS_READ | PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_WRITECOPY)

/*
 * x86 has no page that executes but cannot be read. WRITECOPY does not hold VM_WRITE: the first write asks. fits:
 * the bases that a view of such a section, or a page of such a view, may have (NT's MmCompatibleProtectionMask).
 */
static const struct {
    uint32_t base;
    unsigned access;
    uint32_t after_write;
    uint32_t before_write;
    uint32_t fits;
} bases[] = {
    {PAGE_NOACCESS, 0, PAGE_NOACCESS, PAGE_NOACCESS, PAGE_NOACCESS},
    {PAGE_READONLY, VM_READ, PAGE_READONLY, PAGE_READONLY, FITS_READ},
    {PAGE_READWRITE, VM_READ | VM_WRITE, PAGE_READWRITE, PAGE_WRITECOPY,
     FITS_READ | PAGE_READWRITE},
    {PAGE_WRITECOPY, VM_READ, PAGE_READWRITE, PAGE_WRITECOPY, FITS_READ},
    {PAGE_EXECUTE, VM_READ | VM_EXEC, PAGE_EXECUTE, PAGE_EXECUTE, PAGE_NOACCESS | PAGE_EXECUTE},
    {PAGE_EXECUTE_READ, VM_READ | VM_EXEC, PAGE_EXECUTE_READ, PAGE_EXECUTE_READ, FITS_EXECUTE},
    {PAGE_EXECUTE_READWRITE, VM_READ | VM_WRITE | VM_EXEC, PAGE_EXECUTE_READWRITE,
     PAGE_EXECUTE_WRITECOPY, FITS_EXECUTE | PAGE_READWRITE | PAGE_EXECUTE_READWRITE},
    {PAGE_EXECUTE_WRITECOPY, VM_READ | VM_EXEC, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY,
     FITS_EXECUTE},
};
#define BASE_COUNT (sizeof bases / sizeof *bases)

/* The row of protect's base; BASE_COUNT when it has none or several. */
static size_t base_index(uint32_t protect)
{
    size_t i = 0;

    while (i < BASE_COUNT && bases[i].base != (protect & PROTECT_BASE))
        i++;
    return i;
}

uint32_t protection_value(uint32_t protect)
{
    return protect & ~PAGE_TARGETS_INVALID;
}

bool protection_is_copy(uint32_t protect)
{
    return protect & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY);
}

bool protection_fits(uint32_t wanted, uint32_t allowed)
{
    size_t i = base_index(allowed);

    return i < BASE_COUNT && bases[i].fits & wanted & PROTECT_BASE;
}

static bool modifiers_valid(uint32_t protect)
{
    bool guard = protect & PAGE_GUARD;
    bool nocache = protect & PAGE_NOCACHE;
    bool combine = protect & PAGE_WRITECOMBINE;

    if ((protect & PROTECT_BASE) == PAGE_NOACCESS)
        return !guard && !nocache && !combine;
    return guard + nocache + combine <= 1;
}

bool protection_valid(uint32_t protect, bool for_new)
{
    uint32_t value = protection_value(protect);

    if (value & ~(PROTECT_BASE | PROTECT_MODIFIERS) || base_index(value) == BASE_COUNT)
        return false;
    if (for_new && protect != value && !(value & PROTECT_EXECUTE))
        return false;
    return modifiers_valid(value);
}

unsigned protection_access(uint32_t protect, bool dep)
{
    size_t i = base_index(protect);
    unsigned access = i < BASE_COUNT ? bases[i].access : 0;

    if (protect & PAGE_GUARD)
        return 0;
    return access && !dep ? access | VM_EXEC : access;
}

uint32_t protection_for_page(uint32_t wanted, uint32_t initial)
{
    uint32_t value = protection_value(wanted) & ~(uint32_t)PROTECT_CACHING;

    if (value == PAGE_NOACCESS || value & PAGE_GUARD)
        return value;
    return value | (initial & PROTECT_CACHING);
}

/* protect with its base exchanged. */
static uint32_t with_base(uint32_t protect, uint32_t base)
{
    return (protect & ~PROTECT_BASE) | base;
}

uint32_t protection_after_write(uint32_t protect)
{
    size_t i = base_index(protect);

    return i < BASE_COUNT ? with_base(protect, bases[i].after_write) : protect;
}

uint32_t protection_before_write(uint32_t protect)
{
    size_t i = base_index(protect);

    return i < BASE_COUNT ? with_base(protect, bases[i].before_write) : protect;
}
