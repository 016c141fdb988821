/*
 * A saved moment from bytes, in the format of winstub/saved.h: what of it can be judged piece by piece. The bytes may come
 * from anybody: every number is checked before it is used, what is made of them is what vm_valid asks for, and memory is
 * taken in proportion to them. The map with its pages is saved_map.c's.
 */
#include "winstub/saved.h"

#include <stdlib.h>
#include <string.h>

#include "vm/saved_read.h"

#define WRITABLE (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)

/* ---- Numbers --------------------------------------------------------------------------------- */

bool saved_bad(struct saved_reader *r, const char *what)
{
    if (!r->error)
        r->error = diag_set(r->why, ERR_FORMAT, "saved memory: %s, at byte %zu", what, r->at);
    return false;
}

bool saved_no_memory(struct saved_reader *r)
{
    if (!r->error)
        r->error = diag_set(r->why, ERR_NOMEM, "no memory to read saved memory");
    return false;
}

/* The next len bytes; NULL when there are not that many before the contents. */
static const uint8_t *take(struct saved_reader *r, uint64_t len)
{
    const uint8_t *bytes = r->in.data + r->at;

    if (len > r->in.len - r->at) {
        (void)saved_bad(r, "a record ends too early");
        return NULL;
    }
    r->at += (size_t)len;
    return bytes;
}

uint32_t saved_u32(struct saved_reader *r)
{
    const uint8_t *bytes = r->error ? NULL : take(r, 4);

    return bytes ? get_u32(bytes) : 0;
}

uint64_t saved_u64(struct saved_reader *r)
{
    const uint8_t *bytes = r->error ? NULL : take(r, 8);

    return bytes ? get_u64(bytes) : 0;
}

bool saved_fits(struct saved_reader *r, uint64_t count, size_t size)
{
    return !r->error &&
           (count <= (r->in.len - r->at) / size || saved_bad(r, "more records than bytes"));
}

bool saved_label(struct saved_reader *r, struct label **out)
{
    uint32_t number = saved_u32(r);

    *out = NULL;
    if (r->error)
        return false;
    if (number > r->text_count)
        return saved_bad(r, "a text that is not there");
    if (number)
        *out = label_ref(r->texts[number - 1]);
    return true;
}

struct pageset *saved_set(struct saved_reader *r, gva_t start, gva_t end)
{
    uint64_t pages = page_number(end - start);
    const uint8_t *bits = r->error ? NULL : take(r, (pages + 7) / 8);
    struct pageset *set = bits ? pageset_new(start, end) : NULL;

    if (bits && !set)
        (void)saved_no_memory(r);
    for (uint64_t i = 0; set && i < pages; i++) {
        if (bits[i / 8] >> i % 8 & 1)
            pageset_set(set, start + i * VM_PAGE_SIZE, true);
    }
    return set;
}

/* ---- Contents -------------------------------------------------------------------------------- */

/* The frame of a content, made at its first use; number 0 is zeros. */
static bool frame_of(struct saved_reader *r, uint32_t number, frame_t *out)
{
    struct frames *frames = &r->vm->physical->frames;
    frame_t *known;

    if (number > r->content_count)
        return saved_bad(r, "a content that is not there");
    known = &r->frames[number];
    if (*known == FRAME_NONE) {
        if (!frames_new(frames, known)) {
            *known = FRAME_NONE;
            return saved_no_memory(r);
        }
        if (number)
            memcpy(frames_bytes(frames, *known), r->contents + (size_t)(number - 1) * VM_PAGE_SIZE,
                   VM_PAGE_SIZE);
    }
    *out = *known;
    return true;
}

