/* The least that a program can do: ask kernel32 to end it. */
#include <windows.h>

int main(void)
{
    ExitProcess(7);
}
