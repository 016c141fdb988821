/* Section services, and the files of national language support, which the kernel maps by itself. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/pe_format.h"
#include "nt/root.h"
#include "nt/sections.h"
#include "nt/services.h"

/* Section attributes (SEC_*). */
#define SEC_IMAGE_BIT   0x01000000u
#define SEC_RESERVE_BIT 0x04000000u
#define SEC_COMMIT_BIT  0x08000000u
#define SEC_ALL         0x7dc00000u

enum { QUERY_BASIC = 0, QUERY_IMAGE = 1 };
enum { NLS_SORT = 9, NLS_CASE = 10, NLS_CODE_PAGE = 11, NLS_NORMALIZE = 12 };

#define LOCALE_US        0x409
#define SECTION_SIZE_MAX (UINT64_C(1) << 40)
#define NLS_FILE_MAX     (64u << 20)

/* ---- Creating --------------------------------------------------------------------------------- */

static nt_status read_file(struct file *file, struct buf *out)
{
    struct stat st;
    uint8_t *room;
    size_t size, done = 0;

    if (fstat(file->fd, &st) || (uint64_t)st.st_size > out->limit)
        return STATUS_SECTION_TOO_BIG;
    size = (size_t)st.st_size;
    room = buf_extend(out, size);
    if (size && !room)
        return STATUS_NO_MEMORY;
    while (done < size) {
        ssize_t got = pread(file->fd, room + done, size - done, (off_t)done);

        if (got <= 0)
            return STATUS_IN_PAGE_ERROR;
        done += (size_t)got;
    }
    return STATUS_SUCCESS;
}

/* What a file that is no image for this process is to NT. */
static nt_status image_status(enum err e, const struct buf *bytes)
{
    if (e == ERR_NOMEM)
        return STATUS_NO_MEMORY;
    if (bytes->len < 2 || bytes->data[0] != 'M' || bytes->data[1] != 'Z')
        return bytes->len ? STATUS_INVALID_IMAGE_NOT_MZ : STATUS_INVALID_FILE_FOR_SECTION;
    return STATUS_INVALID_IMAGE_FORMAT;
}

static nt_status fill_image(struct call *call, struct section *section)
{
    struct bytes file = {section->bytes.data, section->bytes.len};
    enum err e = pe_parse(file, &section->image, NULL);

    if (e)
        return image_status(e, &section->bytes);
    if (section->image->arch != call->process->arch)
        return STATUS_INVALID_IMAGE_FORMAT;
    section->size = section->image->image_size;
    return STATUS_SUCCESS;
}

/* Read the file behind the handle into the section. */
static nt_status fill_from_file(struct call *call, struct section *section, struct file *file,
                                uint64_t size)
{
    nt_status st = read_file(file, &section->bytes);

    if (st || section->kind == SECTION_IMAGE)
        return st ? st : fill_image(call, section);
    if (!section->bytes.len && !size)
        return STATUS_MAPPED_FILE_SIZE_ZERO;
    if (size > section->bytes.len)
        return STATUS_SECTION_TOO_BIG;
    section->size = size ? size : section->bytes.len;
    return STATUS_SUCCESS;
}

static nt_status make_section(struct call *call, uint64_t size, struct section **out)
{
    uint32_t attributes = (uint32_t)call->arg[5];
    bool is_image = attributes & SEC_IMAGE_BIT;
    struct file *file = NULL;
    nt_status st = STATUS_SUCCESS;

    if (call->arg[6])
        st = files_get(&call->kernel->handles, call->arg[6], &file);
    if (!st && file && file->kind != FILE_REGULAR)
        st = STATUS_INVALID_FILE_FOR_SECTION;
    if (!st && !file && (is_image || !size))
        st = is_image ? STATUS_INVALID_FILE_FOR_SECTION : STATUS_INVALID_PARAMETER_4;
    if (st)
        return st;
    *out = section_new(is_image ? SECTION_IMAGE
                       : file   ? SECTION_FILE
                                : SECTION_PAGEFILE,
                       file ? file->path : "");
    if (!*out)
        return STATUS_NO_MEMORY;
    (*out)->protect = (uint32_t)call->arg[4];
    (*out)->attributes = attributes;
    (*out)->size = size;
    return file ? fill_from_file(call, *out, file, size) : STATUS_SUCCESS;
}

