/* Virtual memory and libraries by way of kernel32. */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>

static void show(const char *what, const void *at)
{
    MEMORY_BASIC_INFORMATION m;
    SIZE_T size = VirtualQuery(at, &m, sizeof m);

    printf("%s: %s, state %lx, protect %lx, at first %lx, type %lx\n", what,
           size == sizeof m ? "all is told" : "some is told", m.State, m.Protect,
           m.AllocationProtect, m.Type);
}

static void result(const char *what, int ok)
{
    printf("%s: %s", what, ok ? "done\n" : "");
    if (!ok)
        printf("error %lu\n", GetLastError());
}

static void libraries(void)
{
    HMODULE version = LoadLibraryA("version.dll");

    result("load version.dll", version != NULL);
    result("find in it", GetProcAddress(version, "GetFileVersionInfoA") != NULL);
    show("its header", version);
    result("free it", FreeLibrary(version));
    show("where it was", version);
    result("load nothere.dll", LoadLibraryA("nothere.dll") != NULL);
    result("load an API set", LoadLibraryA("api-ms-win-core-file-l1-1-0.dll") != NULL);
}

int main(void)
{
    char *p = VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    SIZE_T copied;
    DWORD old = 0;
    char byte;

    show("reserved", p);
    result("commit", VirtualAlloc(p + 0x1000, 0x1000, MEM_COMMIT, PAGE_READONLY) != NULL);
    show("committed", p + 0x1000);
    result("protect", VirtualProtect(p + 0x1000, 1, PAGE_READWRITE, &old));
    printf("before it was %lx\n", old);
    result("protect what is reserved", VirtualProtect(p, 0x2000, PAGE_READWRITE, &old));
    result("release", VirtualFree(p, 0, MEM_RELEASE));
    result("read what is not there",
           ReadProcessMemory(GetCurrentProcess(), (void *)16, &byte, 1, &copied));
    libraries();
    return 3;
}