bool saved_page(struct saved_reader *r, struct pagetable *pt, uint64_t page, uint32_t number,
                uint32_t protect)
{
    struct frames *frames = &r->vm->physical->frames;
    frame_t frame = FRAME_NONE;

    if (!frame_of(r, number, &frame))
        return false;
    frames_ref(frames, frame);
    if (pt_put(pt, page, pte_make(frame, protect)))
        return true;
    frames_unref(frames, frame);
    return saved_no_memory(r);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static bool read_text(struct saved_reader *r)
{
    uint32_t len = saved_u32(r);
    const uint8_t *bytes = r->error ? NULL : take(r, len);
    char *text;
    bool made;

    if (!bytes)
        return false;
    if (!len || memchr(bytes, 0, len))
        return saved_bad(r, "a text that is empty or holds a NUL");
    text = malloc((size_t)len + 1);
    if (!text)
        return saved_no_memory(r);
    memcpy(text, bytes, len);
    text[len] = 0;
    made = label_new(text, &r->texts[r->text_count]);
    free(text);
    r->text_count += made;
    return made || saved_no_memory(r);
}

static bool read_texts(struct saved_reader *r, uint32_t count)
{
    if (!saved_fits(r, count, SAVED_TEXT_SIZE))
        return false;
    r->texts = calloc((size_t)count + 1, sizeof *r->texts);
    if (!r->texts)
        return saved_no_memory(r);
    while (r->text_count < count) {
        if (!read_text(r))
            return false;
    }
    return true;
}

/* ---- Sections -------------------------------------------------------------------------------- */

/* A file that is not there any more: its pages are all known, and writes stay. */
static enum err read_nothing(void *ctx, uint64_t offset, void *dst, size_t len)
{
    (void)ctx;
    (void)offset;
    memset(dst, 0, len);
    return ERR_OK;
}

static void open_file(struct saved_reader *r, struct vm_section *s)
{
    const char *path = label_text(s->path);

    if (r->files && r->files->open(r->files->ctx, path, s->size, &s->file))
        return;
    s->file = (struct vm_backing){.size = s->size, .read = read_nothing};
}

static bool read_part(struct saved_reader *r, struct vm_section *s)
{
    uint64_t from = s->part_count ? s->parts[s->part_count - 1].end : 0;
    struct image_part *part = &s->parts[s->part_count];

    part->start = saved_u64(r);
    part->end = saved_u64(r);
    part->protect = saved_u32(r);
    if (!saved_label(r, &part->label))
        return false;
    s->part_count++;
    s->writable |= (part->protect & WRITABLE) != 0;
    if (part->start < from || part->start >= part->end || part->end > s->size ||
        part->start % VM_PAGE_SIZE || part->end % VM_PAGE_SIZE ||
        protection_value(part->protect) != part->protect || !protection_valid(part->protect, false))
        return saved_bad(r, "a part of an image that cannot be");
    return true;
}

static bool read_parts(struct saved_reader *r, struct vm_section *s)
{
    uint32_t count = saved_u32(r);

    if (!saved_fits(r, count, SAVED_PART_SIZE))
        return false;
    if (count && s->type != MEM_IMAGE)
        return saved_bad(r, "parts of a section that is no image");
    s->parts = calloc((size_t)count + 1, sizeof *s->parts);
    if (!s->parts)
        return saved_no_memory(r);
    while (s->part_count < count) {
        if (!read_part(r, s))
            return false;
    }
    return true;
}

static bool is_in(const struct section_moment *m, uint64_t page)
{
    return page < section_pages(m->section) &&
           (!m->committed || pageset_has(m->committed, page * VM_PAGE_SIZE));
}

static bool read_section_pages(struct saved_reader *r, struct section_moment *m, bool file)
{
    uint64_t count = saved_u64(r);
    uint64_t next = 0;

    if (!saved_fits(r, count, SAVED_SECTION_PAGE_SIZE))
        return false;
    if (file && count != section_pages(m->section))
        return saved_bad(r, "a file without all of its pages");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = saved_u64(r);
        uint32_t content = saved_u32(r);
        uint32_t flags = saved_u32(r);

        if (r->error || page < next || !is_in(m, page) || flags > SAVED_PAGE_CLEAN)
            return saved_bad(r, "a page that a section cannot have");
        if (!saved_page(r, &m->pages, page, content,
                        PAGE_READWRITE | (file && flags ? PTE_WATCH : 0)))
            return false;
        next = page + 1;
    }
    return true;
}

