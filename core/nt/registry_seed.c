/*
 * What the registry holds when a process starts: the few keys that the DLLs read on their way to the program's entry
 * point, with what an English Windows 10 has there.
 */
#include <string.h>

#include "winstub/utf.h"
#include "nt/registry.h"
#include "nt/token.h"
#include "winstub/buf.h"
#include "nt/text.h"

#define MACHINE "\\Registry\\Machine\\"
#define USER    "\\Registry\\User\\" TOKEN_USER_SID "\\"
#define VERSION MACHINE "Software\\Microsoft\\Windows NT\\CurrentVersion"
#define CONTROL MACHINE "System\\CurrentControlSet\\Control\\"

static const struct {
    const char *key;
    const char *name; /* NULL: only the key */
    const char *text; /* NULL: a number */
    uint32_t number;
} seed[] = {
    {VERSION, "ProductName", "Windows 10 Pro", 0},
    {VERSION, "CurrentVersion", "6.3", 0},
    {VERSION, "CurrentBuild", "19045", 0},
    {VERSION, "CurrentBuildNumber", "19045", 0},
    {VERSION, "CurrentMajorVersionNumber", NULL, 10},
    {VERSION, "CurrentMinorVersionNumber", NULL, 0},
    {VERSION, "CSDVersion", "", 0},
    {VERSION "\\AeDebug", "Debugger", "", 0}, /* Wine's DLLs else start winedbg after a fault */
    {CONTROL "ComputerName\\ActiveComputerName", "ComputerName", "WINSTUB", 0},
    {CONTROL "ComputerName\\ComputerName", "ComputerName", "WINSTUB", 0},
    {MACHINE "System\\CurrentControlSet\\Services\\Tcpip\\Parameters", "Hostname", "winstub", 0},
    {CONTROL "ProductOptions", "ProductType", "WinNT", 0},
    {CONTROL "Windows", "CSDVersion", NULL, 0},
    {CONTROL "Session Manager", NULL, NULL, 0},
    {CONTROL "Nls\\Language", "Default", "0409", 0},
    {CONTROL "Nls\\Locale", NULL, NULL, 0},
    {MACHINE "Software\\Wow6432Node", NULL, NULL, 0},
    {"\\Registry\\User\\.Default", NULL, NULL, 0},
    {USER "Software", NULL, NULL, 0},
    {USER "Environment", NULL, NULL, 0},
    {USER "Control Panel\\Desktop", NULL, NULL, 0},
    {USER "Control Panel\\International", "LocaleName", "en-US", 0},
    {USER "Control Panel\\International", "Locale", "00000409", 0},
};

static nt_status set_text(struct registry *registry, struct key *key, const char *name,
                          const char *text)
{
    nt_status st = STATUS_NO_MEMORY;
    struct buf utf16;

    buf_init(&utf16, REGISTRY_VALUE_MAX);
    if (utf16_append(&utf16, text) && buf_append(&utf16, "\0", 2))
        st = registry_set(registry, key, name, REG_SZ, utf16.data, (uint32_t)utf16.len);
    buf_fini(&utf16);
    return st;
}

nt_status registry_seed(struct registry *registry)
{
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; i < sizeof seed / sizeof *seed && !st; i++) {
        struct key *key;
        bool created;

        st = registry_find(registry, NULL, seed[i].key, REGISTRY_CREATE_DEEP, &key, &created);
        if (st || !seed[i].name)
            continue;
        if (seed[i].text)
            st = set_text(registry, key, seed[i].name, seed[i].text);
        else
            st = registry_set(registry, key, seed[i].name, REG_DWORD, &seed[i].number, 4);
    }
    return st;
}
