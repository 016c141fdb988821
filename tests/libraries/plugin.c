/* A library of the test programs: its DllMain, a function that calls back, one that faults. */
#include <windows.h>

static int attached;

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, void *reserved)
{
    (void)self;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        attached = 42;
    return TRUE;
}

__declspec(dllexport) int plugin_call(int (*back)(int), int n)
{
    return back(n) + attached;
}

__declspec(dllexport) int plugin_read(const int *from)
{
    return *from; /* MARK read */
}