/* What a section of its kind may say of itself. */
static bool check_section(struct saved_reader *r, const struct vm_section *s, uint32_t flags)
{
    bool file = flags & SAVED_SECTION_FILE, reserved = flags & SAVED_SECTION_RESERVED;
    uint32_t protect = s->protect;

    if (!s->size || s->size > PT_PAGES * VM_PAGE_SIZE || (!file && s->size % VM_PAGE_SIZE) ||
        flags > (SAVED_SECTION_FILE | SAVED_SECTION_RESERVED) || (file && reserved))
        return saved_bad(r, "a section that cannot be");
    if (s->type == MEM_IMAGE)
        return (!flags && !protect) || saved_bad(r, "an image that cannot be");
    if (s->type != MEM_MAPPED || protection_value(protect) != protect ||
        !protection_valid(protect, false) || protect & PAGE_GUARD ||
        (protect & 0xff) == PAGE_NOACCESS || (protect & 0xff) == PAGE_EXECUTE)
        return saved_bad(r, "a section with a protection that cannot be");
    return true;
}

static uint64_t charge_of(const struct section_moment *m, bool file)
{
    uint64_t pages = section_pages(m->section), charge = 0;

    if (file || m->section->type == MEM_IMAGE)
        return 0;
    if (!m->committed)
        return m->section->size;
    for (uint64_t page = 0; page < pages; page++)
        charge += is_in(m, page) ? VM_PAGE_SIZE : 0;
    return charge;
}

bool saved_charge(struct saved_reader *r, uint64_t bytes)
{
    if (bytes > r->vm->physical->commit_limit - r->charge) {
        if (!r->error)
            r->error = diag_set(r->why, ERR_LIMIT,
                                "saved memory: more is committed than 0x%" PRIx64
                                " bytes, the limit; give the vm a larger one",
                                r->vm->physical->commit_limit);
        return false;
    }
    r->charge += bytes;
    return true;
}

/* Fill in a section and its moment, which own each other already. */
static bool read_section_rest(struct saved_reader *r, struct section_moment *m, uint32_t flags)
{
    struct vm_section *s = m->section;
    bool file = flags & SAVED_SECTION_FILE;

    if (!check_section(r, s, flags) || !read_parts(r, s))
        return false;
    if (s->type == MEM_MAPPED)
        s->writable = s->protect & WRITABLE;
    if (flags & SAVED_SECTION_RESERVED) {
        if (!saved_fits(r, page_number(page_up(s->size)) / 8, 1))
            return false;
        m->committed = saved_set(r, 0, s->size);
        if (!m->committed)
            return false;
    }
    m->charge = charge_of(m, file);
    if (file)
        open_file(r, s);
    return saved_charge(r, m->charge) && read_section_pages(r, m, file);
}

static bool read_section(struct saved_reader *r)
{
    struct section_moment *m = &r->saved->sections[r->saved->section_count];
    uint64_t size = saved_u64(r);
    uint32_t type = saved_u32(r), protect = saved_u32(r), flags = saved_u32(r);
    struct label *path;
    struct vm_section *s;
    bool ok;

    if (!saved_label(r, &path))
        return false;
    s = section_make(r->vm->physical, size, type, label_text(path));
    label_unref(path);
    if (!s)
        return saved_no_memory(r);
    *m = (struct section_moment){.section = section_keep(s)};
    pt_init(&m->pages, &r->vm->physical->tables);
    r->saved->section_count++;
    s->protect = protect;
    ok = read_section_rest(r, m, flags);
    vm_section_unref(s); /* the moment keeps it */
    return ok;
}

