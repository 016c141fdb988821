/*
 * Coverage in drcov's format, version 2, as DynamoRIO's drcov writes it and Lighthouse reads it: a text header with
 * a table of modules, then 8 bytes for each block: offset in its module, size, number of the module.
 */
#include "run/coverage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/pagemap.h"
#include "winstub/bytes.h"

#define MODULES_MAX 0xffffu    /* numbers have 16 bits */
#define FILE_MAX    (1u << 30) /* bytes */

struct covered {
    gva_t base;
    uint64_t size;
    gva_t entry;
    char *path;
    bool live;   /* there now */
    bool module; /* else memory that is no module's */
};

struct coverage {
    struct process *process;
    struct covered *list;
    size_t count, cap;
    size_t last;           /* where the last block was found */
    struct pagemap blocks; /* offset << 32 | size << 16 | number: the 8 bytes of the format */
    char *at_end;          /* the file to make then; NULL: none */
    bool failed;
};

/* Number of what is appended; SIZE_MAX when it cannot be. */
static size_t append(struct coverage *c, const struct covered *what, const char *path)
{
    char *own = strdup(path);

    if (own && c->count == c->cap && c->count < MODULES_MAX) {
        size_t cap = c->cap ? 2 * c->cap : 32;
        struct covered *grown = realloc(c->list, cap * sizeof *grown);

        if (grown) {
            c->list = grown;
            c->cap = cap;
        }
    }
    if (!own || c->count == c->cap || c->count == MODULES_MAX) {
        free(own);
        c->failed = true;
        return SIZE_MAX;
    }
    c->list[c->count] = *what;
    c->list[c->count].path = own;
    return c->count++;
}

static struct covered *find_module(struct coverage *c, const struct process_module *m)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i].module && c->list[i].base == m->base && c->list[i].size == m->size &&
            strcmp(c->list[i].path, m->path) == 0)
            return &c->list[i];
    }
    return NULL;
}

void coverage_modules(struct coverage *c)
{
    const struct process_module *m;

    for (size_t i = 0; i < c->count; i++)
        c->list[i].live = false;
    for (size_t i = 0; (m = process_module(c->process, i)); i++) {
        struct covered *known = find_module(c, m);
        const struct covered what = {
            .base = m->base, .size = m->size, .entry = m->entry, .live = true, .module = true};

        if (known)
            known->live = true;
        else
            (void)append(c, &what, m->path);
    }
}

/* The allocation around addr, which is no module's. */
static size_t find_memory(struct coverage *c, gva_t addr)
{
    struct covered what = {.live = true};
    struct vm_region region;
    char path[96];

    if (vm_query(process_vm(c->process), addr, &region) || region.state == MEM_FREE)
        return SIZE_MAX;
    what.base = region.allocation_base;
    what.size = region.allocation_size;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->list[i].module && c->list[i].base == what.base && c->list[i].size == what.size) {
            c->list[i].live = true;
            return i;
        }
    }
    (void)snprintf(path, sizeof path, "[%.60s 0x%" PRIx64 "]",
                   region.label[0] ? region.label : "memory", what.base);
    return append(c, &what, path);
}

static size_t find(struct coverage *c, gva_t addr)
{
    const struct covered *last = c->last < c->count ? &c->list[c->last] : NULL;

    if (last && last->live && last->module && addr - last->base < last->size)
        return c->last;
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i].live && c->list[i].module && addr - c->list[i].base < c->list[i].size)
            return i;
    }
    return find_memory(c, addr);
}

static void on_block(void *ctx, gva_t address, uint32_t size)
{
    struct coverage *c = ctx;
    size_t i = find(c, address);
    uint64_t offset;

    if (i == SIZE_MAX)
        return;
    c->last = i;
    offset = address - c->list[i].base;
    if (offset > UINT32_MAX || size > UINT16_MAX)
        return; /* the format has no room for it: memory of more than 4 GiB */
    if (!pagemap_put(&c->blocks, offset << 32 | (uint64_t)size << 16 | i, 0))
        c->failed = true;
}

/* ---- The file ---------------------------------------------------------------------------------- */

static int key_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    x = x << 48 | x >> 16; /* by module, then offset */
    y = y << 48 | y >> 16;
    return x < y ? -1 : x > y;
}

static enum err write_blocks(const struct coverage *c, struct buf *out)
{
    uint64_t *keys = malloc((c->blocks.count + 1) * sizeof *keys), unused;
    size_t at = 0, count = 0;

