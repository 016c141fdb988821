/* Calls a system service that winstub lacks, twice, and one whose number is none. Counts what did not answer as it should. */
#include <windows.h>

#include <stdio.h>

#define STATUS_NOT_IMPLEMENTED        ((LONG)0xc0000002)
#define STATUS_INVALID_SYSTEM_SERVICE ((LONG)0xc000001c)
#define NO_NUMBER                     0x7fffu

typedef LONG WINAPI load_driver(void *);

const wchar_t *wide = L"a wide text"; /* for the debugger to look at */
const char *narrow = "a narrow text";

#ifdef _WIN64 /* in 32-bit programs only ntdll knows the way in */
static LONG call_number(unsigned number)
{
    LONG status;

    __asm__ volatile("syscall" : "=a"(status) : "0"(number) : "rcx", "r11", "memory");
    return status;
}
#endif

int main(void)
{
    load_driver *load =
        (load_driver *)(void *)GetProcAddress(GetModuleHandleA("ntdll"), "NtLoadDriver");
    int wrong = !load;

    for (int i = 0; load && i < 2; i++)
        wrong += load(NULL) != STATUS_NOT_IMPLEMENTED;
#ifdef _WIN64
    wrong += call_number(NO_NUMBER) != STATUS_INVALID_SYSTEM_SERVICE;
#endif
    printf("%d wrong, %ls, %s\n", wrong, wide, narrow);
    return wrong;
}