static bool read_sections(struct saved_reader *r, uint32_t count)
{
    if (!saved_fits(r, count, SAVED_SECTION_SIZE))
        return false;
    r->saved->sections = calloc((size_t)count + 1, sizeof *r->saved->sections);
    if (!r->saved->sections)
        return saved_no_memory(r);
    while (r->saved->section_count < count) {
        if (!read_section(r))
            return false;
    }
    return true;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum err check_header(struct vm *vm, struct bytes in, struct diag *why)
{
    const uint8_t *h = in.data;

    if (in.len < SAVED_HEADER + SAVED_CHECKSUM)
        return in.len < 8 || memcmp(h, SAVED_MAGIC, 8) == 0
                   ? diag_set(why, ERR_TRUNCATED, "saved memory ends after %zu bytes, too early",
                              in.len)
                   : diag_set(why, ERR_FORMAT, "these bytes are no saved memory of winstub's");
    if (memcmp(h, SAVED_MAGIC, 8) != 0)
        return diag_set(why, ERR_FORMAT, "these bytes are no saved memory of winstub's");
    if (get_u32(h + SAVED_AT_VERSION) != SAVED_VERSION)
        return diag_set(why, ERR_UNSUPPORTED,
                        "saved memory of version %u, of which this winstub knows nothing",
                        get_u32(h + SAVED_AT_VERSION));
    if (get_u64(h + SAVED_AT_LENGTH) > in.len)
        return diag_set(why, ERR_TRUNCATED,
                        "saved memory ends after %zu of %" PRIu64 " bytes, too early", in.len,
                        get_u64(h + SAVED_AT_LENGTH));
    if (get_u64(h + SAVED_AT_LENGTH) < in.len)
        return diag_set(why, ERR_FORMAT, "saved memory has bytes behind its end");
    if (get_u32(h + in.len - SAVED_CHECKSUM) !=
        crc32_of((struct bytes){h, in.len - SAVED_CHECKSUM}))
        return diag_set(why, ERR_FORMAT, "saved memory is damaged: its checksum is wrong");
    if (get_u64(h + SAVED_AT_LIMIT) != vm->allocs.limit)
        return diag_set(why, ERR_UNSUPPORTED,
                        "saved memory is of addresses up to 0x%" PRIx64 ", not 0x%" PRIx64,
                        get_u64(h + SAVED_AT_LIMIT), vm->allocs.limit);
    return ERR_OK;
}

/* What the header says about the rest. Leaves r->in ending where the contents begin. */
static bool read_header(struct saved_reader *r)
{
    const uint8_t *h = r->in.data;
    uint32_t flags = get_u32(h + SAVED_AT_FLAGS);
    gva_t base = get_u64(h + SAVED_AT_BASE);

    r->at = SAVED_HEADER;
    r->in.len -= SAVED_CHECKSUM;
    r->content_count = get_u32(h + SAVED_AT_CONTENTS);
    if (flags > SAVED_DEP || base < VM_LOWEST || base >= r->vm->allocs.limit ||
        base % VM_GRANULARITY)
        return saved_bad(r, "a header that cannot be");
    if (!saved_fits(r, r->content_count, VM_PAGE_SIZE))
        return false;
    r->in.len -= (size_t)r->content_count * VM_PAGE_SIZE;
    r->contents = h + r->in.len;
    r->saved->dep = flags & SAVED_DEP;
    r->saved->default_base = base;
    r->frames = malloc(((size_t)r->content_count + 1) * sizeof *r->frames);
    if (!r->frames)
        return saved_no_memory(r);
    for (size_t i = 0; i <= r->content_count; i++)
        r->frames[i] = FRAME_NONE;
    return true;
}

static bool read_all(struct saved_reader *r)
{
    const uint8_t *h = r->in.data;

    if (!read_header(r) || !read_texts(r, get_u32(h + SAVED_AT_TEXTS)) ||
        !read_sections(r, get_u32(h + SAVED_AT_SECTIONS)) || !saved_map_read(r))
        return false;
    return r->at == r->in.len || saved_bad(r, "bytes that belong to nothing");
}

static void drop_reader(struct saved_reader *r)
{
    for (size_t i = 0; r->frames && i <= r->content_count; i++) {
        if (r->frames[i] != FRAME_NONE)
            frames_unref(&r->vm->physical->frames, r->frames[i]);
    }
    for (size_t i = 0; i < r->text_count; i++)
        label_unref(r->texts[i]);
    free(r->texts);
    free(r->frames);
}

enum err vm_saved_read(struct vm *vm, const void *bytes, size_t len,
                       const struct vm_saved_files *files, struct vm_saved **out, struct diag *why)
{
    struct saved_reader r = {.vm = vm, .in = {bytes, len}, .files = files, .why = why};
    enum err e = check_header(vm, r.in, why);

    if (e)
        return e;
    r.saved = saved_new(vm);
    if (!r.saved)
        return diag_set(why, ERR_NOMEM, "no memory to read saved memory");
    (void)read_all(&r);
    drop_reader(&r);
    if (r.error) {
        vm_saved_free(r.saved);
        return r.error;
    }
    *out = r.saved;
    return ERR_OK;
}
