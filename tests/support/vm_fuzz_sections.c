/* Operations on sections and views; see vm_fuzz.h. */
#include "vm_fuzz.h"

#include <string.h>

#include "vm_compare.h"
#include "vm_model_priv.h"

/* What is in a file at first. */
static enum err first_bytes(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const struct file *f = ctx;

    memset(dst, (int)(f->number + offset / VM_PAGE_SIZE), len);
    return ERR_OK;
}

static enum err read_file(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const struct file *f = ctx;
    const struct model_section *m = &f->state->model->sections[f->number];
    uint64_t page = offset / VM_PAGE_SIZE;

    check(offset % VM_PAGE_SIZE == 0 && m->file && !m->dirty[page], "a page that was read");
    memcpy(dst, m->bytes[page], len);
    return ERR_OK;
}

/* What is written back is dirty, and is what the twin holds. */
static enum err write_file(void *ctx, uint64_t offset, const void *src, size_t len)
{
    const struct file *f = ctx;
    struct model_section *m = &f->state->model->sections[f->number];
    uint64_t page = offset / VM_PAGE_SIZE;

    check(offset % VM_PAGE_SIZE == 0 && m->file && offset + len <= m->size && m->dirty[page],
          "a page that was written back");
    check(memcmp(src, m->bytes[page], len) == 0, "what was written back");
    m->dirty[page] = false;
    return ERR_OK;
}

/* The twin's number of a section to come; MODEL_SECTIONS when all live on, here or in what was saved. */
static unsigned free_number(const struct state *s)
{
    unsigned n = 0;

    for (; n < MODEL_SECTIONS; n++) {
        bool lives = model_section_lives(s->model, n);

        for (unsigned i = 0; i < MOMENTS; i++)
            lives |= s->moments[i].model && model_section_lives(s->moments[i].model, n);
        if (!lives)
            break;
    }
    return n;
}

/* A section of both; number is free. */
static void new_section(struct state *s, unsigned number, struct vm_section_config config,
                        struct vm_backing file)
{
    nt_status st;

    s->files[number] = (struct file){s, number};
    file.ctx = &s->files[number];
    file.read = read_file;
    config.file = config.file ? &file : NULL;
    TRY(s, st, STATUS_NO_MEMORY, vm_section_new(s->vm, &config, &s->sections[number]));
    file.read = first_bytes;
    check(st == model_section_new(s->model, number, &config), "status of a new section");
}

void do_new_section(struct state *s)
{
    static const uint32_t attributes[] = {SEC_COMMIT,
                                          SEC_RESERVE,
                                          SEC_COMMIT,
                                          SEC_RESERVE | SEC_NOCACHE,
                                          SEC_COMMIT | SEC_WRITECOMBINE,
                                          SEC_RESERVE,
                                          SEC_NOCACHE,
                                          SEC_COMMIT | SEC_RESERVE};
    unsigned n = free_number(s);
    uint8_t how = next_u8(&s->in);
    struct vm_backing file = {.size = how & 1 ? 0x22800 : 0x1800,
                              .write = how & 2 ? write_file : NULL};
    struct vm_section_config config = {.protect = next_section_protect(&s->in),
                                       .attributes = attributes[how >> 2 & 7],
                                       .file = how & 0x80 ? &file : NULL};

    config.size = next_size(&s->in) % (MODEL_SECTION_PAGES * VM_PAGE_SIZE);
    if (n < MODEL_SECTIONS)
        new_section(s, n, config, file);
}

void do_new_image(struct state *s)
{
    static struct vm_image_run runs[5];
    unsigned n = free_number(s);
    struct vm_image image = model_image(next_u8(&s->in));
    nt_status st;

    if (n == MODEL_SECTIONS)
        return;
    memcpy(runs, image.runs, 4 * sizeof *runs);
    runs[4] = runs[3];
    runs[3] = (struct vm_image_run){0x4000, 0x1000, PAGE_READWRITE, ".shared"};
    image.runs = runs;
    image.run_count = 5;
    TRY(s, st, STATUS_NO_MEMORY, vm_section_new_image(s->vm, &image, &s->sections[n]));
    check(st == STATUS_SUCCESS, "a new image");
    model_section_new_image(s->model, n, &image);
}

/* Everything that was dirty has been written back. */
static void check_clean(const struct model_section *m, unsigned first, unsigned end)
{
    for (unsigned p = first; p < end; p++)
        check(!m->dirty[p], "what was left dirty");
}

