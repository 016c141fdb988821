/*
 * Process hollowing: a suspended child loses its image, another program is laid out and relocated in its place by hand, and
 * the child goes on as that.
 */
#include "children.h"

#ifdef _WIN64
#define PAYLOAD   "hello64.exe"
#define PEB_IMAGE 0x10
#define PEB_OF    Rdx
#define ENTRY_OF  Rcx
#define RELOCATES IMAGE_REL_BASED_DIR64
#else
#define PAYLOAD   "hello32.exe"
#define PEB_IMAGE 0x08
#define PEB_OF    Ebx
#define ENTRY_OF  Eax
#define RELOCATES IMAGE_REL_BASED_HIGHLOW
#endif

typedef LONG NTAPI unmap_fn(HANDLE process, void *base);

struct payload {
    char *file;
    char *image; /* laid out as in memory */
    IMAGE_NT_HEADERS *nt;
};

static void load(struct payload *p)
{
    char path[MAX_PATH];
    IMAGE_SECTION_HEADER *section;
    DWORD size, got;
    HANDLE file;

    beside(PAYLOAD, path);
    file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    size = GetFileSize(file, NULL);
    p->file = malloc(size);
    ReadFile(file, p->file, size, &got, NULL);
    CloseHandle(file);
    p->nt = (IMAGE_NT_HEADERS *)(void *)(p->file + ((IMAGE_DOS_HEADER *)(void *)p->file)->e_lfanew);
    p->image = calloc(1, p->nt->OptionalHeader.SizeOfImage);
    memcpy(p->image, p->file, p->nt->OptionalHeader.SizeOfHeaders);
    section = IMAGE_FIRST_SECTION(p->nt);
    for (int i = 0; i < p->nt->FileHeader.NumberOfSections; i++, section++)
        memcpy(p->image + section->VirtualAddress, p->file + section->PointerToRawData,
               min(section->SizeOfRawData, section->Misc.VirtualSize));
}

/* Make the image one that lies at base, and say so in it, lest the loader moves it once more. */
static void relocate(struct payload *p, char *base)
{
    IMAGE_NT_HEADERS *nt =
        (IMAGE_NT_HEADERS *)(void *)(p->image + ((IMAGE_DOS_HEADER *)(void *)p->file)->e_lfanew);
    IMAGE_DATA_DIRECTORY *dir =
        &p->nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC];
    ULONG_PTR delta = (ULONG_PTR)base - p->nt->OptionalHeader.ImageBase;
    char *at = p->image + dir->VirtualAddress, *end = at + dir->Size;

    nt->OptionalHeader.ImageBase = (ULONG_PTR)base;
    while (at < end) {
        IMAGE_BASE_RELOCATION *block = (IMAGE_BASE_RELOCATION *)(void *)at;
        WORD *entry = (WORD *)(block + 1);

        for (at += block->SizeOfBlock; (char *)entry < at; entry++) {
            if (*entry >> 12 == RELOCATES)
                *(ULONG_PTR *)(void *)(p->image + block->VirtualAddress + (*entry & 0xfff)) +=
                    delta;
        }
    }
}

static DWORD protection(DWORD characteristics)
{
    if (characteristics & IMAGE_SCN_MEM_EXECUTE)
        return PAGE_EXECUTE_READ;
    return characteristics & IMAGE_SCN_MEM_WRITE ? PAGE_READWRITE : PAGE_READONLY;
}

static void protect(HANDLE process, const struct payload *p, char *base)
{
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(p->nt);
    DWORD old;

    for (int i = 0; i < p->nt->FileHeader.NumberOfSections; i++, section++)
        VirtualProtectEx(process, base + section->VirtualAddress, section->Misc.VirtualSize,
                         protection(section->Characteristics), &old);
}

/* Put the payload in place of the child's program, and its thread at the payload's entry point. */
static void replace(PROCESS_INFORMATION *child, struct payload *p, CONTEXT *context)
{
    char *image_at = (char *)context->PEB_OF + PEB_IMAGE, *old = NULL, *base;
    unmap_fn *unmap =
        (unmap_fn *)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtUnmapViewOfSection");
    HANDLE process = child->hProcess;
    SIZE_T size = p->nt->OptionalHeader.SizeOfImage, copied;

    ReadProcessMemory(process, image_at, &old, sizeof old, &copied);
    printf("its program leaves: %lx\n", unmap(process, old));
    base = VirtualAllocEx(process, old, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    printf("memory in its place: %s\n", done(base == old));
    if (!base)
        base = VirtualAllocEx(process, NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    relocate(p, base);
    printf("the other one is written: %s\n",
           done(WriteProcessMemory(process, base, p->image, size, &copied)));
    protect(process, p, base);
    WriteProcessMemory(process, image_at, &base, sizeof base, &copied);
    context->ENTRY_OF = (ULONG_PTR)base + p->nt->OptionalHeader.AddressOfEntryPoint;
    printf("its thread is sent there: %s\n", done(SetThreadContext(child->hThread, context)));
}

int main(int argc, char **argv)
{
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    PROCESS_INFORMATION child;
    struct payload payload;

    (void)argv;
    print_at_once();
    if (argc > 1) {
        printf("the victim runs\n"); /* which it never does */
        return 1;
    }
    load(&payload);
    child = start_again("victim", CREATE_SUSPENDED, NULL);
    printf("its context: %s\n", done(GetThreadContext(child.hThread, &context)));
    replace(&child, &payload, &context);
    ResumeThread(child.hThread);
    printf("it ended with %lu\n", end_of(&child));
    return 25;
}
