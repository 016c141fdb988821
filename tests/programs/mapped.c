/*
 * Mapped files beside handles of the same file, and views in the places of placeholders, through Win32. Runs in the root of
 * an empty drive.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define PAGE 0x1000u

#ifndef MEM_REPLACE_PLACEHOLDER
#define MEM_REPLACE_PLACEHOLDER  0x4000
#define MEM_RESERVE_PLACEHOLDER  0x40000
#define MEM_PRESERVE_PLACEHOLDER 2
#endif

static const char *result(BOOL ok)
{
    static char text[24];

    snprintf(text, sizeof text, "error %lu", GetLastError());
    return ok ? "ok" : text;
}

static HANDLE open_file(DWORD access, DWORD how)
{
    return CreateFileA("mapped.bin", access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, how, 0,
                       NULL);
}

static char *map(HANDLE section, DWORD access)
{
    return MapViewOfFile(section, access, 0, 0, 0);
}

static void transfer(HANDLE file, DWORD at, char *data, DWORD size, BOOL write)
{
    DWORD done = 0;

    (void)SetFilePointer(file, (LONG)at, NULL, FILE_BEGIN);
    if (write)
        (void)WriteFile(file, data, size, &done, NULL);
    else
        (void)ReadFile(file, data, size, &done, NULL);
}

/* Two handles, two sections, two views: one file. */
static void one_file(void)
{
    HANDLE writer = open_file(GENERIC_READ | GENERIC_WRITE, CREATE_ALWAYS);
    HANDLE reader = open_file(GENERIC_READ, OPEN_EXISTING);
    HANDLE first, second;
    char *a, *b, data[8] = {0};

    transfer(writer, 0, "0123456", 8, TRUE);
    second = CreateFileMappingA(reader, NULL, PAGE_READONLY, 0, 0, NULL);
    first = CreateFileMappingA(writer, NULL, PAGE_READWRITE, 0, 2 * PAGE, NULL);
    a = map(first, FILE_MAP_WRITE);
    b = map(second, FILE_MAP_READ);
    strcpy(a, "view");
    printf("the other view: %s\n", b);
    transfer(reader, 0, data, 8, FALSE);
    printf("the reader: %s\n", data);
    transfer(writer, 0, "file", 5, TRUE);
    printf("the views: %s %s\n", a, b);
    printf("cut: %s\n",
           result(SetFilePointer(writer, 1, NULL, FILE_BEGIN) == 1 && SetEndOfFile(writer)));
    UnmapViewOfFile(a);
    UnmapViewOfFile(b);
    CloseHandle(first);
    CloseHandle(second);
    printf("cut: %s\n", result(SetEndOfFile(writer)));
    printf("size: %lu\n", GetFileSize(writer, NULL));
    CloseHandle(writer);
    CloseHandle(reader);
}

static void *function(const char *name)
{
    return (void *)GetProcAddress(GetModuleHandleA("kernelbase.dll"), name);
}

static void show(const char *what, void *at)
{
    MEMORY_BASIC_INFORMATION m;

    (void)VirtualQuery(at, &m, sizeof m);
    printf("%s: state %lx, type %lx\n", what, m.State, m.State == MEM_FREE ? 0 : m.Type);
}

static void placeholders(void)
{
    void *(WINAPI * allocate)(HANDLE, void *, SIZE_T, ULONG, ULONG, void *, ULONG) =
        function("VirtualAlloc2");
    void *(WINAPI * map_file)(HANDLE, HANDLE, void *, ULONG64, SIZE_T, ULONG, ULONG, void *,
                              ULONG) = function("MapViewOfFile3");
    BOOL(WINAPI * unmap)(HANDLE, void *, ULONG) = function("UnmapViewOfFile2");
    HANDLE own = GetCurrentProcess();
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4 * PAGE, NULL);
    char *ring = allocate(own, NULL, 8 * PAGE, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS,
                          NULL, 0);
    char *low, *high;

    printf("split: %s\n",
           result(VirtualFree(ring, 4 * PAGE, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)));
    low =
        map_file(section, own, ring, 0, 4 * PAGE, MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0);
    high = map_file(section, own, ring + 4 * PAGE, 0, 4 * PAGE, MEM_REPLACE_PLACEHOLDER,
                    PAGE_READWRITE, NULL, 0);
    printf("a ring: %d %d\n", low == ring, high == ring + 4 * PAGE);
    strcpy(ring + 4 * PAGE - 3, "around");
    printf("its start: %s\n", ring);
    show("a view", low);
    printf("back: %s\n", result(unmap(own, low, MEM_PRESERVE_PLACEHOLDER)));
    show("a placeholder", low);
    printf("gone: %s\n", result(unmap(own, high, 0)));
    show("nothing", high);
}

int main(void)
{
    one_file();
    placeholders();
    return 6;
}