void do_close_section(struct state *s)
{
    unsigned n = next_u8(&s->in) % MODEL_SECTIONS;

    vm_section_unref(s->sections[n]);
    s->sections[n] = NULL;
    s->model->sections[n].handle = false;
    if (!model_section_lives(s->model, n))
        check_clean(&s->model->sections[n], 0, MODEL_SECTION_PAGES);
}

/* A view of a section that has a handle. */
static void map_view(struct state *s, unsigned number, const struct vm_view_request *req)
{
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY,
        vm_section_map(s->vm, s->sections[number], req, &base[0], &size[0]));
    check(st == model_section_map(s->model, number, req, &base[1], &size[1]), "status of a view");
    check(base[0] == base[1] && size[0] == size[1], "output of a view");
}

/* A section that has a handle; MODEL_SECTIONS: there is none. */
static unsigned next_section(struct state *s)
{
    unsigned first = next_u8(&s->in) % MODEL_SECTIONS;

    for (unsigned i = 0; i < MODEL_SECTIONS; i++) {
        unsigned n = (first + i) % MODEL_SECTIONS;

        if (s->sections[n])
            return n;
    }
    return MODEL_SECTIONS;
}

void do_map_view(struct state *s)
{
    unsigned n = next_section(s);
    uint8_t how = next_u8(&s->in);
    struct vm_view_request req = {.base = how & 1 ? next_addr(&s->in) : 0,
                                  .offset = how & 2 ? next_addr(&s->in) % 0x30000 : 0,
                                  .size = how & 4 ? next_size(&s->in) : 0,
                                  .type = how & 8 ? MEM_TOP_DOWN : 0};

    req.protect = how & 16 ? next_protect(&s->in) : next_section_protect(&s->in);
    if ((how & 0xe0) == 0x20)
        req.zero_bits = next_u8(&s->in) % 34;
    if ((how & 0xe0) == 0x40) {
        req.lowest = next_addr(&s->in);
        req.alignment = UINT64_C(1) << (next_u8(&s->in) & 31);
    }
    if ((how & 0xe0) == 0x60) {
        req.most = next_section_protect(&s->in);
        req.end = next_size(&s->in);
        req.type |= how & 1 ? AT_ROUND_TO_PAGE : 0;
    }
    if (n < MODEL_SECTIONS)
        map_view(s, n, &req);
}

static bool is_placeholder(const struct model *m, unsigned page)
{
    return m->allocations[m->pages[page].allocation].placeholder;
}

void do_replace(struct state *s)
{
    unsigned n = next_section(s);
    uint8_t how = next_u8(&s->in);
    unsigned page = (unsigned)(taken_page(&s->in, next_u8(&s->in)) / VM_PAGE_SIZE), tries = 0;
    struct vm_view_request req = {.type = MEM_REPLACE_PLACEHOLDER,
                                  .protect = next_section_protect(&s->in),
                                  .offset = (how & 15) * (uint64_t)VM_PAGE_SIZE};
    struct vm_region r;

    while (++tries < MODEL_PAGES && !is_placeholder(s->model, page))
        page = (page + 1) % MODEL_PAGES;
    check(!model_query(s->model, page * (gva_t)VM_PAGE_SIZE, &r), "a query of the twin");
    req.base = how & 16 && how & 32 ? r.base + 1 : r.base;
    req.size = r.size + (how & 64 && how & 32 ? VM_PAGE_SIZE : 0);
    if (n < MODEL_SECTIONS)
        map_view(s, n, &req);
}

void do_unmap_back(struct state *s)
{
    gva_t addr = next_addr(&s->in);
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_unmap_to_placeholder(s->vm, addr));
    check(st == model_unmap_to_placeholder(s->model, addr), "status of an unmap to a placeholder");
}

/* A placeholder at each place of three, for views. */
static void start_with_placeholders(struct state *s)
{
    struct vm_request req = {.size = 0x4000,
                             .type = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                             .protect = PAGE_NOACCESS,
                             .extended = true};
    gva_t base;
    uint64_t size;

    for (req.base = 0xa0000; req.base < 0xd0000; req.base += VM_GRANULARITY) {
        check(vm_allocate(s->vm, &req, NULL, NULL) == model_allocate(s->model, &req, &base, &size),
              "status of a placeholder");
    }
}

