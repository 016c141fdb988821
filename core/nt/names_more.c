/* The lists of DLLs that programs import beside kernel32 and ntdll. Sources: names.h. */
#include "nt/names_more.h"

#include <string.h>

/* Packed by hand: one entry a line would be a thousand lines. */
/* clang-format off */
static const struct nt_name user32[] = {
    {"BeginPaint", 8}, {"CallNextHookEx", 16}, {"CallWindowProcA", 20}, {"CallWindowProcW", 20},
    {"CharLowerA", 4}, {"CharLowerW", 4}, {"CharUpperA", 4}, {"CharUpperW", 4},
    {"ClientToScreen", 8}, {"CloseClipboard", 0}, {"CreateDialogParamA", 20},
    {"CreateWindowExA", 48}, {"CreateWindowExW", 48}, {"DefWindowProcA", 16},
    {"DefWindowProcW", 16}, {"DestroyWindow", 4}, {"DialogBoxParamA", 20}, {"DialogBoxParamW", 20},
    {"DispatchMessageA", 4}, {"DispatchMessageW", 4}, {"EmptyClipboard", 0}, {"EnableWindow", 8},
    {"EndDialog", 8}, {"EndPaint", 8}, {"EnumWindows", 8}, {"ExitWindowsEx", 8}, {"FindWindowA", 8},
    {"FindWindowExA", 16}, {"FindWindowW", 8}, {"GetAsyncKeyState", 4}, {"GetClassNameA", 12},
    {"GetClientRect", 8}, {"GetClipboardData", 4}, {"GetCursorPos", 4}, {"GetDC", 4},
    {"GetDesktopWindow", 0}, {"GetDlgItem", 8}, {"GetDlgItemTextA", 16}, {"GetForegroundWindow", 0},
    {"GetKeyState", 4}, {"GetKeyboardState", 4}, {"GetLastInputInfo", 4}, {"GetMessageA", 16},
    {"GetMessageW", 16}, {"GetSystemMetrics", 4}, {"GetWindowLongA", 8}, {"GetWindowLongW", 8},
    {"GetWindowRect", 8}, {"GetWindowTextA", 12}, {"GetWindowTextW", 12},
    {"GetWindowThreadProcessId", 8}, {"InvalidateRect", 12}, {"IsWindow", 4},
    {"IsWindowVisible", 4}, {"KillTimer", 8}, {"LoadCursorA", 8}, {"LoadCursorW", 8},
    {"LoadIconA", 8}, {"LoadIconW", 8}, {"LoadStringA", 16}, {"LoadStringW", 16},
    {"MapVirtualKeyA", 8}, {"MessageBeep", 4}, {"MessageBoxA", 16}, {"MessageBoxExA", 20},
    {"MessageBoxW", 16}, {"MoveWindow", 24}, {"OpenClipboard", 4}, {"PeekMessageA", 20},
    {"PeekMessageW", 20}, {"PostMessageA", 16}, {"PostMessageW", 16}, {"PostQuitMessage", 4},
    {"RegisterClassA", 4}, {"RegisterClassExA", 4}, {"RegisterClassExW", 4}, {"RegisterClassW", 4},
    {"RegisterHotKey", 16}, {"ReleaseDC", 8}, {"SendDlgItemMessageA", 20}, {"SendInput", 12},
    {"SendMessageA", 16}, {"SendMessageW", 16}, {"SetClipboardData", 8}, {"SetDlgItemTextA", 12},
    {"SetFocus", 4}, {"SetForegroundWindow", 4}, {"SetTimer", 16}, {"SetWindowLongA", 12},
    {"SetWindowLongW", 12}, {"SetWindowPos", 28}, {"SetWindowTextA", 8}, {"SetWindowTextW", 8},
    {"SetWindowsHookExA", 16}, {"SetWindowsHookExW", 16}, {"ShowWindow", 8},
    {"SystemParametersInfoA", 16}, {"TranslateMessage", 4}, {"UnhookWindowsHookEx", 4},
    {"UnregisterClassA", 8}, {"UpdateWindow", 4}, {"WaitForInputIdle", 8}, {"wsprintfA", 0},
    {"wsprintfW", 0}, {"wvsprintfA", 12},
};

