/* Loads a library while it runs, is called back by it and by the C runtime, and makes it fault. */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN64
#define PLUGIN "plugin64.dll"
#else
#define PLUGIN "plugin32.dll"
#endif

/* For the debugger to call. */
int answer(void)
{
    return 42;
}

int add_up(int a, int b, int c, int d, int e)
{
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e;
}

static int back(int n)
{
    return 2 * n; /* MARK back */
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b; /* MARK compare */
}

int main(int argc, char **argv)
{
    HMODULE plugin = LoadLibraryA(PLUGIN);
    int (*call)(int (*)(int), int) = (void *)GetProcAddress(plugin, "plugin_call");
    int (*read)(const int *) = (void *)GetProcAddress(plugin, "plugin_read");
    int numbers[] = {3, 1, 2};

    (void)argv;
    printf("plugin_call gives %d\n", call(back, 4));
    qsort(numbers, 3, sizeof *numbers, compare);
    printf("sorted: %d %d %d, added %d\n", numbers[0], numbers[1], numbers[2],
           add_up(1, 2, 3, 4, 5));
    if (argc > 1)
        printf("read %d\n", read((int *)16));
    printf("freed: %d, ", FreeLibrary(plugin));
    printf("there: %d\n", GetModuleHandleA(PLUGIN) != NULL);
    return 4;
}