void start_with_sections(struct state *s)
{
    new_section(
        s, 0, (struct vm_section_config){0x18000, PAGE_EXECUTE_READWRITE, SEC_RESERVE, NULL, NULL},
        (struct vm_backing){0});
    new_section(s, 1, (struct vm_section_config){0x8000, PAGE_READWRITE, SEC_COMMIT, NULL, NULL},
                (struct vm_backing){0});
    new_section(
        s, 2,
        (struct vm_section_config){0, PAGE_READWRITE, SEC_COMMIT, &(struct vm_backing){0}, NULL},
        (struct vm_backing){.size = 0x5800, .write = write_file});
}

void start_with_views(struct state *s)
{
    static const struct {
        unsigned section;
        struct vm_view_request req;
    } views[] = {
        {0, {.base = 0x20000, .protect = PAGE_READWRITE}},
        {0, {.base = 0x40000, .offset = 0x10000, .protect = PAGE_EXECUTE_READWRITE}},
        {0, {.base = 0x50000, .size = 0x4000, .protect = PAGE_EXECUTE_WRITECOPY}},
        {1, {.base = 0x60000, .protect = PAGE_READWRITE}},
        {1, {.base = 0x70000, .size = 0x6000, .protect = PAGE_READONLY}},
        {2, {.base = 0x80000, .protect = PAGE_READWRITE}},
        {2, {.base = 0x90000, .size = 0x3000, .protect = PAGE_WRITECOPY}},
        {2,
         {.base = 0xa0000,
          .size = 0x4000,
          .type = MEM_REPLACE_PLACEHOLDER,
          .protect = PAGE_READWRITE}},
    };

    start_with_placeholders(s);
    for (unsigned i = 0; i < sizeof views / sizeof *views; i++)
        map_view(s, views[i].section, &views[i].req);
}

void do_flush(struct state *s)
{
    gva_t addr = next_addr(&s->in);
    uint64_t size = next_size(&s->in);
    struct model_section *m;
    unsigned first, end;

    check(vm_section_flush(s->vm, addr, size) ==
              model_flush(s->model, addr, size, &m, &first, &end),
          "status of flush");
    if (m)
        check_clean(m, first, end);
}

void do_write_file(struct state *s)
{
    unsigned n = next_section(s), first, end;
    uint64_t offset = next_size(&s->in) % (MODEL_SECTION_PAGES * VM_PAGE_SIZE);
    uint64_t size = next_size(&s->in) % (4 * VM_PAGE_SIZE);
    uint8_t value = next_u8(&s->in);
    struct model_section *m = &s->model->sections[n % MODEL_SECTIONS];
    nt_status st;

    if (n == MODEL_SECTIONS)
        return;
    check(!vm_section_write_back(s->sections[n], offset, size), "status of a writing back");
    first = (unsigned)(offset / VM_PAGE_SIZE);
    end = (unsigned)((offset + size + VM_PAGE_SIZE - 1) / VM_PAGE_SIZE);
    end = end < MODEL_SECTION_PAGES ? end : MODEL_SECTION_PAGES;
    if (m->file) {
        check_clean(m, first, end);
        size = size < end * (uint64_t)VM_PAGE_SIZE - offset ? size : 0;
        memset(&m->bytes[0][0] + offset, value, size);
    }
    TRY(s, st, STATUS_NO_MEMORY, vm_section_reread(s->sections[n], offset, size));
    check(!st, "status of a reading again");
}

/* The file of a section grows; never while what was saved knows it as smaller. */
void do_grow(struct state *s)
{
    unsigned n = next_section(s);
    uint64_t size = next_u16(&s->in) * UINT64_C(3) % (MODEL_SECTION_PAGES * VM_PAGE_SIZE);

    for (unsigned i = 0; i < MOMENTS; i++) {
        if (s->moments[i].model)
            return;
    }
    if (n == MODEL_SECTIONS)
        return;
    vm_section_grow(s->sections[n], size);
    model_section_grow(s->model, n, size,
                       &(struct vm_backing){.ctx = &s->files[n], .read = first_bytes});
}

void drop_sections(struct state *s)
{
    for (unsigned n = 0; n < MODEL_SECTIONS; n++) {
        vm_section_unref(s->sections[n]);
        s->model->sections[n].handle = false;
    }
}
