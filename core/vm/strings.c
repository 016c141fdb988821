/* Texts in and out of guest memory; see transfer.h. Conversions are those of winstub/utf.h. */
#include <string.h>

#include "winstub/utf.h"
#include "vm/deny.h"
#include "winstub/bytes.h"
#include "winstub/extent.h"

#define CHUNK 512u /* bytes looked at together */

/* A text in the guest whose length is not known yet. */
struct text {
    gva_t addr;
    size_t unit;  /* bytes: 1 or 2 */
    size_t limit; /* units, the NUL among them */
};

/* The first NUL among count units, count when there is none. */
static size_t find_nul(const uint8_t *units, size_t count, size_t unit)
{
    const uint8_t *nul;

    if (unit == 1) {
        nul = memchr(units, 0, count);
        return nul ? (size_t)(nul - units) : count;
    }
    for (size_t i = 0; i < count; i++) {
        if (get_u16(units + 2 * i) == 0)
            return i;
    }
    return count;
}

/* Count the units before the NUL. ERR_FAULT, ERR_LIMIT. */
static enum err measure(const struct vm *vm, const struct text *t, size_t *units,
                        struct vm_denial *denial)
{
    uint8_t chunk[CHUNK];
    size_t seen = 0;

    while (seen < t->limit) {
        gva_t at = t->addr + seen * t->unit;
        size_t left = t->limit - seen;
        size_t want = left < CHUNK / t->unit ? left : CHUNK / t->unit;
        size_t raw = vm_debug_read(vm, at, chunk, want * t->unit);
        size_t nul = find_nul(chunk, raw / t->unit, t->unit);

        seen += nul;
        if (nul < raw / t->unit) {
            *units = seen;
            return ERR_OK;
        }
        if (raw < want * t->unit)
            return deny_access(vm, VM_READ, t->addr, (seen + 1) * t->unit, at + raw, denial);
    }
    return deny(denial, ERR_LIMIT, t->addr + t->limit * t->unit,
                "the text at 0x%" PRIx64 " has no end within %zu characters", t->addr, t->limit);
}

/* What a buf that refused len more bytes lacks. */
static enum err refused(const struct buf *out, size_t len, gva_t addr, struct vm_denial *denial)
{
    if (len > out->limit - out->len)
        return deny(denial, ERR_LIMIT, addr,
                    "the text at 0x%" PRIx64 " has %zu bytes, more than the buffer takes", addr,
                    len);
    return deny(denial, ERR_NOMEM, addr, "no memory for the text at 0x%" PRIx64, addr);
}

/* Append what was measured, as it is. */
static enum err append_raw(const struct vm *vm, gva_t addr, size_t len, struct buf *out,
                           struct vm_denial *denial)
{
    uint8_t *dst = buf_extend(out, len);

    if (!dst)
        return refused(out, len, addr, denial);
    (void)vm_debug_read(vm, addr, dst, len);
    return ERR_OK;
}

enum err vm_read_string(const struct vm *vm, gva_t addr, size_t limit, struct buf *out,
                        struct vm_denial *denial)
{
    struct text t = {addr, 1, limit};
    size_t len;
    enum err e = measure(vm, &t, &len, denial);

    return e ? e : append_raw(vm, addr, len, out, denial);
}

enum err vm_read_string16(const struct vm *vm, gva_t addr, size_t limit, struct buf *out,
                          struct vm_denial *denial)
{
    struct text t = {addr, 2, limit};
    struct buf wide, narrow;
    size_t units;
    enum err e = measure(vm, &t, &units, denial);

    if (e)
        return e;
    buf_init(&wide, 2 * units);
    buf_init(&narrow, 3 * units); /* a unit becomes at most three bytes, a pair four */
    e = append_raw(vm, addr, 2 * units, &wide, denial);
    if (!e && !utf8_append_utf16(&narrow, wide.data, units))
        e = refused(&narrow, 0, addr, denial);
    if (!e && !buf_append(out, narrow.data, narrow.len))
        e = refused(out, narrow.len, addr, denial);
    buf_fini(&narrow);
    buf_fini(&wide);
    return e;
}

/* Write a text of len bytes that ends in its NUL where room bytes are. */
static enum err write_text(struct vm *vm, gva_t addr, const void *text, size_t len, size_t room,
                           struct vm_denial *denial)
{
    if (len > room)
        return deny(denial, ERR_LIMIT, addr + room,
                    "a text of %zu bytes with its NUL does not fit into the %zu at 0x%" PRIx64, len,
                    room, addr);
    return vm_write_bytes(vm, addr, text, len, denial);
}

enum err vm_write_string(struct vm *vm, gva_t addr, const char *text, size_t room,
                         struct vm_denial *denial)
{
    return write_text(vm, addr, text, strlen(text) + 1, room, denial);
}

enum err vm_write_string16(struct vm *vm, gva_t addr, const char *text, size_t room,
                           struct vm_denial *denial)
{
    struct buf wide;
    enum err e;

    buf_init(&wide, SIZE_MAX);
    room = room < SIZE_MAX / 2 ? 2 * room : SIZE_MAX;
    if (utf16_append(&wide, text) && buf_append(&wide, "\0", 2))
        e = write_text(vm, addr, wide.data, wide.len, room, denial);
    else
        e = deny(denial, ERR_NOMEM, addr, "no memory for a text of %zu bytes", strlen(text));
    buf_fini(&wide);
    return e;
}
