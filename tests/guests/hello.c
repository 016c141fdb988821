/* What `make demo` debugs: a sum, and a greeting through KERNEL32.DLL. */
#include <windows.h>

static const char *const greetings[] = {"hello from an emulated process\r\n"};

static int add_up(int last)
{
    int sum = 0;

    for (int i = 1; i <= last; i++)
        sum += i;
    return sum;
}

int main(void)
{
    int sum = add_up(6);
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE); /* MARK get handle */
    DWORD written = 0;

    WriteFile(out, greetings[0], 32, &written, NULL);
    return sum * 2;
}

/* What gcc calls at the start of main, usually from the C runtime. */
void __main(void)
{
}

int start(void)
{
    return main();
}