    if (!keys)
        return ERR_NOMEM;
    while (pagemap_next(&c->blocks, &at, &keys[count], &unused))
        count++;
    qsort(keys, count, sizeof *keys, key_order);
    (void)buf_printf(out, "BB Table: %zu bbs\n", count);
    for (size_t i = 0; i < count; i++) {
        uint8_t block[8];

        put_u32(block, (uint32_t)(keys[i] >> 32));
        put_u16(block + 4, (uint16_t)(keys[i] >> 16));
        put_u16(block + 6, (uint16_t)keys[i]);
        (void)buf_append(out, block, sizeof block);
    }
    free(keys);
    return ERR_OK;
}

enum err coverage_write(const struct coverage *c, struct buf *out)
{
    enum err e;

    if (c->failed)
        return ERR_NOMEM;
    (void)buf_printf(out,
                     "DRCOV VERSION: 2\nDRCOV FLAVOR: drcov\nModule Table: version 2, count %zu\n"
                     "Columns: id, base, end, entry, checksum, timestamp, path\n",
                     c->count);
    for (size_t i = 0; i < c->count; i++) {
        const struct covered *m = &c->list[i];

        (void)buf_printf(out,
                         "%3zu, 0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x%016" PRIx64
                         ", 0x00000000, 0x00000000, ",
                         i, m->base, m->base + m->size, m->entry);
        for (const char *p = m->path; *p; p++)
            (void)buf_byte(out, (uint8_t)*p < 0x20 ? '?' : (uint8_t)*p);
        (void)buf_byte(out, '\n');
    }
    e = write_blocks(c, out);
    return e ? e : out->failed ? ERR_LIMIT : ERR_OK;
}

/* Write it all; false with errno. */
static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t done = write(fd, data, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        len -= (size_t)done;
    }
    return true;
}

static enum err save_bytes(const struct buf *bytes, const char *file, struct diag *why)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool written;

    if (fd < 0)
        return diag_set(why, errno == EEXIST ? ERR_EXISTS : ERR_IO,
                        errno == EEXIST ? "%s is there already; choose another name"
                                        : "%s cannot be made where winstub runs: %s",
                        file, strerror(errno));
    written = write_all(fd, bytes->data, bytes->len);
    written = close(fd) == 0 && written;
    if (written)
        return ERR_OK;
    (void)diag_set(why, ERR_IO, "%s cannot be written: %s", file, strerror(errno));
    (void)unlink(file);
    return ERR_IO;
}

static enum err check_name(const char *file, struct diag *why)
{
    if (file[0] && file[0] != '.' && !strchr(file, '/'))
        return ERR_OK;
    return diag_set(why, ERR_INVALID,
                    "'%.100s' is no plain file name: it is made in the folder where winstub runs",
                    file);
}

enum err coverage_save(const struct coverage *c, const char *file, struct diag *why)
{
    enum err e = check_name(file, why);
    struct buf bytes;

    if (e)
        return e;
    buf_init(&bytes, FILE_MAX);
    e = coverage_write(c, &bytes);
    if (e)
        (void)diag_set(why, e, "%s", err_text(e));
    else
        e = save_bytes(&bytes, file, why);
    buf_fini(&bytes);
    return e;
}

/* ---- The life of it --------------------------------------------------------------------------- */

enum err coverage_new(struct process *process, const char *at_end, struct coverage **out,
                      struct diag *why)
{
    enum err e = at_end ? check_name(at_end, why) : ERR_OK;
    struct coverage *c;

    if (e)
        return e;
    c = calloc(1, sizeof *c);
    if (c && at_end)
        c->at_end = strdup(at_end);
    if (!c || (at_end && !c->at_end)) {
        free(c);
        return diag_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    c->process = process;
    coverage_modules(c);
    cpu_on_block(process_cpu(process), on_block, c);
    *out = c;
    return ERR_OK;
}

void coverage_stop(struct coverage *c)
{
    cpu_on_block(process_cpu(c->process), NULL, NULL);
}

void coverage_free(struct coverage *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->list[i].path);
    free(c->list);
    free(c->at_end);
    pagemap_fini(&c->blocks);
    free(c);
}

enum err coverage_end(const struct coverage *c, const char **file, struct diag *why)
{
    *file = c->at_end;
    return c->at_end ? coverage_save(c, c->at_end, why) : ERR_OK;
}
