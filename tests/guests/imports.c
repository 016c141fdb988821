/*
 * Calls functions of DLLs, by name and with arguments on the stack: what bare mode has to stop at. The exit
 * status shows what came back, and that the stack was left as the callee of each convention leaves it.
 */
#include <windows.h>

int start(void)
{
    HANDLE file =
        CreateFileA("C:\\notes.txt", GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD ticks = GetTickCount();

    return (int)(INT_PTR)file + (int)ticks; /* MARK both back */
}
