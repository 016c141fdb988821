/* Section services, and the files of national language support, which the kernel maps by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image/pe_format.h"
#include "nt/io.h"
#include "nt/root.h"
#include "nt/sections.h"
#include "nt/services.h"

#define EXECUTE_PROTECTS (PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)
#define WRITE_PROTECTS   (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)

enum { QUERY_BASIC = 0, QUERY_IMAGE = 1 };
enum { UNMAP_TRANSIENT_BOOST = 1 }; /* a hint about priorities */
enum { NLS_SORT = 9, NLS_CASE = 10, NLS_CODE_PAGE = 11, NLS_NORMALIZE = 12 };

#define LOCALE_US        0x409
#define SECTION_SIZE_MAX (UINT64_C(1) << 40)
#define NLS_FILE_MAX     (64u << 20)

/* ---- Creating --------------------------------------------------------------------------------- */

/* The file behind the handle, which must have the rights that views of it may use: M21. */
static nt_status get_file(struct call *call, const struct section_request *request,
                          struct file **out)
{
    const struct handles *handles = &call->kernel->handles;
    uint64_t handle = call->arg[6];
    nt_status st;

    if (request->attributes & SEC_IMAGE)
        return files_use(handles, handle, ACCESS_EXECUTE | ACCESS_READ_DATA, out);
    st = files_use(handles, handle, ACCESS_READ_DATA, out);
    if (!st && request->protect & WRITE_PROTECTS)
        st = files_use(handles, handle, ACCESS_WRITE_DATA, out);
    if (!st && request->protect & EXECUTE_PROTECTS)
        st = files_use(handles, handle, ACCESS_EXECUTE, out);
    return st;
}

/*
 * SEC_*: one of them says what the section is, others how; SEC_FILE is an answer. Images may be asked for as not cached, and
 * large pages are for who has the privilege.
 */
static nt_status check_attributes(uint64_t attributes)
{
    uint64_t kind = attributes & (SEC_IMAGE | SEC_RESERVE | SEC_COMMIT);
    uint64_t more = attributes & ~kind;

    if ((kind != SEC_IMAGE && kind != SEC_RESERVE && kind != SEC_COMMIT) ||
        (more && more != SEC_NOCACHE && (more != SEC_WRITECOMBINE || kind == SEC_IMAGE)))
        return STATUS_INVALID_PARAMETER_6;
    return STATUS_SUCCESS;
}

nt_status serve_NtCreateSection(struct call *call)
{
    struct section_request request = {.protect = (uint32_t)call->arg[4],
                                      .attributes = (uint32_t)call->arg[5]};
    struct section *section = NULL;
    nt_status st =
        guest_put_pointer(call->process, call->arg[0], 0); /* Wine's callers rely on it */

    if (!st && call->arg[3])
        st = guest_get_number(call->process, call->arg[3], 8, &request.size);
    if (!st)
        st = check_attributes(call->arg[5]);
    if (!st && request.size > SECTION_SIZE_MAX)
        st = STATUS_SECTION_TOO_BIG;
    if (!st && call->arg[6])
        st = get_file(call, &request, &request.file);
    if (!st)
        st = section_new(call->process, &request, &section);
    return st ? st : service_create(call, &section->object);
}

nt_status serve_NtOpenSection(struct call *call)
{
    return service_open(call, &section_class);
}

/* ---- Asking ----------------------------------------------------------------------------------- */

static nt_status get_section(struct call *call, uint64_t handle, uint32_t access,
                             struct section **out)
{
    struct object *object = NULL;
    nt_status st = handles_use(&call->kernel->handles, handle, &section_class, access, &object);

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
    nt_put(out, 0, NT_SECTION_SIZE,
           section->size ? section->size : round_up(section_size(section), VM_PAGE_SIZE));
}

