/* Scanning DLLs for the numbers of system services; the contract is in numbers.h. */
#include "nt/numbers.h"

#include <stdlib.h>
#include <string.h>

#include "nt/services.h"

#define CODE_LOOK 12u /* bytes of a function that show whether it is a service's */

static enum err no_memory(struct diag *why)
{
    return diag_set(why, ERR_NOMEM, "the host is out of memory");
}

void numbers_fini(struct numbers *numbers)
{
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; numbers->list[t] && i < NUMBERS_TABLE; i++)
            free(numbers->list[t][i].name);
        free(numbers->list[t]);
        numbers->list[t] = NULL;
    }
}

struct number *numbers_get(const struct numbers *numbers, uint32_t number)
{
    uint32_t table = number / NUMBERS_TABLE;
    struct number *entry;

    if (table > 1 || !numbers->list[table])
        return NULL;
    entry = &numbers->list[table][number % NUMBERS_TABLE];
    return entry->name ? entry : NULL;
}

enum err numbers_add(struct numbers *numbers, uint32_t number, const char *name)
{
    uint32_t table = number / NUMBERS_TABLE;
    struct number *entry;
    char *copy;

    if (!numbers->list[table])
        numbers->list[table] = calloc(NUMBERS_TABLE, sizeof **numbers->list);
    if (!numbers->list[table])
        return ERR_NOMEM;
    entry = &numbers->list[table][number % NUMBERS_TABLE];
    if (entry->name && strncmp(entry->name, "Zw", 2) != 0)
        return ERR_OK;
    copy = strdup(name);
    if (!copy)
        return ERR_NOMEM;
    free(entry->name);
    *entry = (struct number){.name = copy, .service = service_find(copy)};
    return ERR_OK;
}

struct scan {
    struct numbers *numbers;
    enum cpu_arch arch;
    struct bytes mapped;
    struct numbers_found *found;
    enum err failed;
};

/* x64: mov r10, rcx; mov eax, NUMBER. */
static bool read_64(struct bytes code, uint32_t *number)
{
    static const uint8_t begins[] = {0x4c, 0x8b, 0xd1, 0xb8};

    return bytes_has(code, 0, sizeof begins) && memcmp(code.data, begins, sizeof begins) == 0 &&
           bytes_u32(code, sizeof begins, number);
}

/* i386: mov eax, NUMBER; then mov edx, THUNK, or call fs:[0C0h]. */
static bool read_32(struct bytes code, uint32_t *number, struct numbers_found *found)
{
    static const uint8_t by_teb[] = {0x64, 0xff, 0x15, 0xc0, 0, 0, 0};

    if (!bytes_has(code, 0, 5 + sizeof by_teb) || code.data[0] != 0xb8)
        return false;
    *number = get_u32(code.data + 1);
    if (memcmp(code.data + 5, by_teb, sizeof by_teb) == 0)
        return true;
    if (code.data[5] != 0xba)
        return false;
    found->has_thunk = true;
    found->thunk = get_u32(code.data + 6);
    return true;
}

/* False when the code at rva does not begin as a service's does, or the number is in neither table. */
static bool read_number(struct scan *scan, uint32_t rva, uint32_t *number)
{
    struct bytes code = bytes_slice(scan->mapped, rva, CODE_LOOK);

    if (scan->arch == CPU_AMD64 ? !read_64(code, number) : !read_32(code, number, scan->found))
        return false;
    return *number < 2 * NUMBERS_TABLE;
}

static bool on_export(void *ctx, const struct pe_export *export)
{
    struct scan *scan = ctx;
    uint32_t number;

    if (!export->name || !read_number(scan, export->rva, &number))
        return true;
    scan->failed = numbers_add(scan->numbers, number, export->name);
    scan->found->count++;
    return !scan->failed;
}

enum err numbers_scan(struct numbers *numbers, const struct pe_image *image, struct bytes mapped,
                      struct numbers_found *out, struct diag *why)
{
    struct scan scan = {.numbers = numbers, .arch = image->arch, .mapped = mapped, .found = out};
    enum err e;

    *out = (struct numbers_found){0};
    e = pe_exports(image, mapped, on_export, &scan, why);
    if (scan.failed)
        return no_memory(why);
    return e;
}
