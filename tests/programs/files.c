/* Files and directories, through Win32: what each call answers. Runs in the root of an empty drive. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* "ok", or the error. */
static const char *result(BOOL ok)
{
    static char text[4][24];
    static unsigned next;
    char *out = text[next++ % 4];

    if (ok)
        return "ok";
    snprintf(out, sizeof text[0], "error %lu", GetLastError());
    return out;
}

static HANDLE make(const char *name, DWORD access, DWORD share, DWORD how, DWORD flags)
{
    return CreateFileA(name, access, share, NULL, how, flags, NULL);
}

static void try(const char *what, const char *name, DWORD access, DWORD how, DWORD flags)
{
    HANDLE file;
    DWORD error;

    SetLastError(0);
    file = make(name, access, 0, how, flags);
    error = GetLastError();
    printf("%s: %s, last error %lu\n", what, file == INVALID_HANDLE_VALUE ? "failed" : "opened",
           error);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
}

static void show(const char *name)
{
    char data[64] = {0};
    DWORD got = 0;
    HANDLE file = make(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING, 0);

    if (file == INVALID_HANDLE_VALUE) {
        printf("%s: %s\n", name, result(FALSE));
        return;
    }
    ReadFile(file, data, sizeof data - 1, &got, NULL);
    printf("%s: %lu bytes \"%s\"\n", name, got, data);
    CloseHandle(file);
}