nt_status serve_NtQuerySection(struct call *call)
{
    struct section *section;
    struct nt_block out;
    nt_status st = get_section(call, call->arg[0], SECTION_RIGHT_QUERY, &section);

    if (st)
        return st;
    if (call->arg[1] > QUERY_IMAGE)
        return STATUS_INVALID_INFO_CLASS;
    st = guest_probe(call->process, call->arg[2], call->arg[3], VM_WRITE); /* all of it */
    if (st)
        return st;
    if (call->arg[1] == QUERY_IMAGE && !section->image)
        return call->arg[3] < nt_size(call->process->arch, NT_STRUCT_IMAGE)
                   ? STATUS_INFO_LENGTH_MISMATCH
                   : STATUS_SECTION_NOT_IMAGE;
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

/* The rights to a section that a view with that protection needs (NT's MmMakeSectionAccess): M22. */
static uint32_t rights_for(uint32_t protect)
{
    uint32_t execute = protect & EXECUTE_PROTECTS ? SECTION_RIGHT_MAP_EXECUTE : 0;

    if (protect & PAGE_EXECUTE)
        return SECTION_RIGHT_MAP_EXECUTE;
    return execute | (protect & WRITE_PROTECTS ? SECTION_RIGHT_MAP_WRITE : SECTION_RIGHT_MAP_READ);
}

/* Map what the request, complete but for what the guest points to, asks for. arg: 0 section. */
static nt_status map(struct call *call, struct process *target, struct vm_view_request *request,
                     gva_t base_at, gva_t offset_at, gva_t size_at)
{
    struct process *p = call->process;
    struct section *section = NULL;
    uint64_t size = 0;
    gva_t base = 0;
    nt_status st = get_section(call, call->arg[0], rights_for(request->protect), &section), mapped;

    if (!st)
        st = guest_get_pointer(p, base_at, &request->base);
    if (!st && offset_at)
        st = guest_get_number(p, offset_at, 8, &request->offset);
    if (!st)
        st = guest_get_pointer(p, size_at, &request->size);
    if (st)
        return st;
    mapped = section_map(target, section, request, &base, &size);
    if (!NT_SUCCESS(mapped))
        return mapped;
    st = guest_put_pointer(p, base_at, base);
    if (!st)
        st = guest_put_pointer(p, size_at, size);
    return st ? st : mapped;
}

/* arg: 2 base, 3 zero bits, 5 offset, 6 size, 8 type, 9 protection. */
nt_status serve_NtMapViewOfSection(struct call *call)
{
    struct vm_view_request request = {.zero_bits = call->arg[3],
                                      .type = (uint32_t)call->arg[8],
                                      .protect = (uint32_t)call->arg[9]};
    struct process *target;
    nt_status st = service_process(call, call->arg[1], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st && request.type & MEM_REPLACE_PLACEHOLDER)
        st = STATUS_INVALID_PARAMETER_9; /* as an allocation: A50 */
    if (!st && service_zero_bits(call, request.zero_bits))
        st = STATUS_INVALID_PARAMETER_4; /* which is the argument here */
    return st ? st : map(call, target, &request, call->arg[2], call->arg[5], call->arg[6]);
}

/* arg: 2 base, 3 offset, 4 size, 5 type, 6 protection, 7 extended parameters, 8 how many. */
nt_status serve_NtMapViewOfSectionEx(struct call *call)
{
    struct vm_request place = {0};
    struct vm_view_request request = {.type = (uint32_t)call->arg[5],
                                      .protect = (uint32_t)call->arg[6]};
    struct process *target;
    nt_status st = service_process(call, call->arg[1], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = service_parameters(call, call->arg[7], (uint32_t)call->arg[8], &place);
    request.lowest = place.lowest;
    request.highest = place.highest;
    request.alignment = place.alignment;
    return st ? st : map(call, target, &request, call->arg[2], call->arg[3], call->arg[4]);
}

nt_status serve_NtUnmapViewOfSection(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    return st ? st : section_unmap(target, call->arg[1], false);
}

nt_status serve_NtUnmapViewOfSectionEx(struct call *call)
{
    uint64_t flags = call->arg[2];
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st && flags & ~(uint64_t)(UNMAP_TRANSIENT_BOOST | MEM_PRESERVE_PLACEHOLDER))
        st = STATUS_INVALID_PARAMETER;
    return st ? st : section_unmap(target, call->arg[1], flags & MEM_PRESERVE_PLACEHOLDER);
}

nt_status serve_NtFlushVirtualMemory(struct call *call)
{
    struct process *p = call->process, *target;
    gva_t base = 0;
    uint64_t size = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = guest_get_pointer(p, call->arg[1], &base);
    if (!st)
        st = guest_get_pointer(p, call->arg[2], &size);
    if (!st)
        st = vm_section_flush(target->vm, base, size);
    if (!st)
        st = guest_put_pointer(p, call->arg[1], base & ~(gva_t)(VM_PAGE_SIZE - 1));
    if (!st)
        st = guest_put_pointer(p, call->arg[2], size);
    return io_finish(call, call->arg[3], st, 0);
}

/* A view of a file; its description in *out. */
static nt_status find_file_view(const struct call *call, gva_t addr, struct vm_region *out)
{
    if (vm_query(call->process->vm, addr, out) || out->state == MEM_FREE)
        return STATUS_INVALID_ADDRESS;
    return *out->path ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
}

/* The same view, or the first one shows as an image the file that the second one is a view of. */
nt_status serve_NtAreMappedFilesTheSame(struct call *call)
{
    struct vm_region one, two;
    nt_status st = find_file_view(call, call->arg[0], &one);

    if (!st)
        st = find_file_view(call, call->arg[1], &two);
    if (st || one.allocation_base == two.allocation_base)
        return st;
    return one.type == MEM_IMAGE && strcasecmp(one.path, two.path) == 0 ? STATUS_SUCCESS
                                                                        : STATUS_NOT_SAME_DEVICE;
}

/* ---- National language support ---------------------------------------------------------------- */

/* Map one of the files, read-only. STATUS_OBJECT_NAME_NOT_FOUND */
static nt_status map_nls(struct call *call, const char *name, gva_t *base, uint64_t *size)
{
    struct vm_view_request request = {.protect = PAGE_READONLY};
    struct section *section = NULL;
    nt_status st = STATUS_OBJECT_NAME_NOT_FOUND;
    struct diag why = {{0}};
    struct buf file;

    buf_init(&file, NLS_FILE_MAX);
    if (!root_read(call->kernel->root->nls, name, &file, &why))
        st = section_of_bytes(call->process, name, (struct bytes){file.data, file.len}, &section);
    if (!st)
        st = section_map(call->process, section, &request, base, size);
    *size = file.len;
    buf_fini(&file);
    if (section)
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
