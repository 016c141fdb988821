/* Unpacks a function in two layers, runs it, and loads and frees a library, twice: what catches and coverage look at. */
#include <windows.h>

#include <stdio.h>
#include <string.h>

/* mov eax, 6; imul eax, eax, 7; ret, each byte turned around twice */
static unsigned char packed[] = {0x1d ^ 0xff, 0xa3 ^ 0xff, 0xa5 ^ 0xff, 0xa5 ^ 0xff, 0xa5 ^ 0xff,
                                 0xce ^ 0xff, 0x65 ^ 0xff, 0xa2 ^ 0xff, 0x66 ^ 0xff};

__attribute__((noinline)) void first_layer(unsigned char *to, const unsigned char *from, int len)
{
    for (int i = 0; i < len; i++)
        to[i] = from[i] ^ 0xff;
}

__attribute__((noinline)) void second_layer(unsigned char *code, int len)
{
    for (int i = 0; i < len; i++)
        code[i] ^= 0xa5; /* MARK last writer */
}

/* A system service writes and reads these. */
static char got[16], given[] = "given\n";

static void services(void)
{
    SIZE_T done;
    DWORD written;

    ReadProcessMemory(GetCurrentProcess(), "hello", got, 6, &done);
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), given, 6, &written, NULL);
}

int main(void)
{
    unsigned char *code = VirtualAlloc(NULL, 0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    DWORD old;
    int answer;

    first_layer(code, packed, sizeof packed);
    second_layer(code, sizeof packed);
    VirtualProtect(code, 0x1000, PAGE_EXECUTE_READ, &old);
    answer = ((int (*)(void))(size_t)code)(); /* MARK unpacked */
    printf("the answer is %d\n", answer);
    for (int i = 0; i < 2; i++) {
        HMODULE version = LoadLibraryA("version.dll");
        FARPROC size = GetProcAddress(version, "GetFileVersionInfoSizeA");

        ((DWORD(WINAPI *)(const char *, DWORD *))(size_t)size)("nothere.dll", NULL);
        FreeLibrary(version);
    }
    fflush(stdout);
    services();
    return answer;
}
