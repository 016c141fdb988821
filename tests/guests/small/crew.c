/*
 * A program of a few thousand instructions that does a little of everything a debugger watches: prints, has threads, exceptions
 * that are handled and one that is not, memory that comes and goes, an image that is loaded and unloaded, and ends.
 */
#include "services.h"

#define CURRENT_PROCESS ((uintptr_t)-1)
#define ACCESS_ALL      ((uintptr_t)0x1fffff)
#define OUTPUT          ((uintptr_t)0x54)

struct text {
    uint16_t size, room;
    const uint16_t *buffer;
};

struct attributes {
    uint32_t size;
    uintptr_t root;
    const struct text *name;
    uint32_t flags;
    void *security, *quality;
};

volatile uintptr_t progress;
volatile int how_to_end;

static void print(const char *line, uintptr_t len)
{
    uintptr_t io[2];

    NtWriteFile(OUTPUT, (uintptr_t)0, (uintptr_t)0, (uintptr_t)0, io, line, len, (uintptr_t)0,
                (uintptr_t)0);
}

static uintptr_t worker(uintptr_t rounds)
{
    for (uintptr_t i = 0; i < rounds; i++) {
        progress += i;
        NtYieldExecution();
    }
    return progress;
}

static void use_threads(void)
{
    int64_t moment = -20000;
    uintptr_t handle[2] = {0, 0};

    for (int i = 0; i < 2; i++)
        NtCreateThreadEx(&handle[i], ACCESS_ALL, (uintptr_t)0, CURRENT_PROCESS, worker,
                         (uintptr_t)(5 + i), (uintptr_t)0, (uintptr_t)0, (uintptr_t)0x10000,
                         (uintptr_t)0x10000, (uintptr_t)0);
    NtDelayExecution((uintptr_t)0, &moment);
    for (int i = 0; i < 2; i++) {
        NtWaitForSingleObject(handle[i], (uintptr_t)0, (uintptr_t)0);
        NtClose(handle[i]);
    }
}

static void use_memory(void)
{
    uintptr_t base = 0, size = 0x3000, old = 0;

    NtAllocateVirtualMemory(CURRENT_PROCESS, &base, (uintptr_t)0, &size, (uintptr_t)0x3000,
                            (uintptr_t)0x04);
    *(volatile uint32_t *)base = 0x90c3;
    size = 0x1000;
    NtProtectVirtualMemory(CURRENT_PROCESS, &base, &size, (uintptr_t)0x20, &old);
    size = 0;
    NtFreeVirtualMemory(CURRENT_PROCESS, &base, &size, (uintptr_t)0x8000);
}

static void load_image(void)
{
    static const uint16_t path[] = u"\\??\\C:\\Windows\\System32\\ntdll.dll";
    struct text name = {sizeof path - 2, sizeof path, path};
    struct attributes attributes = {sizeof attributes, 0, &name, 0x40, 0, 0};
    uintptr_t io[2], file = 0, section = 0, base = 0, size = 0;

    NtOpenFile(&file, (uintptr_t)0x100021, &attributes, io, (uintptr_t)5, (uintptr_t)0x60);
    NtCreateSection(&section, (uintptr_t)0xf001f, (uintptr_t)0, (uintptr_t)0, (uintptr_t)0x10,
                    (uintptr_t)0x1000000, file);
    NtMapViewOfSection(section, CURRENT_PROCESS, &base, (uintptr_t)0, (uintptr_t)0, (uintptr_t)0,
                       &size, (uintptr_t)1, (uintptr_t)0, (uintptr_t)0x20);
    NtUnmapViewOfSection(CURRENT_PROCESS, base);
    NtClose(section);
    NtClose(file);
}

uintptr_t start(void)
{
    print("begun\n", 6);
    use_memory();
    __asm__ volatile("int3");
    use_threads();
    load_image();
    __asm__ volatile("ud2");
    print("done\n", 5);
    if (how_to_end == 0)
        *(volatile int *)(uintptr_t)0x6660 = 1;
    NtTerminateProcess(CURRENT_PROCESS, (uintptr_t)7);
    return 0;
}
