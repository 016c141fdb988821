/* A saved moment as bytes, in the format of winstub/saved.h. What a moment is made of is save.h's. */
#include "winstub/saved.h"

#include <stdlib.h>
#include <string.h>

#include "vm/save.h"
#include "vm/saved_format.h"
#include "winstub/bytes.h"

#define NUMBER_ZEROS UINT32_MAX /* in numbers: this frame is known to be all zeros */

/* Bytes of a content: a frame's, or a page of a file that has none. */
struct source {
    frame_t frame; /* FRAME_NONE: of the file */
    const struct vm_section *section;
    uint64_t page;
};

struct writer {
    const struct vm_saved *saved;
    struct buf *out;
    const char **texts; /* number - 1 -> text */
    size_t text_count, text_cap;
    const struct section_moment **sections; /* number - 1 -> those that views show */
    size_t section_count;
    uint32_t *numbers; /* frame -> its content's number, 0: not seen yet */
    struct source *contents;
    size_t content_count, content_cap;
    bool no_memory;
};

/* Room for one more object in a list; false when memory is short. */
static bool grow(struct writer *w, void **list, size_t *cap, size_t count, size_t size)
{
    void *more;

    if (count < *cap)
        return true;
    more = realloc(*list, 2 * (count + 8) * size);
    w->no_memory |= !more;
    if (!more)
        return false;
    *list = more;
    *cap = 2 * (count + 8);
    return true;
}

static void put8(struct writer *w, const void *bytes, size_t len)
{
    (void)buf_append(w->out, bytes, len);
}

static void put32(struct writer *w, uint32_t value)
{
    uint8_t raw[4];

    put_u32(raw, value);
    put8(w, raw, sizeof raw);
}