nt_status serve_NtCreateSection(struct call *call)
{
    struct section *section = NULL;
    uint64_t size = 0, handle;
    nt_status st = STATUS_SUCCESS;

    if (call->arg[3])
        st = guest_get_number(call->process, call->arg[3], 8, &size);
    if (!st && ((call->arg[5] & ~(uint64_t)SEC_ALL) ||
                !(call->arg[5] & (SEC_IMAGE_BIT | SEC_RESERVE_BIT | SEC_COMMIT_BIT))))
        st = STATUS_INVALID_PARAMETER_6;
    if (!st && size > SECTION_SIZE_MAX)
        st = STATUS_SECTION_TOO_BIG;
    if (!st)
        st = make_section(call, size, &section);
    if (!st)
        st = handles_add(&call->kernel->handles, &section->object, (uint32_t)call->arg[1], &handle);
    if (!st)
        st = guest_put_pointer(call->process, call->arg[0], handle);
    if (section)
        object_unref(&section->object);
    return st;
}

nt_status serve_NtOpenSection(struct call *call)
{
    struct attributes attributes;
    nt_status st = attributes_read(call->process, call->arg[2], &attributes);

    if (st)
        return st;
    attributes_fini(&attributes);
    return STATUS_OBJECT_NAME_NOT_FOUND; /* no section has a name */
}

/* ---- Asking ----------------------------------------------------------------------------------- */

static nt_status get_section(struct call *call, uint64_t handle, struct section **out)
{
    struct object *object = NULL;
    nt_status st = handles_get(&call->kernel->handles, handle, &section_class, &object);

    *out = (struct section *)object;
    return st;
}

static void put_image(struct nt_block *out, const struct section *section)
{
    const struct pe_image *image = section->image;

    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_IMAGE));
    nt_put(out, 0, NT_IMAGE_ENTRY, image->entry_rva ? image->image_base + image->entry_rva : 0);
    nt_put(out, 0, NT_IMAGE_STACK_RESERVE, image->stack_reserve);
    nt_put(out, 0, NT_IMAGE_STACK_COMMIT, image->stack_commit);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM, image->subsystem);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM_MAJOR, 6);
    nt_put(out, 0, NT_IMAGE_CHARACTERISTICS, image->characteristics);
    nt_put(out, 0, NT_IMAGE_DLL_CHARACTERISTICS, image->dll_characteristics);
    nt_put(out, 0, NT_IMAGE_MACHINE, image->machine);
    nt_put(out, 0, NT_IMAGE_HAS_CODE, 1);
    nt_put(out, 0, NT_IMAGE_FILE_SIZE, section->bytes.len);
    nt_put(out, 0, NT_IMAGE_CHECKSUM, image->checksum);
}

static void put_basic(struct nt_block *out, const struct section *section)
{
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_SECTION));
    nt_put(out, 0, NT_SECTION_FLAGS, section->attributes);
    nt_put(out, 0, NT_SECTION_SIZE, round_up(section->size, VM_PAGE_SIZE));
}

nt_status serve_NtQuerySection(struct call *call)
{
    struct section *section;
    struct nt_block out;
    nt_status st = get_section(call, call->arg[0], &section);

    if (st)
        return st;
    if (call->arg[1] > QUERY_IMAGE)
        return STATUS_INVALID_INFO_CLASS;
    if (call->arg[1] == QUERY_IMAGE && section->kind != SECTION_IMAGE)
        return STATUS_SECTION_NOT_IMAGE;
    nt_block_init(&out, call->process->arch, 0, 256);
    if (call->arg[1] == QUERY_IMAGE)
        put_image(&out, section);
    else
        put_basic(&out, section);
    st = guest_answer(call->process, &out, call->arg[2], call->arg[3], 0);
    if (!st && call->arg[4])
        st = guest_put_pointer(call->process, call->arg[4], out.bytes.len);
    nt_block_fini(&out);
    return st;
}

/* ---- Views ------------------------------------------------------------------------------------ */