static const struct nt_name advapi32[] = {
    {"AdjustTokenPrivileges", 24}, {"AllocateAndInitializeSid", 44}, {"CheckTokenMembership", 12},
    {"CloseServiceHandle", 4}, {"ControlService", 12}, {"ConvertSidToStringSidA", 8},
    {"CreateProcessAsUserA", 44}, {"CreateProcessAsUserW", 44}, {"CreateServiceA", 52},
    {"CreateServiceW", 52}, {"CryptAcquireContextA", 20}, {"CryptAcquireContextW", 20},
    {"CryptCreateHash", 20}, {"CryptDecrypt", 24}, {"CryptDeriveKey", 20}, {"CryptDestroyHash", 4},
    {"CryptDestroyKey", 4}, {"CryptEncrypt", 28}, {"CryptExportKey", 24}, {"CryptGenKey", 16},
    {"CryptGenRandom", 12}, {"CryptGetHashParam", 20}, {"CryptHashData", 16},
    {"CryptImportKey", 24}, {"CryptReleaseContext", 8}, {"DeleteService", 4},
    {"DuplicateTokenEx", 24}, {"EqualSid", 8}, {"FreeSid", 4}, {"GetTokenInformation", 20},
    {"GetUserNameA", 8}, {"GetUserNameW", 8}, {"ImpersonateLoggedOnUser", 4},
    {"InitializeSecurityDescriptor", 8}, {"LogonUserA", 24}, {"LookupAccountSidA", 28},
    {"LookupPrivilegeValueA", 12}, {"LookupPrivilegeValueW", 12}, {"OpenProcessToken", 12},
    {"OpenSCManagerA", 12}, {"OpenSCManagerW", 12}, {"OpenServiceA", 12}, {"OpenServiceW", 12},
    {"OpenThreadToken", 16}, {"QueryServiceStatus", 8}, {"RegCloseKey", 4}, {"RegCreateKeyA", 12},
    {"RegCreateKeyExA", 36}, {"RegCreateKeyExW", 36}, {"RegDeleteKeyA", 8}, {"RegDeleteKeyW", 8},
    {"RegDeleteValueA", 8}, {"RegDeleteValueW", 8}, {"RegEnumKeyExA", 32}, {"RegEnumKeyExW", 32},
    {"RegEnumValueA", 32}, {"RegEnumValueW", 32}, {"RegOpenKeyA", 12}, {"RegOpenKeyExA", 20},
    {"RegOpenKeyExW", 20}, {"RegQueryInfoKeyA", 48}, {"RegQueryInfoKeyW", 48},
    {"RegQueryValueExA", 24}, {"RegQueryValueExW", 24}, {"RegSetValueExA", 24},
    {"RegSetValueExW", 24}, {"RegisterServiceCtrlHandlerA", 8}, {"RevertToSelf", 0},
    {"SetSecurityDescriptorDacl", 16}, {"SetServiceStatus", 8}, {"StartServiceA", 12},
    {"StartServiceCtrlDispatcherA", 4}, {"StartServiceCtrlDispatcherW", 4}, {"StartServiceW", 12},
    {"SystemFunction036", 8},
};

