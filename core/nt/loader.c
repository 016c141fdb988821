/*
 * The loader's data: PEB_LDR_DATA, one LDR_DATA_TABLE_ENTRY for each module, in three orders and in the hash
 * table, linked as ntdll leaves them on Windows 10 when the program's entry point is reached.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/utf.h"
#include "nt/layout.h"
#include "nt/parts.h"
#include "nt/text.h"

#define LOADER_BYTES_MAX (8u << 20)
#define HASH_BUCKETS     32
#define HASH_FACTOR      65599 /* HASH_STRING_ALGORITHM_X65599 of RtlHashUnicodeString */
#define LOAD_COUNT       0xffff
#define TLS_INDEX_SOME   0xffff

/* Flags of LDR_DATA_TABLE_ENTRY. */
enum {
    LDRP_IMAGE_DLL = 0x4,
    LDRP_LOAD_NOTIFICATIONS_SENT = 0x8,
    LDRP_ENTRY_PROCESSED = 0x4000,
    LDRP_PROCESS_ATTACH_CALLED = 0x80000,
};

/* LDR_DLL_LOAD_REASON */
enum { LOAD_REASON_STATIC = 0 };

struct loader {
    struct nt_block block;
    size_t ldr;
    size_t buckets; /* LDRP_HASH_TABLE: ring heads */
};

static uint32_t hash_name(const struct buf *utf16)
{
    uint32_t hash = 0;

    for (size_t i = 0; i + 1 < utf16->len; i += 2) {
        uint32_t unit = (uint32_t)(utf16->data[i] | utf16->data[i + 1] << 8);

        hash = hash * HASH_FACTOR + (unit < 0x80 ? (uint32_t)toupper((int)unit) : unit);
    }
    return hash;
}

/* Put the name into the entry, and the entry into the hash table under it. */
static void put_names(struct loader *l, size_t entry, const struct module *m)
{
    uint32_t list = nt_size(l->block.arch, NT_STRUCT_LIST);
    struct buf path, name;
    uint32_t hash;

    buf_init(&path, NT_STRING_MAX);
    buf_init(&name, NT_STRING_MAX);
    (void)utf16_append(&path, m->path); /* a failure sticks in the block */
    (void)utf16_append(&name, text_base_name(m->path));
    nt_put_text(&l->block, entry, NT_ENTRY_FULL_NAME, &path);
    nt_put_text(&l->block, entry, NT_ENTRY_BASE_NAME, &name);
    hash = hash_name(&name);
    nt_put(&l->block, entry, NT_ENTRY_NAME_HASH, hash);
    nt_list_append(&l->block, l->buckets + hash % HASH_BUCKETS * list,
                   entry + nt_offset(l->block.arch, NT_ENTRY_HASH));
    buf_fini(&path);
    buf_fini(&name);
}

/* One module's entry, in load and memory order. Returns its offset. */
static size_t put_entry(struct loader *l, const struct module *m, bool is_dll)
{
    enum cpu_arch arch = l->block.arch;
    size_t at = nt_block_take(&l->block, nt_size(arch, NT_STRUCT_ENTRY));
    uint32_t flags = LDRP_LOAD_NOTIFICATIONS_SENT | LDRP_ENTRY_PROCESSED;

    if (is_dll)
        flags |= LDRP_IMAGE_DLL | LDRP_PROCESS_ATTACH_CALLED;
    nt_put(&l->block, at, NT_ENTRY_BASE, m->info.base);
    nt_put(&l->block, at, NT_ENTRY_POINT, m->info.entry);
    nt_put(&l->block, at, NT_ENTRY_IMAGE_SIZE, m->info.size);
    nt_put(&l->block, at, NT_ENTRY_FLAGS, flags);
    nt_put(&l->block, at, NT_ENTRY_LOAD_COUNT, LOAD_COUNT);
    nt_put(&l->block, at, NT_ENTRY_TLS_INDEX, m->has_tls ? TLS_INDEX_SOME : 0);
    nt_put(&l->block, at, NT_ENTRY_TIMESTAMP, m->timestamp);
    nt_put(&l->block, at, NT_ENTRY_ORIGINAL_BASE, m->info.preferred);
    nt_put(&l->block, at, NT_ENTRY_LOAD_REASON, LOAD_REASON_STATIC);
    nt_list_init(&l->block, at + nt_offset(arch, NT_ENTRY_NODE_MODULE));
    nt_list_append(&l->block, l->ldr + nt_offset(arch, NT_LDR_LOAD_ORDER),
                   at + nt_offset(arch, NT_ENTRY_LOAD_ORDER));
    nt_list_append(&l->block, l->ldr + nt_offset(arch, NT_LDR_MEMORY_ORDER),
                   at + nt_offset(arch, NT_ENTRY_MEMORY_ORDER));
    put_names(l, at, m);
    return at;
}

/* PEB_LDR_DATA and the hash table, both empty. */
static void put_heads(struct loader *l)
{
    static const enum nt_field heads[] = {NT_LDR_LOAD_ORDER, NT_LDR_MEMORY_ORDER,
                                          NT_LDR_INIT_ORDER};
    enum cpu_arch arch = l->block.arch;
    uint32_t list = nt_size(arch, NT_STRUCT_LIST);

    l->ldr = nt_block_take(&l->block, nt_size(arch, NT_STRUCT_LDR));
    nt_put(&l->block, l->ldr, NT_LDR_LENGTH, nt_size(arch, NT_STRUCT_LDR));
    nt_put(&l->block, l->ldr, NT_LDR_INITIALIZED, 1);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        nt_list_init(&l->block, l->ldr + nt_offset(arch, heads[i]));
    l->buckets = nt_block_take(&l->block, HASH_BUCKETS * list);
    for (size_t i = 0; i < HASH_BUCKETS; i++)
        nt_list_init(&l->block, l->buckets + i * list);
}

/*
 * DLLs in the order in which their initializers ran; the program has none. kernelbase is initialized before
 * kernel32, which needs it: since Windows 7 the second entry is kernelbase.
 */
static void link_init_order(struct loader *l, const size_t *entries, size_t count)
{
    enum cpu_arch arch = l->block.arch;

    for (size_t i = 1; i < count; i++) {
        size_t m = i == 2 && count > 3 ? 3 : i == 3 ? 2 : i;

        nt_list_append(&l->block, l->ldr + nt_offset(arch, NT_LDR_INIT_ORDER),
                       entries[m] + nt_offset(arch, NT_ENTRY_INIT_ORDER));
    }
}

enum err loader_make(struct process *p, gva_t *out, struct diag *why)
{
    size_t *entries = calloc(p->module_count, sizeof *entries);
    struct loader l;
    gva_t base = 0;
    enum err e;

    if (!entries)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    e = process_find(p, p->plan.heap, LOADER_BYTES_MAX, &base, why);
    nt_block_init(&l.block, p->arch, base, LOADER_BYTES_MAX);
    if (!e) {
        put_heads(&l);
        for (size_t i = 0; i < p->module_count; i++)
            entries[i] = put_entry(&l, &p->modules[i], i > 0);
        link_init_order(&l, entries, p->module_count);
        e = nt_block_store(&l.block, p->vm, "loader data", why);
        *out = base + l.ldr;
    }
    nt_block_fini(&l.block);
    free(entries);
    return e;
}