nt_status serve_NtMapViewOfSection(struct call *call)
{
    struct process *p = call->process;
    struct section *section = NULL;
    uint64_t offset = 0, size = 0;
    gva_t base = 0;
    nt_status st = service_own_process(call, call->arg[1]), mapped;

    if (!st)
        st = get_section(call, call->arg[0], &section);
    if (!st)
        st = guest_get_pointer(p, call->arg[2], &base);
    if (!st && call->arg[5])
        st = guest_get_number(p, call->arg[5], 8, &offset);
    if (!st)
        st = guest_get_pointer(p, call->arg[6], &size);
    if (st)
        return st;
    mapped = section_map(p, section, offset, (uint32_t)call->arg[9], &base, &size);
    if (!NT_SUCCESS(mapped))
        return mapped;
    st = guest_put_pointer(p, call->arg[2], base);
    if (!st)
        st = guest_put_pointer(p, call->arg[6], size);
    return st ? st : mapped;
}

static nt_status unmap(struct call *call)
{
    nt_status st = service_own_process(call, call->arg[0]);

    return st ? st : section_unmap(call->process, call->arg[1]);
}

nt_status serve_NtUnmapViewOfSection(struct call *call)
{
    return unmap(call);
}

nt_status serve_NtUnmapViewOfSectionEx(struct call *call)
{
    return unmap(call);
}

/* ---- National language support ---------------------------------------------------------------- */

/* Map one of the files, read-only. STATUS_OBJECT_NAME_NOT_FOUND */
static nt_status map_nls(struct call *call, const char *name, gva_t *base, uint64_t *size)
{
    struct section *section = section_new(SECTION_FILE, name);
    nt_status st = STATUS_OBJECT_NAME_NOT_FOUND;
    struct diag why = {{0}};

    if (!section)
        return STATUS_NO_MEMORY;
    section->bytes.limit = NLS_FILE_MAX;
    if (!root_read(call->kernel->root.nls, name, &section->bytes, &why)) {
        section->size = section->bytes.len;
        *base = *size = 0;
        st = section_map(call->process, section, 0, PAGE_READONLY, base, size);
        *size = section->size;
    }
    object_unref(&section->object);
    return st;
}

nt_status serve_NtInitializeNlsFiles(struct call *call)
{
    struct process *p = call->process;
    uint64_t size = 0;
    gva_t base = 0;
    nt_status st = map_nls(call, "locale.nls", &base, &size);

    if (!st)
        st = guest_put_pointer(p, call->arg[0], base);
    if (!st)
        st = guest_put_number(p, call->arg[1], 4, LOCALE_US);
    if (!st && call->arg[2])
        st = guest_put_number(p, call->arg[2], 8, size);
    return st;
}

/* The file of a section; STATUS_INVALID_PARAMETER_1 for a type that does not exist. */
static nt_status nls_name(uint64_t type, uint64_t id, char name[32])
{
    static const struct {
        uint32_t id;
        const char *name;
    } forms[] = {{1, "normnfc.nls"},
                 {2, "normnfd.nls"},
                 {5, "normnfkc.nls"},
                 {6, "normnfkd.nls"},
                 {13, "normidna.nls"}};

    switch (type) {
    case NLS_SORT:
        (void)snprintf(name, 32, "sortdefault.nls");
        return id ? STATUS_INVALID_PARAMETER_1 : STATUS_SUCCESS;
    case NLS_CASE:
        (void)snprintf(name, 32, "l_intl.nls");
        return id ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
    case NLS_CODE_PAGE:
        (void)snprintf(name, 32, "c_%03u.nls", (unsigned)id);
        return STATUS_SUCCESS;
    case NLS_NORMALIZE:
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            if (forms[i].id == id) {
                (void)snprintf(name, 32, "%s", forms[i].name);
                return STATUS_SUCCESS;
            }
        }
        return STATUS_OBJECT_NAME_NOT_FOUND;
    default:
        return STATUS_INVALID_PARAMETER_1;
    }
}

nt_status serve_NtGetNlsSectionPtr(struct call *call)
{
    char name[32];
    uint64_t size = 0;
    gva_t base = 0;
    nt_status st = nls_name(call->arg[0], call->arg[1], name);

    if (!st)
        st = map_nls(call, name, &base, &size);
    if (!st)
        st = guest_put_pointer(call->process, call->arg[3], base);
    return st ? st : guest_put_pointer(call->process, call->arg[4], size);
}