static const struct nt_name ws2_32[] = {
    {"WSAAccept", 20}, {"WSAAsyncSelect", 16}, {"WSACleanup", 0}, {"WSACloseEvent", 4},
    {"WSAConnect", 28}, {"WSACreateEvent", 0}, {"WSAEnumNetworkEvents", 12}, {"WSAEventSelect", 12},
    {"WSAGetLastError", 0}, {"WSAIoctl", 36}, {"WSARecv", 28}, {"WSASend", 28},
    {"WSASetLastError", 4}, {"WSASocketA", 24}, {"WSASocketW", 24}, {"WSAStartup", 8},
    {"WSAStringToAddressA", 20}, {"WSAWaitForMultipleEvents", 20}, {"__WSAFDIsSet", 8},
    {"accept", 12}, {"bind", 12}, {"closesocket", 4}, {"connect", 12}, {"freeaddrinfo", 4},
    {"getaddrinfo", 16}, {"gethostbyaddr", 12}, {"gethostbyname", 4}, {"gethostname", 8},
    {"getnameinfo", 28}, {"getpeername", 12}, {"getprotobyname", 4}, {"getservbyname", 8},
    {"getsockname", 12}, {"getsockopt", 20}, {"htonl", 4}, {"htons", 4}, {"inet_addr", 4},
    {"inet_ntoa", 4}, {"inet_ntop", 16}, {"inet_pton", 12}, {"ioctlsocket", 12}, {"listen", 8},
    {"ntohl", 4}, {"ntohs", 4}, {"recv", 16}, {"recvfrom", 24}, {"select", 20}, {"send", 16},
    {"sendto", 24}, {"setsockopt", 20}, {"shutdown", 8}, {"socket", 12},
};

static const struct nt_name shell32[] = {
    {"CommandLineToArgvW", 8}, {"DragAcceptFiles", 8}, {"DragQueryFileA", 16}, {"ExtractIconA", 12},
    {"SHBrowseForFolderA", 4}, {"SHFileOperationA", 4}, {"SHFileOperationW", 4},
    {"SHGetFileInfoA", 20}, {"SHGetFolderPathA", 20}, {"SHGetFolderPathW", 20},
    {"SHGetKnownFolderPath", 16}, {"SHGetMalloc", 4}, {"SHGetPathFromIDListA", 8},
    {"SHGetPathFromIDListW", 8}, {"SHGetSpecialFolderPathA", 16}, {"SHGetSpecialFolderPathW", 16},
    {"ShellExecuteA", 24}, {"ShellExecuteExA", 4}, {"ShellExecuteExW", 4}, {"ShellExecuteW", 24},
    {"Shell_NotifyIconA", 8},
};

static const struct nt_name wininet[] = {
    {"FtpGetFileA", 28}, {"FtpPutFileA", 20}, {"HttpAddRequestHeadersA", 16},
    {"HttpOpenRequestA", 32}, {"HttpOpenRequestW", 32}, {"HttpQueryInfoA", 20},
    {"HttpQueryInfoW", 20}, {"HttpSendRequestA", 20}, {"HttpSendRequestExA", 20},
    {"HttpSendRequestW", 20}, {"InternetCloseHandle", 4}, {"InternetConnectA", 32},
    {"InternetConnectW", 32}, {"InternetCrackUrlA", 16}, {"InternetGetConnectedState", 8},
    {"InternetOpenA", 20}, {"InternetOpenUrlA", 24}, {"InternetOpenUrlW", 24},
    {"InternetOpenW", 20}, {"InternetQueryDataAvailable", 16}, {"InternetQueryOptionA", 16},
    {"InternetReadFile", 16}, {"InternetSetOptionA", 16}, {"InternetWriteFile", 16},
};

static const struct nt_name urlmon[] = {
    {"ObtainUserAgentString", 12}, {"URLDownloadToCacheFileA", 24}, {"URLDownloadToFileA", 20},
    {"URLDownloadToFileW", 20}, {"URLOpenBlockingStreamA", 20},
};
/* clang-format on */

const struct nt_name *nt_names_more(const char *dll, size_t *count)
{
    static const struct {
        const char *dll;
        const struct nt_name *names;
        size_t count;
    } lists[] = {
#define LIST(dll, names) {dll, names, sizeof names / sizeof *names}
        LIST("user32.dll", user32),   LIST("advapi32.dll", advapi32), LIST("ws2_32.dll", ws2_32),
        LIST("shell32.dll", shell32), LIST("wininet.dll", wininet),   LIST("urlmon.dll", urlmon),
#undef LIST
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (strcmp(lists[i].dll, dll) == 0) {
            *count = lists[i].count;
            return lists[i].names;
        }
    }
    return NULL;
}