static void put64(struct writer *w, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    put8(w, raw, sizeof raw);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_text(struct writer *w, const struct label *label)
{
    if (label && grow(w, (void **)&w->texts, &w->text_cap, w->text_count, sizeof *w->texts))
        w->texts[w->text_count++] = label_text(label);
}

/* All texts, each once, in order. */
static void collect_texts(struct writer *w)
{
    const struct layout *l = w->saved->layout;
    size_t kept = 0;

    for (size_t i = 0; i < l->allocation_count; i++)
        collect_text(w, l->allocations[i].label);
    for (size_t i = 0; i < l->run_count; i++)
        collect_text(w, l->runs[i].label);
    for (size_t i = 0; i < w->saved->section_count; i++) {
        const struct vm_section *s = w->saved->sections[i].section;

        collect_text(w, s->path);
        for (size_t part = 0; part < s->part_count; part++)
            collect_text(w, s->parts[part].label);
    }
    if (w->text_count)
        qsort(w->texts, w->text_count, sizeof *w->texts, compare_texts);
    for (size_t i = 0; i < w->text_count; i++) {
        if (!kept || strcmp(w->texts[kept - 1], w->texts[i]) != 0)
            w->texts[kept++] = w->texts[i];
    }
    w->text_count = kept;
}

static uint32_t number_of_text(const struct writer *w, const struct label *label)
{
    const char *text = label_text(label);
    const char **found = NULL;

    if (label && w->text_count)
        found = bsearch(&text, w->texts, w->text_count, sizeof *w->texts, compare_texts);
    return found ? (uint32_t)(found - w->texts) + 1 : 0;
}

static void write_texts(struct writer *w)
{
    for (size_t i = 0; i < w->text_count; i++) {
        size_t len = strlen(w->texts[i]);

        put32(w, (uint32_t)len);
        put8(w, w->texts[i], len);
    }
}

/* ---- Contents -------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, VM_PAGE_SIZE - 1) == 0;
}

static uint32_t add_content(struct writer *w, struct source source)
{
    if (!grow(w, (void **)&w->contents, &w->content_cap, w->content_count, sizeof *w->contents))
        return 0;
    w->contents[w->content_count++] = source;
    return (uint32_t)w->content_count;
}

/* The number of what is in a frame; 0 for zeros. */
static uint32_t number_of_frame(struct writer *w, frame_t frame)
{
    uint32_t *number = &w->numbers[frame];

    if (!*number) {
        bool zero = is_zero(frames_bytes(w->saved->pages.space->frames, frame));

        *number = zero ? NUMBER_ZEROS : add_content(w, (struct source){.frame = frame});
    }
    return *number == NUMBER_ZEROS ? 0 : *number;
}

static enum err write_content(struct writer *w, const struct source *c, struct diag *why)
{
    const struct frames *frames = w->saved->pages.space->frames;
    uint8_t *bytes;
    enum err e;

    if (c->frame != FRAME_NONE) {
        put8(w, frames_bytes(frames, c->frame), VM_PAGE_SIZE);
        return ERR_OK;
    }
    bytes = buf_extend(w->out, VM_PAGE_SIZE);
    if (!bytes)
        return ERR_OK; /* the caller looks at the buffer */
    e = c->section->file.read(c->section->file.ctx, c->page * VM_PAGE_SIZE, bytes, VM_PAGE_SIZE);
    return e ? diag_set(why, ERR_IO, "%s cannot be read at 0x%" PRIx64 ": %s",
                        label_text(c->section->path), c->page * VM_PAGE_SIZE, err_text(e))
             : ERR_OK;
}

/* ---- Sections -------------------------------------------------------------------------------- */

/* The number of a section, from 1; 0 for NULL, and for one that is not among w->sections. */
static uint32_t number_of_section(const struct writer *w, const struct vm_section *section)
{
    for (size_t s = 0; section && s < w->section_count; s++) {
        if (w->sections[s]->section == section)
            return (uint32_t)s + 1;
    }
    return 0;
}

/* Put the sections that views show in the order of their first views; the others are left out. */
static bool order_sections(struct writer *w)
{
    const struct layout *l = w->saved->layout;

    w->sections = calloc(w->saved->section_count + 1, sizeof *w->sections);
    if (!w->sections)
        return false;
    for (size_t i = 0; i < l->allocation_count; i++) {
        const struct section_moment *m = w->saved->sections;
        const struct vm_section *shown = l->allocations[i].section;

        if (!shown || number_of_section(w, shown))
            continue;
        while (m->section != shown)
            m++;
        w->sections[w->section_count++] = m;
    }
    return true;
}

/* One bit for each of so many pages from start on. */
static void write_set(struct writer *w, const struct pageset *set, gva_t start, uint64_t pages)
{
    for (uint64_t first = 0; first < pages; first += 8) {
        uint8_t byte = 0;

        for (uint64_t i = first; i < pages && i < first + 8; i++)
            byte |= (uint8_t)(pageset_has(set, start + i * VM_PAGE_SIZE) << (i - first));
        put8(w, &byte, 1);
    }
}

static void write_section_page(struct writer *w, uint64_t page, uint32_t content, bool clean)
{
    put64(w, page);
    put32(w, content);
    put32(w, clean ? SAVED_PAGE_CLEAN : 0);
}

/* The pages of a section without a file; only what is not zero says anything. */
static void write_own_pages(struct writer *w, const struct section_moment *m)
{
    uint64_t count = 0, page = 0;
    pte_t e;

    for (; pt_next(&m->pages, &page, PT_PAGES, &e); page++)
        count += number_of_frame(w, pte_frame(e)) != 0;
    put64(w, count);
    for (page = 0; pt_next(&m->pages, &page, PT_PAGES, &e); page++) {
        uint32_t content = number_of_frame(w, pte_frame(e));

        if (content)
            write_section_page(w, page, content, false);
    }
}

/* All pages of a file. */
static void write_file_pages(struct writer *w, const struct section_moment *m)
{
    uint64_t pages = section_pages(m->section);

    put64(w, pages);
    for (uint64_t page = 0; page < pages; page++) {
        struct source source = {FRAME_NONE, m->section, page};
        bool shared;
        pte_t e = pt_get(&m->pages, page, &shared);
        uint32_t content = e ? number_of_frame(w, pte_frame(e)) : add_content(w, source);

        write_section_page(w, page, content, !e || e & PTE_WATCH);
    }
}

static void write_section(struct writer *w, const struct section_moment *m)
{
    const struct vm_section *s = m->section;

    put64(w, s->size);
    put32(w, s->type);
    put32(w, s->protect);
    put32(w, (s->file.read ? SAVED_SECTION_FILE : 0) | (m->committed ? SAVED_SECTION_RESERVED : 0));
    put32(w, number_of_text(w, s->path));
    put32(w, (uint32_t)s->part_count);
    for (size_t i = 0; i < s->part_count; i++) {
        put64(w, s->parts[i].start);
        put64(w, s->parts[i].end);
        put32(w, s->parts[i].protect);
        put32(w, number_of_text(w, s->parts[i].label));
    }
    if (m->committed)
        write_set(w, m->committed, 0, section_pages(s));
    if (s->file.read)
        write_file_pages(w, m);
    else
        write_own_pages(w, m);
}

/* ---- The map --------------------------------------------------------------------------------- */

/* The number of the label of the allocation that starts at base. */
static uint32_t number_of_label(const struct writer *w, gva_t base)
{
    const struct layout *l = w->saved->layout;
    size_t i = 0;

    while (l->allocations[i].base != base)
        i++;
    return number_of_text(w, l->allocations[i].label);
}

static void write_foreign(struct writer *w)
{
    const struct layout *l = w->saved->layout;

    for (size_t i = 0; i < l->foreign_count; i++) {
        put64(w, l->foreign[i].base);
        put64(w, l->foreign[i].size);
        put32(w, foreign_is_device(l->foreign[i].memory) ? SAVED_DEVICE : SAVED_LENT);
        put32(w, number_of_label(w, l->foreign[i].base));
    }
}

/* Do two runs say the same? Their labels may be two copies of one text. */
static bool alike(const struct writer *w, const struct saved_run *a, const struct saved_run *b)
{
    return a->protect == b->protect && a->written == b->written &&
           number_of_text(w, a->label) == number_of_text(w, b->label);
}

static void write_runs(struct writer *w, const struct saved_run *runs, size_t n)
{
    uint32_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += i + 1 == n || !alike(w, &runs[i], &runs[i + 1]);
    put32(w, count);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && alike(w, &runs[i], &runs[i + 1]))
            continue;
        put64(w, runs[i].end);
        put32(w, runs[i].protect);
        put32(w, number_of_text(w, runs[i].label));
        put32(w, runs[i].written ? SAVED_RUN_WRITTEN : 0);
    }
}

