/* Libraries of the system that console programs load, and how they refuse what winstub has not. */
#include <winsock2.h>

#include <windows.h>

#include <stdio.h>

static const char *const names[] = {
    "user32.dll", "gdi32.dll",  "advapi32.dll", "shell32.dll", "shlwapi.dll",  "ole32.dll",
    "rpcrt4.dll", "bcrypt.dll", "crypt32.dll",  "ws2_32.dll",  "ucrtbase.dll",
};

static void socket_is_refused(HMODULE library)
{
    int(WINAPI * start)(WORD, WSADATA *) = (void *)GetProcAddress(library, "WSAStartup");
    SOCKET(WINAPI * make)(int, int, int) = (void *)GetProcAddress(library, "socket");
    WSADATA data;

    printf("start: %d, ", start(0x0202, &data));
    printf("no socket: %d\n", make(AF_INET, SOCK_STREAM, 0) == INVALID_SOCKET);
}

int main(void)
{
    int(WINAPIV * format)(char *, const char *, ...);
    char text[100];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        printf("%s: %s\n", names[i], LoadLibraryA(names[i]) ? "loaded" : "not there");
    format = (void *)GetProcAddress(GetModuleHandleA("user32.dll"), "wsprintfA");
    format(text, "%d-%s", 5, "five");
    printf("%s\n", text);
    socket_is_refused(GetModuleHandleA("ws2_32.dll"));
    return 5;
}
