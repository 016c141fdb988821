/* Scanning DLLs for the numbers of system services; the contract is in numbers.h. */
#include "nt/numbers.h"

#include <stdlib.h>
#include <string.h>

#include "nt/services.h"

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

/* Behind mov eax, NUMBER on i386: mov edx, THUNK; or call fs:[0xc0], which some programs expect to find. */
static bool is_call_32(const uint8_t *code)
{
    return code[0] == 0xba || memcmp(code, "\x64\xff\x15\xc0", 4) == 0;
}

/*
 * x64: mov r10, rcx; mov eax, NUMBER. i386: mov eax, NUMBER and a call. False when the code at rva does not begin so, or
 * the number is in neither table.
 */
static bool read_number(struct scan *scan, uint32_t rva, uint32_t *number)
{
    static const uint8_t begins_64[] = {0x4c, 0x8b, 0xd1, 0xb8};
    struct bytes code = bytes_slice(scan->mapped, rva, 10);
    size_t at = scan->arch == CPU_AMD64 ? sizeof begins_64 : 1;

    if (!code.data)
        return false;
    if (scan->arch == CPU_AMD64 ? memcmp(code.data, begins_64, sizeof begins_64) != 0
                                : code.data[0] != 0xb8 || !is_call_32(code.data + 5))
        return false;
    *number = get_u32(code.data + at);
    if (*number >= 2 * NUMBERS_TABLE)
        return false;
    if (scan->arch == CPU_I386 && code.data[5] == 0xba)
        scan->found->thunk = get_u32(code.data + 6);
    return true;
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