static void write_allocations(struct writer *w)
{
    const struct layout *l = w->saved->layout;
    const struct saved_run *runs = l->runs;

    for (size_t i = 0; i < l->allocation_count; i++) {
        const struct saved_allocation *a = &l->allocations[i];

        put64(w, a->base);
        put64(w, a->end);
        put32(w, a->type);
        put32(w, a->protect);
        put32(w, (a->placeholder ? SAVED_PLACEHOLDER : 0) | (a->foreign ? SAVED_FOREIGN : 0) |
                     (a->writes ? SAVED_WATCHED : 0) | (a->replaced ? SAVED_REPLACED : 0));
        put32(w, number_of_text(w, a->label));
        put32(w, number_of_section(w, a->section));
        put64(w, a->first);
        if (a->writes)
            write_set(w, a->writes, a->base, page_number(a->end - a->base));
        write_runs(w, runs, a->run_count);
        runs += a->run_count;
    }
}

/* The allocation that holds a page, from i on. */
static const struct saved_allocation *holder(const struct layout *l, size_t *i, gva_t addr)
{
    while (l->allocations[*i].end <= addr)
        ++*i;
    return &l->allocations[*i];
}

static uint64_t write_pages(struct writer *w)
{
    uint64_t count = 0, page = 0;
    size_t i = 0;
    pte_t e;

    for (; pt_next(&w->saved->pages, &page, PT_PAGES, &e); page++) {
        const struct saved_allocation *a = holder(w->saved->layout, &i, page * VM_PAGE_SIZE);
        uint32_t content = number_of_frame(w, pte_frame(e));

        if (!content && !a->section)
            continue;
        put64(w, page);
        put32(w, content);
        count++;
    }
    return count;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The header's numbers are known last. */
static void fill_header(struct writer *w, size_t start, uint64_t pages)
{
    const struct layout *l = w->saved->layout;
    uint8_t *h = w->out->data + start;

    memcpy(h, SAVED_MAGIC, 8);
    put_u32(h + SAVED_AT_VERSION, SAVED_VERSION);
    put_u32(h + SAVED_AT_FLAGS, w->saved->dep ? SAVED_DEP : 0);
    put_u64(h + SAVED_AT_LENGTH, w->out->len - start + SAVED_CHECKSUM);
    put_u64(h + SAVED_AT_LIMIT, l->vm->allocs.limit);
    put_u64(h + SAVED_AT_BASE, w->saved->default_base);
    put_u32(h + SAVED_AT_TEXTS, (uint32_t)w->text_count);
    put_u32(h + SAVED_AT_SECTIONS, (uint32_t)w->section_count);
    put_u32(h + SAVED_AT_FOREIGN, (uint32_t)l->foreign_count);
    put_u32(h + SAVED_AT_ALLOCATIONS, (uint32_t)l->allocation_count);
    put_u32(h + SAVED_AT_CONTENTS, (uint32_t)w->content_count);
    put_u64(h + SAVED_AT_PAGES, pages);
}

static enum err write_all(struct writer *w, struct diag *why)
{
    size_t start = w->out->len;
    uint64_t pages;

    (void)buf_extend(w->out, SAVED_HEADER);
    write_texts(w);
    for (size_t i = 0; i < w->section_count; i++)
        write_section(w, w->sections[i]);
    write_foreign(w);
    write_allocations(w);
    pages = write_pages(w);
    for (size_t i = 0; i < w->content_count && !w->out->failed; i++) {
        enum err e = write_content(w, &w->contents[i], why);

        if (e)
            return e;
    }
    if (w->no_memory)
        return diag_set(why, ERR_NOMEM, "no memory to write down saved memory");
    if (!w->out->failed) {
        fill_header(w, start, pages);
        put32(w, crc32_of((struct bytes){w->out->data + start, w->out->len - start}));
    }
    if (w->out->failed)
        return diag_set(why, w->out->len + VM_PAGE_SIZE > w->out->limit ? ERR_LIMIT : ERR_NOMEM,
                        "no room for the bytes of saved memory: the buffer may hold %zu",
                        w->out->limit);
    return ERR_OK;
}

enum err vm_saved_write(const struct vm_saved *saved, struct buf *out, struct diag *why)
{
    struct writer w = {.saved = saved, .out = out};
    size_t start = out->len;
    enum err e = ERR_NOMEM;

    w.numbers = calloc((size_t)saved->pages.space->frames->fresh + 1, sizeof *w.numbers);
    if (w.numbers && order_sections(&w)) {
        collect_texts(&w);
        e = write_all(&w, why);
    } else {
        (void)diag_set(why, e, "no memory to write down saved memory");
    }
    if (e)
        out->len = start;
    free(w.numbers);
    free(w.sections);
    free(w.texts);
    free(w.contents);
    return e;
}
