/* The map as rows, text and JSON; see map.h. What pages allow is protection.c's to say. */
#include "winstub/map.h"

#include <stdio.h>
#include <string.h>

#include "winstub/utf.h"
#include "vm/protection.h"
#include "winstub/extent.h"

/* ---- Rows ------------------------------------------------------------------------------------ */

static gva_t end_of(const struct vm_region *r)
{
    return r->base + r->size;
}

/* The run that holds from, or the first one above; size is that of one label. */
static bool next_run(const struct vm *vm, gva_t from, struct vm_region *out)
{
    while (vm_query(vm, from, out) == STATUS_SUCCESS) {
        if (out->state != MEM_FREE) {
            out->size = out->label_size;
            return true;
        }
        from = end_of(out);
    }
    return false;
}

static bool same_row(const struct vm_region *a, const struct vm_region *b)
{
    return end_of(a) == b->base && a->allocation_base == b->allocation_base &&
           a->state == b->state && a->protect == b->protect && strcmp(a->label, b->label) == 0;
}

bool vm_map_next(const struct vm *vm, gva_t from, struct vm_region *out)
{
    struct vm_region next;

    if (!next_run(vm, from, out))
        return false;
    while (next_run(vm, end_of(out), &next) && same_row(out, &next))
        out->size += next.size;
    out->label_size = out->size;
    return true;
}

void vm_perm_text(const struct vm_region *region, char out[VM_PERM_SIZE])
{
    uint32_t written = protection_after_write(region->protect & ~(uint32_t)PAGE_GUARD);
    unsigned access = protection_access(written, true);
    size_t len = 0;

    if (region->state != MEM_COMMIT) {
        (void)snprintf(out, VM_PERM_SIZE, "%s", region->state == MEM_FREE ? "free" : "reserved");
        return;
    }
    out[len++] = access & VM_READ ? 'r' : '-';
    out[len++] = access & VM_WRITE ? 'w' : '-';
    out[len++] = access & VM_EXEC ? 'x' : '-';
    if (protection_is_copy(region->protect))
        out[len++] = 'c';
    if (region->protect & PAGE_GUARD)
        out[len++] = 'g';
    out[len] = 0;
}

/* ---- Text ------------------------------------------------------------------------------------ */

#define LABEL_MAX 40 /* longer labels are shown whole and push their row's last column */

/* Append text as something that a terminal shows and does not obey; returns its characters. */
static size_t append_shown(struct buf *out, const char *text)
{
    size_t count = 0;

    for (; *text; count++) {
        uint32_t c = utf8_next(&text);
        bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);

        (void)utf8_append_char(out, control ? UTF_REPLACEMENT : c);
    }
    return count;
}

/* Append a label, or what stands for one; returns its characters. */
static size_t append_label(const struct vm *vm, const struct vm_region *row, struct buf *out)
{
    const char *kind;

    if (*row->label)
        return append_shown(out, row->label);
    kind = vm_kind_text(vm_kind_at(vm, row->base));
    (void)buf_printf(out, "[%s]", kind);
    return strlen(kind) + 2;
}

static void append_spaces(struct buf *out, size_t from, size_t to)
{
    for (; from < to; from++)
        (void)buf_byte(out, ' ');
}

/* How wide the column of labels is. */
static size_t label_width(const struct vm *vm)
{
    size_t width = sizeof "Label" - 1;
    struct vm_region row;
    struct buf shown;

    buf_init(&shown, SIZE_MAX);
    for (gva_t at = 0; vm_map_next(vm, at, &row); at = end_of(&row)) {
        size_t len = append_label(vm, &row, &shown);

        if (len > width && len <= LABEL_MAX)
            width = len;
        buf_clear(&shown);
    }
    buf_fini(&shown);
    return width;
}

static void append_row(const struct vm *vm, const struct vm_region *row, int digits, size_t width,
                       struct buf *out)
{
    char perm[VM_PERM_SIZE];
    size_t len;

    vm_perm_text(row, perm);
    (void)buf_printf(out, "%0*" PRIx64 " - %0*" PRIx64 "   %-8s  ", digits, row->base, digits,
                     end_of(row), perm);
    len = append_label(vm, row, out);
    if (*row->path) {
        append_spaces(out, len, width + 2);
        (void)append_shown(out, row->path);
    }
    (void)buf_byte(out, '\n');
}

bool vm_map_text(const struct vm *vm, struct buf *out)
{
    int digits = vm_user_limit(vm) > UINT32_MAX ? 12 : 8;
    size_t width = label_width(vm);
    struct vm_region row;

    (void)buf_printf(out, "%-*s   %-*s   %-8s  Label", digits, "Start", digits, "End", "Perm");
    append_spaces(out, sizeof "Label" - 1, width + 2);
    (void)buf_text(out, "Image\n");
    for (gva_t at = 0; vm_map_next(vm, at, &row); at = end_of(&row))
        append_row(vm, &row, digits, width, out);
    return !out->failed;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void append_string(struct buf *out, const char *text)
{
    (void)buf_byte(out, '"');
    while (*text) {
        uint32_t c = utf8_next(&text);

        if (c < 0x20 || c == '"' || c == '\\')
            (void)buf_printf(out, "\\u%04x", (unsigned)c);
        else
            (void)utf8_append_char(out, c);
    }
    (void)buf_byte(out, '"');
}

static void append_object(const struct vm *vm, const struct vm_region *row, struct buf *out)
{
    char perm[VM_PERM_SIZE];

    vm_perm_text(row, perm);
    (void)buf_printf(out,
                     "{\"start\":%" PRIu64 ",\"end\":%" PRIu64 ",\"size\":%" PRIu64
                     ",\"allocation_base\":%" PRIu64 ",\"kind\":\"%s\",\"state\":\"%s\"",
                     row->base, end_of(row), row->size, row->allocation_base,
                     vm_kind_text(vm_kind_at(vm, row->base)),
                     row->state == MEM_COMMIT ? "commit" : "reserve");
    (void)buf_printf(out,
                     ",\"perm\":\"%s\",\"protect\":%" PRIu32 ",\"allocation_protect\":%" PRIu32,
                     perm, row->protect, row->allocation_protect);
    (void)buf_text(out, ",\"label\":");
    append_string(out, row->label);
    (void)buf_text(out, ",\"path\":");
    append_string(out, row->path);
    (void)buf_byte(out, '}');
}

bool vm_map_json(const struct vm *vm, struct buf *out)
{
    const char *before = "\n";
    struct vm_region row;

    (void)buf_byte(out, '[');
    for (gva_t at = 0; vm_map_next(vm, at, &row); at = end_of(&row)) {
        (void)buf_text(out, before);
        append_object(vm, &row, out);
        before = ",\n";
    }
    (void)buf_text(out, "\n]\n");
    return !out->failed;
}
