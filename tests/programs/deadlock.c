/* Two threads that wait for each other for ever. */
#include <windows.h>

static HANDLE locks[2];

static DWORD WINAPI take_both(void *arg)
{
    int first = (int)(LONG_PTR)arg;

    WaitForSingleObject(locks[first], INFINITE);
    Sleep(1);
    return WaitForSingleObject(locks[!first], INFINITE);
}

int main(void)
{
    for (int i = 0; i < 2; i++)
        locks[i] = CreateMutexA(NULL, FALSE, NULL);
    CreateThread(NULL, 0, take_both, (void *)1, 0, NULL);
    return (int)take_both(0);
}
