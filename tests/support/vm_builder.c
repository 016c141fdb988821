/* Building blocks for tests of the memory manager; see vm_builder.h. */
#include "vm_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"

/* A test cannot go on; Check runs it in its own process. */
static void give_up(const char *what, nt_status st)
{
    (void)fprintf(stderr, "vm_builder: %s: %s\n", what, nt_text(st));
    abort();
}

struct vm *build_vm(uint32_t frames)
{
    struct vm_config config = {.arena_size = (uint64_t)frames * VM_PAGE_SIZE};
    struct vm *vm;

    if (vm_new(&config, &vm))
        give_up("vm_new", STATUS_NO_MEMORY);
    return vm;
}

gva_t build_memory(struct vm *vm, gva_t base, uint64_t size, uint32_t type, uint32_t protect)
{
    struct vm_request req = {.base = base, .size = size, .type = type, .protect = protect};
    nt_status st = vm_allocate(vm, &req, &base, NULL);

    if (st != STATUS_SUCCESS)
        give_up("vm_allocate", st);
    return base;
}

gva_t build_reserved(struct vm *vm, gva_t base, uint64_t size)
{
    return build_memory(vm, base, size, MEM_RESERVE, PAGE_READWRITE);
}

gva_t build_committed(struct vm *vm, gva_t base, uint64_t size)
{
    return build_memory(vm, base, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

nt_status try_allocate(struct vm *vm, gva_t base, uint64_t size, uint32_t type, uint32_t protect)
{
    struct vm_request req = {.base = base, .size = size, .type = type, .protect = protect};

    return vm_allocate(vm, &req, NULL, NULL);
}

nt_status try_release(struct vm *vm, gva_t base, uint64_t size, uint32_t type)
{
    return vm_release(vm, &base, &size, type);
}

nt_status try_protect(struct vm *vm, gva_t base, uint64_t size, uint32_t protect)
{
    uint32_t old;

    return vm_protect(vm, &base, &size, protect, &old);
}

struct vm_region region_at(const struct vm *vm, gva_t addr)
{
    struct vm_region r;
    nt_status st = vm_query(vm, addr, &r);

    if (st != STATUS_SUCCESS)
        give_up("vm_query", st);
    return r;
}

/* FNV-1a over what a region holds; the same for pages that were never touched and pages of zeros. */
static uint64_t checksum(const struct vm *vm, const struct vm_region *r)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    uint8_t bytes[VM_PAGE_SIZE];

    for (uint64_t at = 0; at < r->size; at += sizeof bytes) {
        size_t got = vm_debug_read(vm, r->base + at, bytes, sizeof bytes);

        for (size_t i = 0; i < got; i++)
            sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

void picture(const struct vm *vm, struct buf *out)
{
    struct vm_region r;

    for (gva_t at = 0; vm_query(vm, at, &r) == STATUS_SUCCESS; at = r.base + r.size) {
        if (r.state == MEM_FREE)
            continue;
        buf_printf(out, "%llx+%llx of %llx+%llx state %x protect %x of %x type %x '%s' %llx %s\n",
                   (unsigned long long)r.base, (unsigned long long)r.size,
                   (unsigned long long)r.allocation_base, (unsigned long long)r.allocation_size,
                   r.state, r.protect, r.allocation_protect, r.type, r.label,
                   (unsigned long long)r.label_size, r.path);
        if (r.state == MEM_COMMIT)
            buf_printf(out, "  holds %llx\n", (unsigned long long)checksum(vm, &r));
    }
}

struct memory_of {
    struct buf text;
    struct vm_stats stats;
    uint64_t version;
};

struct memory_of *remember(const struct vm *vm)
{
    struct memory_of *m = calloc(1, sizeof *m);

    if (!m)
        give_up("calloc", STATUS_NO_MEMORY);
    buf_init(&m->text, 64u << 20);
    picture(vm, &m->text);
    vm_get_stats(vm, &m->stats);
    m->version = vm_layout_version(vm);
    return m;
}

bool unchanged(struct memory_of *before, const struct vm *vm)
{
    struct memory_of *now = remember(vm);
    bool same = strcmp(buf_str(&before->text), buf_str(&now->text)) == 0 &&
                before->version == now->version && before->stats.reserved == now->stats.reserved &&
                before->stats.committed == now->stats.committed &&
                before->stats.allocations == now->stats.allocations;

    if (!same)
        (void)fprintf(stderr, "before, version %llu:\n%snow, version %llu:\n%s",
                      (unsigned long long)before->version, buf_str(&before->text),
                      (unsigned long long)now->version, buf_str(&now->text));
    forget_memory(before);
    forget_memory(now);
    return same;
}

void forget_memory(struct memory_of *m)
{
    buf_fini(&m->text);
    free(m);
}

/* ---- Sections --------------------------------------------------------------------------------- */

static struct vm_section *new_section(struct vm *vm, const struct vm_section_config *config)
{
    struct vm_section *s = NULL;
    nt_status st = vm_section_new(vm, config, &s);

    if (st != STATUS_SUCCESS)
        give_up("vm_section_new", st);
    return s;
}

struct vm_section *build_section(struct vm *vm, uint64_t size, uint32_t protect,
                                 uint32_t attributes)
{
    return new_section(vm, &(struct vm_section_config){
                               .size = size, .protect = protect, .attributes = attributes});
}

static enum err file_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
    struct memory_file *file = ctx;
    size_t there = offset < sizeof file->bytes ? sizeof file->bytes - (size_t)offset : 0;

    if (file->broken)
        return ERR_IO;
    file->reads++;
    there = there < len ? there : len;
    memset(dst, 0, len);
    if (there)
        memcpy(dst, file->bytes + offset, there);
    return ERR_OK;
}

static enum err file_write(void *ctx, uint64_t offset, const void *src, size_t len)
{
    struct memory_file *file = ctx;

    if (file->broken || offset > sizeof file->bytes || len > sizeof file->bytes - offset)
        return ERR_IO;
    file->writes++;
    memcpy(file->bytes + offset, src, len);
    return ERR_OK;
}

static void file_release(void *ctx)
{
    ((struct memory_file *)ctx)->releases++;
}

struct vm_backing memory_backing(struct memory_file *file, bool writable)
{
    return (struct vm_backing){.ctx = file,
                               .size = sizeof file->bytes,
                               .read = file_read,
                               .write = writable ? file_write : NULL,
                               .release = file_release};
}

struct vm_section *build_file_section(struct vm *vm, struct memory_file *file, uint32_t protect)
{
    struct vm_backing backing =
        memory_backing(file, protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE));

    return new_section(vm, &(struct vm_section_config){.protect = protect,
                                                       .attributes = SEC_COMMIT,
                                                       .file = &backing,
                                                       .path = "C:\\data.bin"});
}

nt_status try_view(struct vm *vm, struct vm_section *s, gva_t base, uint64_t offset, uint64_t size,
                   uint32_t protect)
{
    struct vm_view_request req = {.base = base, .offset = offset, .size = size, .protect = protect};

    return vm_section_map(vm, s, &req, NULL, NULL);
}

gva_t build_view(struct vm *vm, struct vm_section *s, gva_t base, uint64_t offset, uint64_t size,
                 uint32_t protect)
{
    struct vm_view_request req = {
        .base = base, .offset = offset, .size = size, .protect = protect, .label = "view"};
    nt_status st = vm_section_map(vm, s, &req, &base, NULL);

    if (st != STATUS_SUCCESS)
        give_up("vm_section_map", st);
    return base;
}

uint8_t byte_at(const struct vm *vm, gva_t addr)
{
    uint8_t b = 0;

    if (vm_debug_read(vm, addr, &b, 1) != 1)
        give_up("vm_debug_read", STATUS_NOT_COMMITTED);
    return b;
}

void store_byte(struct vm *vm, gva_t addr, uint8_t value)
{
    struct vm_fill fill;
    uint64_t size;

    if (vm_fill(vm, addr / VM_PAGE_SIZE * VM_PAGE_SIZE, VM_WRITE, &fill) ||
        !(fill.access & VM_WRITE))
        give_up("vm_fill", STATUS_ACCESS_VIOLATION);
    vm_arena(vm, &size)[fill.offset + addr % VM_PAGE_SIZE] = value;
}

nt_status build_image(struct vm *vm, gva_t base)
{
    static const struct vm_image_run runs[] = {
        {0x0000, 0x1000, PAGE_READONLY, "demo.exe header"},
        {0x1000, 0x1000, PAGE_EXECUTE_READ, "demo.exe .text"},
        {0x2000, 0x1000, PAGE_WRITECOPY, "demo.exe .data"},
        {0x3000, 0x1000, PAGE_WRITECOPY, "demo.exe .bss"},
    };
    static uint8_t bytes[0x4000];
    struct vm_image image = {
        .base = base,
        .size = sizeof bytes,
        .bytes = bytes,
        .runs = runs,
        .run_count = COUNT_OF(runs),
        .label = "demo.exe",
        .path = "C:\\demo.exe",
    };

    memset(bytes, 'h', 0x1000);
    memset(bytes + 0x1000, 0xcc, 0x1000);
    memset(bytes + 0x2000, 'd', 0x1000);
    return vm_map_image(vm, &image);
}
