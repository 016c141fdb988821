/* The layout tables, and writing structures of either width. Decides no content; follows layout.h's sources. */
#include "nt/layout.h"

#include <inttypes.h>
#include <string.h>

#include "winstub/bytes.h"

static const struct {
    uint16_t offset[2]; /* by enum cpu_arch */
    uint8_t kind;
} fields[] = {
#define NT_FIELD_ROW(name, off32, off64, kind) {{off32, off64}, NT_##kind},
    NT_FIELDS(NT_FIELD_ROW)
#undef NT_FIELD_ROW
};

static const uint16_t sizes[][2] = {
#define NT_STRUCT_ROW(name, size32, size64) {size32, size64},
    NT_STRUCTS(NT_STRUCT_ROW)
#undef NT_STRUCT_ROW
};

_Static_assert(CPU_I386 == 0 && CPU_AMD64 == 1, "the tables are indexed by enum cpu_arch");

uint32_t nt_offset(enum cpu_arch arch, enum nt_field field)
{
    return fields[field].offset[arch];
}

uint32_t nt_size(enum cpu_arch arch, enum nt_struct structure)
{
    return sizes[structure][arch];
}

uint32_t nt_pointer(enum cpu_arch arch)
{
    return arch == CPU_AMD64 ? 8 : 4;
}

/* Bytes of a number of this kind in this width. */
static uint32_t kind_size(enum cpu_arch arch, enum nt_kind kind)
{
    switch (kind) {
    case NT_U8:
        return 1;
    case NT_U16:
        return 2;
    case NT_U32:
        return 4;
    case NT_U64:
        return 8;
    case NT_PTR:
    case NT_STRING:
    case NT_LIST:
        break;
    }
    return nt_pointer(arch);
}

uint32_t nt_width(enum cpu_arch arch, enum nt_field field)
{
    return kind_size(arch, (enum nt_kind)fields[field].kind);
}

void nt_block_init(struct nt_block *block, enum cpu_arch arch, gva_t base, size_t limit)
{
    *block = (struct nt_block){.arch = arch, .base = base};
    buf_init(&block->bytes, limit);
}

void nt_block_fini(struct nt_block *block)
{
    buf_fini(&block->bytes);
}

size_t nt_block_take(struct nt_block *block, size_t size)
{
    size_t pad = -block->bytes.len & (nt_pointer(block->arch) - 1);
    size_t at = block->bytes.len + pad;

    return buf_extend(&block->bytes, pad + size) ? at : 0;
}

size_t nt_block_text(struct nt_block *block, const struct buf *utf16)
{
    size_t at = nt_block_take(block, utf16->len + 2);

    if (utf16->failed)
        block->bytes.failed = true;
    if (!block->bytes.failed && utf16->len)
        memcpy(block->bytes.data + at, utf16->data, utf16->len);
    return at;
}

/* Store size bytes of value at offset at; past the end is a failure of the block. */
static void store(struct nt_block *block, size_t at, uint32_t size, uint64_t value)
{
    struct bytes all = {block->bytes.data, block->bytes.len};
    uint8_t raw[8];

    if (block->bytes.failed || !bytes_has(all, at, size)) {
        block->bytes.failed = true;
        return;
    }
    put_u64(raw, value);
    memcpy(block->bytes.data + at, raw, size);
}

void nt_put(struct nt_block *block, size_t at, enum nt_field field, uint64_t value)
{
    store(block, at + nt_offset(block->arch, field),
          kind_size(block->arch, (enum nt_kind)fields[field].kind), value);
}

void nt_put_string(struct nt_block *block, size_t at, enum nt_field field, size_t text,
                   size_t bytes, size_t room)
{
    size_t where = at + nt_offset(block->arch, field);

    store(block, where, 2, bytes);
    store(block, where + 2, 2, room);
    store(block, where + nt_pointer(block->arch), nt_pointer(block->arch), block->base + text);
}

void nt_put_text(struct nt_block *block, size_t at, enum nt_field field, const struct buf *utf16)
{
    size_t text = nt_block_text(block, utf16);

    if (utf16->len > NT_STRING_MAX)
        block->bytes.failed = true;
    nt_put_string(block, at, field, text, utf16->len, utf16->len + 2);
}

void nt_put_pointer(struct nt_block *block, size_t at, size_t index, uint64_t value)
{
    uint32_t size = nt_pointer(block->arch);

    store(block, at + index * size, size, value);
}

void nt_list_init(struct nt_block *block, size_t head)
{
    nt_put_pointer(block, head, 0, block->base + head);
    nt_put_pointer(block, head, 1, block->base + head);
}

/* The offset that pointer number 1 of the LIST_ENTRY at `at` names. */
static size_t list_last(const struct nt_block *block, size_t at)
{
    const uint8_t *entry = block->bytes.data + at;
    uint64_t last = block->arch == CPU_AMD64 ? get_u64(entry + 8) : get_u32(entry + 4);

    return (size_t)(last - block->base);
}

void nt_list_append(struct nt_block *block, size_t head, size_t node)
{
    size_t last;

    if (block->bytes.failed)
        return;
    last = list_last(block, head);
    nt_put_pointer(block, node, 0, block->base + head);
    nt_put_pointer(block, node, 1, block->base + last);
    nt_put_pointer(block, last, 0, block->base + node);
    nt_put_pointer(block, head, 1, block->base + node);
}

enum err nt_block_store(struct nt_block *block, struct vm *vm, const char *label, struct diag *why)
{
    struct vm_request req = {
        .base = block->base,
        .size = block->bytes.len,
        .type = MEM_RESERVE | MEM_COMMIT,
        .protect = PAGE_READWRITE,
        .label = label,
    };
    nt_status st;

    if (block->bytes.failed)
        return diag_set(why, ERR_NOMEM, "%s: does not fit in %zu bytes", label, block->bytes.limit);
    st = vm_allocate(vm, &req, NULL, NULL);
    if (!NT_SUCCESS(st))
        return diag_set(why, ERR_NOMEM, "%s: no room at 0x%" PRIx64 ": %s", label, block->base,
                        nt_text(st));
    if (!vm_debug_write(vm, block->base, block->bytes.data, block->bytes.len))
        return diag_set(why, ERR_NOMEM, "%s: the guest's memory is full", label);
    return ERR_OK;
}

bool nt_read(const struct vm *vm, enum cpu_arch arch, gva_t at, enum nt_field field,
             uint64_t *value)
{
    uint32_t size = kind_size(arch, (enum nt_kind)fields[field].kind);
    uint8_t raw[8] = {0};

    if (vm_debug_read(vm, at + nt_offset(arch, field), raw, size) != size)
        return false;
    *value = get_u64(raw);
    return true;
}

bool nt_write(struct vm *vm, enum cpu_arch arch, gva_t at, enum nt_field field, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    return vm_debug_write(vm, at + nt_offset(arch, field), raw,
                          kind_size(arch, (enum nt_kind)fields[field].kind));
}
