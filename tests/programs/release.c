/*
 * VirtualFree wants no size with MEM_RELEASE (F09), which is kernelbase's to say: the kernel releases a part (F13).
 */
#include <windows.h>
#include <winternl.h>

#include <stdio.h>

typedef NTSTATUS NTAPI free_fn(HANDLE process, void **base, SIZE_T *size, ULONG type);

static void show(const char *what, const void *p)
{
    MEMORY_BASIC_INFORMATION m;

    (void)VirtualQuery(p, &m, sizeof m);
    printf("%s: %lx bytes, state %lx\n", what, (unsigned long)m.RegionSize, m.State);
}

int main(void)
{
    free_fn *nt_free =
        (free_fn *)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtFreeVirtualMemory");
    char *p = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    void *base = p;
    SIZE_T size = 1;
    BOOL ok = VirtualFree(p, 1, MEM_RELEASE);

    printf("release of one byte: %s, error %lu\n", ok ? "done" : "refused", GetLastError());
    show("it is still there", p);
    ok = VirtualFreeEx(GetCurrentProcess(), p, 0x10000, MEM_RELEASE);
    printf("release of as much as there is: %s, error %lu\n", ok ? "done" : "refused",
           GetLastError());
    printf("the kernel's release of one byte: %lx\n",
           nt_free(GetCurrentProcess(), &base, &size, MEM_RELEASE));
    show("its page is gone", p);
    show("the rest is there", p + 0x1000);
    printf("release of all: %s\n", VirtualFree(p + 0x1000, 0, MEM_RELEASE) ? "done" : "refused");
    return 5;
}
