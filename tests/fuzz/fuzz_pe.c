/*
 * Any bytes as a PE file: parsed, laid out at its own base and away from it, and its imports, exports and
 * TLS callbacks walked. Beside the sanitizers, what image.h promises is checked: an error has a sentence,
 * sections stay inside file and image, RVAs inside the image, texts inside their bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "winstub/image.h"

enum { MAPPED_MAX = 1 << 20, TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

/* What the walkers report must lie in these bytes. */
struct view {
    const struct pe_image *image;
    struct bytes mapped;
};

static void require_text(const struct view *v, const char *text, size_t max)
{
    size_t at = (size_t)((const uint8_t *)text - v->mapped.data);

    require(at < v->mapped.len);
    require(strnlen(text, v->mapped.len - at) <= max);
    require(strnlen(text, v->mapped.len - at) < v->mapped.len - at);
}

static bool see_import(void *ctx, const struct pe_import *import)
{
    const struct view *v = ctx;

    require_text(v, import->dll, 255);
    if (import->name)
        require_text(v, import->name, TEXT_MAX);
    require(bytes_has(v->mapped, import->slot_rva, v->image->arch == CPU_AMD64 ? 8 : 4));
    return true;
}

static bool see_export(void *ctx, const struct pe_export *export)
{
    const struct view *v = ctx;

    if (export->name)
        require_text(v, export->name, TEXT_MAX);
    if (export->forwarder)
        require_text(v, export->forwarder, TEXT_MAX);
    require(!export->forwarder == !!export->rva);
    require(export->rva < v->mapped.len);
    return true;
}

static void check_sections(const struct pe_image *image)
{
    uint64_t end = image->flat ? 0 : image->headers_size;

    require(image->headers_size <= image->file.len && image->headers_size <= image->image_size);
    require(image->image_size % VM_PAGE_SIZE == 0 && image->entry_rva < image->image_size);
    require(pe_first_section(image) <= image->image_size);
    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *s = &image->sections[i];

        require(bytes_has(image->file, s->file_offset, s->file_size));
        require((uint64_t)s->rva + s->virtual_size <= image->image_size);
        require(strnlen(s->name, sizeof s->name) < sizeof s->name);
        if (image->flat)
            continue;
        require(s->rva >= end && (uint64_t)s->rva + s->file_size <= image->image_size);
        end = (uint64_t)s->rva + s->virtual_size;
    }
}

static void walk(const struct pe_image *image, struct bytes mapped, gva_t base)
{
    struct view v = {image, mapped};
    struct diag why = {""};
    uint32_t rvas[16];
    size_t count;
    enum err e;

    e = pe_imports(image, mapped, see_import, &v, &why);
    require(!e == !why.text[0]);
    why.text[0] = 0;
    e = pe_exports(image, mapped, see_export, &v, &why);
    require(!e == !why.text[0]);
    count = pe_tls_callbacks(image, mapped, base, rvas, 16);
    for (size_t i = 0; i < count && i < 16; i++)
        require(rvas[i] < image->image_size);
}

static void lay_out(const struct pe_image *image, gva_t base)
{
    struct diag why = {""};
    uint8_t *mapped = NULL;
    enum err e = pe_layout(image, base, &mapped, &why);

    require(!e == !why.text[0] && !e == !!mapped);
    if (!e) {
        walk(image, (struct bytes){mapped, image->image_size}, base);
        /* as a guest that changed its own image would hand it back */
        memset(mapped, 0xFF, image->headers_size);
        walk(image, (struct bytes){mapped, image->image_size}, base);
    }
    free(mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pe_image *image = NULL;
    struct diag why = {""};
    enum err e = pe_parse((struct bytes){data, size}, &image, &why);

    require(!e == !why.text[0] && !e == !!image);
    if (e)
        return 0;
    check_sections(image);
    if (image->image_size <= MAPPED_MAX) {
        lay_out(image, image->image_base);
        lay_out(image, 0x12340000);
    }
    pe_free(image);
    return 0;
}
