/* VirtualFree wants no size with MEM_RELEASE: kernelbase decides that, the kernel would release a page (F09). */
#include <windows.h>

#include <stdio.h>

int main(void)
{
    char *p = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    MEMORY_BASIC_INFORMATION m;
    BOOL ok = VirtualFree(p, 1, MEM_RELEASE);

    printf("release of one byte: %s, error %lu\n", ok ? "done" : "refused", GetLastError());
    (void)VirtualQuery(p, &m, sizeof m);
    printf("it is still there: %lx bytes, state %lx\n", (unsigned long)m.RegionSize, m.State);
    printf("release of all: %s\n", VirtualFree(p, 0, MEM_RELEASE) ? "done" : "refused");
    return 5;
}