static void dispositions(void)
{
    try("open what is not there", "a.txt", GENERIC_READ, OPEN_EXISTING, 0);
    try("truncate what is not there", "a.txt", GENERIC_WRITE, TRUNCATE_EXISTING, 0);
    try("create", "a.txt", GENERIC_WRITE, CREATE_NEW, 0);
    try("create again", "A.TXT", GENERIC_WRITE, CREATE_NEW, 0);
    try("create over it", "A.txt", GENERIC_WRITE, CREATE_ALWAYS, 0);
    try("open or create", "a.txt", GENERIC_READ, OPEN_ALWAYS, 0);
    try("open or create another", "b.txt", GENERIC_WRITE, OPEN_ALWAYS, 0);
    try("in a folder that is not there", "no\\a.txt", GENERIC_WRITE, CREATE_NEW, 0);
    try("with a bad name", "a|b", GENERIC_WRITE, CREATE_NEW, 0);
    try("a folder as a file", "\\", GENERIC_READ, OPEN_EXISTING, 0);
    try("a folder as a folder", "\\", GENERIC_READ, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
    try("a system file, to write", "C:\\Windows\\System32\\ntdll.dll", GENERIC_WRITE, OPEN_EXISTING,
        0);
    try("on a drive that is not there", "Q:\\a", GENERIC_READ, OPEN_EXISTING, 0);
    try("the null device", "NUL", GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING, 0);
    try("by its long form", "\\\\?\\D:\\b.txt", GENERIC_READ, OPEN_EXISTING, 0);
    try("with dots in the long form", "\\\\?\\D:\\x\\..\\b.txt", GENERIC_READ, OPEN_EXISTING, 0);
    try("out of the drive", "..\\..\\..\\b.txt", GENERIC_READ, OPEN_EXISTING, 0);
}

static void contents(void)
{
    HANDLE file = make("a.txt", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, CREATE_ALWAYS, 0);
    LARGE_INTEGER size;
    DWORD done;
    char data[8] = {0};

    WriteFile(file, "hello, world", 12, &done, NULL);
    printf("wrote %lu\n", done);
    SetFilePointer(file, 7, NULL, FILE_BEGIN);
    WriteFile(file, "W", 1, &done, NULL);
    printf("position %lu\n", SetFilePointer(file, 0, NULL, FILE_CURRENT));
    SetFilePointer(file, -5, NULL, FILE_END);
    ReadFile(file, data, 7, &done, NULL);
    printf("read %lu \"%s\"\n", done, data);
    printf("read at the end: %s", result(ReadFile(file, data, 7, &done, NULL)));
    printf(" %lu\n", done);
    done = SetFilePointer(file, -1, NULL, FILE_BEGIN);
    printf("before the beginning: %lx, %lu\n", done, GetLastError());
    SetFilePointer(file, 5, NULL, FILE_BEGIN);
    printf("truncate: %s\n", result(SetEndOfFile(file)));
    SetFilePointer(file, 10, NULL, FILE_BEGIN);
    printf("extend: %s\n", result(SetEndOfFile(file)));
    GetFileSizeEx(file, &size);
    printf("size %lld\n", size.QuadPart);
    printf("flush: %s\n", result(FlushFileBuffers(file)));
    CloseHandle(file);
    show("a.txt");
    file = make("a.txt", FILE_APPEND_DATA, 0, OPEN_EXISTING, 0);
    WriteFile(file, "+more", 5, &done, NULL);
    printf("reading with append only: %s\n", result(ReadFile(file, data, 1, &done, NULL)));
    CloseHandle(file);
    file = make("a.txt", GENERIC_READ, 0, OPEN_EXISTING, 0);
    GetFileSizeEx(file, &size);
    printf("appended: size %lld\n", size.QuadPart);
    printf("writing with read only: %s\n", result(WriteFile(file, "x", 1, &done, NULL)));
    CloseHandle(file);
}

static void overlapped(void)
{
    OVERLAPPED o = {0};
    HANDLE file =
        make("a.txt", GENERIC_READ | GENERIC_WRITE, 0, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
    char data[8] = {0};
    DWORD done = 0;
    BOOL ok;

    o.Offset = 10;
    ok = ReadFile(file, data, 5, NULL, &o) || GetLastError() == ERROR_IO_PENDING;
    printf("overlapped read: %s", result(ok));
    ok = GetOverlappedResult(file, &o, &done, TRUE);
    printf(", %s %lu \"%s\"\n", result(ok), done, data);
    o.Offset = 0xffffffff;
    o.OffsetHigh = 0xffffffff;
    ok = WriteFile(file, "!", 1, NULL, &o) || GetLastError() == ERROR_IO_PENDING;
    ok = ok && GetOverlappedResult(file, &o, &done, TRUE);
    printf("append by offset: %s %lu, size %lu\n", result(ok), done, GetFileSize(file, NULL));
    printf("without an offset: %s\n", result(ReadFile(file, data, 1, &done, NULL)));
    CloseHandle(file);
}

static VOID CALLBACK done(DWORD error, DWORD bytes, OVERLAPPED *o)
{
    printf("routine: error %lu, %lu bytes, offset %lu\n", error, bytes, o->Offset);
}

static void completions(void)
{
    HANDLE file = make("a.txt", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
    HANDLE other =
        make("a.txt", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
    HANDLE port = CreateIoCompletionPort(file, NULL, 77, 0);
    OVERLAPPED first = {0}, second = {0}, *got = NULL;
    char data[8] = {0}, more[8] = {0};
    ULONG_PTR key = 0;
    DWORD bytes = 0;
    BOOL ok;

    first.Offset = 1;
    second.Offset = 10;
    second.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    ReadFile(file, data, 4, NULL, &first);
    ReadFile(file, more, 5, NULL, &second);
    ok = GetQueuedCompletionStatus(port, &bytes, &key, &got, 1000);
    printf("first packet: %s, %lu bytes, key %lu, mine %d \"%s\"\n", result(ok), bytes, (DWORD)key,
           got == &first, data);
    ok = GetQueuedCompletionStatus(port, &bytes, &key, &got, 1000);
    printf("second packet: %s, %lu bytes, key %lu, mine %d \"%s\"\n", result(ok), bytes, (DWORD)key,
           got == &second, more);
    printf("its event: %lu\n", WaitForSingleObject(second.hEvent, 0));
    printf("a third: %s\n", result(GetQueuedCompletionStatus(port, &bytes, &key, &got, 10)));
    printf("a second port: %s\n", result(CreateIoCompletionPort(file, port, 78, 0) != NULL));
    printf("read with a routine: %s\n", result(ReadFileEx(other, data, 4, &first, done)));
    printf("alertable sleep: %lx\n", SleepEx(1000, TRUE));
    CloseHandle(second.hEvent);
    CloseHandle(port);
    CloseHandle(other);
    CloseHandle(file);
}

static void sharing(void)
{
    HANDLE one = make("b.txt", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, 0), two;

    two = make("B.txt", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING, 0);
    printf("write beside a reader: %s\n", result(two != INVALID_HANDLE_VALUE));
    two = make("b.txt", GENERIC_READ, 0, OPEN_EXISTING, 0);
    printf("read without sharing: %s\n", result(two != INVALID_HANDLE_VALUE));
    two = make("b.txt", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    printf("read beside it: %s\n", result(two != INVALID_HANDLE_VALUE));
    CloseHandle(two);
    two = make("b.txt", FILE_READ_ATTRIBUTES, 0, OPEN_EXISTING, 0);
    printf("look beside it: %s\n", result(two != INVALID_HANDLE_VALUE));
    CloseHandle(two);
    printf("delete beside it: %s\n", result(DeleteFileA("b.txt")));
    CloseHandle(one);
    one = make("b.txt", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
               OPEN_EXISTING, 0);
    two = make("b.txt", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
               OPEN_EXISTING, 0);
    printf("lock: %s\n", result(LockFile(one, 0, 0, 10, 0)));
    printf("lock over it: %s\n", result(LockFile(two, 5, 0, 10, 0)));
    {
        DWORD done;

        printf("write there: %s\n", result(WriteFile(two, "x", 1, &done, NULL)));
        printf("write by the owner: %s\n", result(WriteFile(one, "x", 1, &done, NULL)));
        printf("unlock another: %s\n", result(UnlockFile(one, 0, 0, 9, 0)));
        printf("unlock: %s\n", result(UnlockFile(one, 0, 0, 10, 0)));
        printf("write then: %s\n", result(WriteFile(two, "y", 1, &done, NULL)));
    }
    CloseHandle(one);
    CloseHandle(two);
    show("b.txt");
}

static void list(const char *pattern)
{
    WIN32_FIND_DATAA found;
    HANDLE h = FindFirstFileA(pattern, &found);

    printf("%s:", pattern);
    if (h == INVALID_HANDLE_VALUE) {
        printf(" %s\n", result(FALSE));
        return;
    }
    do
        printf(" %s%s%s", found.cFileName,
               found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? "\\" : "",
               found.dwFileAttributes & FILE_ATTRIBUTE_READONLY ? "(r)" : "");
    while (FindNextFileA(h, &found));
    printf("; %s\n", result(FALSE));
    FindClose(h);
}

static void folders(void)
{
    char where[MAX_PATH];

    printf("mkdir: %s\n", result(CreateDirectoryA("sub", NULL)));
    printf("mkdir again: %s\n", result(CreateDirectoryA("SUB", NULL)));
    printf("mkdir below: %s\n", result(CreateDirectoryA("sub\\deep", NULL)));
    printf("mkdir too deep: %s\n", result(CreateDirectoryA("x\\y", NULL)));
    try("a file below", "sub\\c.dat", GENERIC_WRITE, CREATE_NEW, 0);
    try("another", "sub\\long name.text", GENERIC_WRITE, CREATE_NEW, 0);
    try("and one without a dot", "sub\\plain", GENERIC_WRITE, CREATE_NEW, FILE_ATTRIBUTE_READONLY);
    list("*");
    list("sub\\*");
    list("sub\\*.*");
    list("sub\\?.dat");
    list("sub\\*N*.*");
    list("sub\\nothing*");
    list("nowhere\\*");
    list("SUB\\DEEP");
    printf("rmdir of a full one: %s\n", result(RemoveDirectoryA("sub")));
    printf("rmdir of a file: %s\n", result(RemoveDirectoryA("a.txt")));
    printf("delete of a folder: %s\n", result(DeleteFileA("sub")));
    printf("rmdir: %s\n", result(RemoveDirectoryA("sub\\deep")));
    printf("delete read-only: %s\n", result(DeleteFileA("sub\\plain")));
    printf("make it writable: %s\n",
           result(SetFileAttributesA("sub\\plain", FILE_ATTRIBUTE_NORMAL)));
    printf("delete: %s\n", result(DeleteFileA("sub\\plain")));
    printf("chdir: %s\n", result(SetCurrentDirectoryA("sub")));
    GetCurrentDirectoryA(sizeof where, where);
    printf("now in %s\n", where);
    list("*");
    SetCurrentDirectoryA("..");
}

static void names(void)
{
    HANDLE file;
    char path[MAX_PATH];

    printf("rename: %s\n", result(MoveFileA("a.txt", "sub\\Renamed.txt")));
    printf("over another: %s\n", result(MoveFileA("b.txt", "sub\\renamed.txt")));
    printf("replacing it: %s\n",
           result(MoveFileExA("b.txt", "sub\\renamed.txt", MOVEFILE_REPLACE_EXISTING)));
    printf("another case: %s\n", result(MoveFileA("sub\\renamed.txt", "sub\\RENAMED.txt")));
    printf("a folder: %s\n", result(MoveFileA("sub", "sub2")));
    printf("what is not there: %s\n", result(MoveFileA("sub", "sub3")));
    list("sub2\\*");
    printf("copy: %s\n", result(CopyFileA("sub2\\renamed.txt", "copy.txt", TRUE)));
    show("copy.txt");
    printf("copy again: %s\n", result(CopyFileA("sub2\\renamed.txt", "copy.txt", TRUE)));
    printf("hard link: %s\n", result(CreateHardLinkA("link.txt", "copy.txt", NULL)));
    show("link.txt");
    file = make("gone.txt", GENERIC_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE, CREATE_NEW,
                FILE_FLAG_DELETE_ON_CLOSE);
    printf("delete on close: %s\n", result(file != INVALID_HANDLE_VALUE));
    list("gone*");
    CloseHandle(file);
    list("gone*");
    file = make("copy.txt", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, OPEN_EXISTING, 0);
    printf("delete while open: %s\n", result(DeleteFileA("copy.txt")));
    printf("open it then: %s\n",
           result(make("copy.txt", GENERIC_READ, 7, OPEN_EXISTING, 0) != INVALID_HANDLE_VALUE));
    CloseHandle(file);
    list("copy*");
    GetTempPathA(sizeof path, path);
    printf("temporary: %s\n", path);
    GetFullPathNameA("sub2\\..\\link.txt", sizeof path, path, NULL);
    printf("full: %s\n", path);
}

static void facts(void)
{
    FILETIME stamp = {0x12345600, 0x01d00000}, read = {0, 0};
    BY_HANDLE_FILE_INFORMATION info;
    WIN32_FILE_ATTRIBUTE_DATA data;
    ULARGE_INTEGER mine, all;
    DWORD sectors, bytes, serial, longest, flags, got;
    char label[32], system[32];
    HANDLE file = make("link.txt", GENERIC_READ | GENERIC_WRITE, 0, OPEN_EXISTING, 0);

    printf("type %lu, stdout %lu\n", GetFileType(file),
           GetFileType(GetStdHandle(STD_OUTPUT_HANDLE)));
    printf("set times: %s\n", result(SetFileTime(file, NULL, NULL, &stamp)));
    GetFileTime(file, NULL, NULL, &read);
    printf("times agree: %d\n", CompareFileTime(&stamp, &read) == 0);
    GetFileInformationByHandle(file, &info);
    printf("info: attributes %lx size %lu links %lu serial %lx\n", info.dwFileAttributes,
           info.nFileSizeLow, info.nNumberOfLinks, info.dwVolumeSerialNumber);
    got = GetFinalPathNameByHandleA(file, label, sizeof label, 0);
    printf("final path: %s\n", got ? label : result(FALSE));
    CloseHandle(file);
    GetFileAttributesExA("link.txt", GetFileExInfoStandard, &data);
    printf("by name: attributes %lx size %lu\n", data.dwFileAttributes, data.nFileSizeLow);
    got = GetFileAttributesA("none");
    printf("attributes: of nothing %lx (%lu), %lx %lx\n", got, GetLastError(),
           GetFileAttributesA("link.txt"), GetFileAttributesA("sub2"));
    printf("free space: %s", result(GetDiskFreeSpaceExA("D:\\", &mine, &all, NULL)));
    printf(" %llu of %llu MiB\n", mine.QuadPart >> 20, all.QuadPart >> 20);
    printf("cluster: %s", result(GetDiskFreeSpaceA("D:\\", &sectors, &bytes, &serial, &longest)));
    printf(" %lu x %lu\n", sectors, bytes);
    printf("volume: %s", result(GetVolumeInformationA("D:\\", label, sizeof label, &serial,
                                                      &longest, &flags, system, sizeof system)));
    printf(" \"%s\" %lx %lu %s\n", label, serial, longest, system);
}

int main(void)
{
    dispositions();
    contents();
    overlapped();
    completions();
    sharing();
    folders();
    names();
    facts();
    return 4;
}
