/* Who watches a folder hears of what happens in it. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdio.h>
#include <string.h>

#define NAMES (FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME)

static char folder[MAX_PATH];

static const char *path_of(const char *name)
{
    static char paths[2][MAX_PATH];
    static int turn;

    turn = !turn;
    snprintf(paths[turn], MAX_PATH, "%s\\%s", folder, name);
    return paths[turn];
}

static void make(const char *name)
{
    CloseHandle(CreateFileA(path_of(name), GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL));
}

static HANDLE open_folder(void)
{
    return CreateFileA(folder, FILE_LIST_DIRECTORY,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                       FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED, NULL);
}

static void print_records(const void *buffer, DWORD size)
{
    const BYTE *at = buffer;

    printf("%s", size ? "" : " look for yourself");
    while (size) {
        const FILE_NOTIFY_INFORMATION *record = (const void *)at;

        printf(" %lu:%.*ls", record->Action, (int)(record->FileNameLength / 2), record->FileName);
        if (!record->NextEntryOffset)
            break;
        at += record->NextEntryOffset;
    }
    printf("\n");
}

static void one_by_one(void)
{
    HANDLE watched = open_folder(), file;
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD buffer[64], got = 0;
    char small_buffer[16];

    printf("watch: %d", ReadDirectoryChangesW(watched, buffer, sizeof buffer, FALSE,
                                              NAMES | FILE_NOTIFY_CHANGE_SIZE, NULL, &o, NULL));
    printf(", done %d\n", HasOverlappedIoCompleted(&o));
    make("one");
    GetOverlappedResult(watched, &o, &got, TRUE);
    printf("made:");
    print_records(buffer, got);
    MoveFileA(path_of("one"), path_of("two"));
    file = CreateFileA(path_of("two"), GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    WriteFile(file, "text", 4, &got, NULL);
    CloseHandle(file);
    DeleteFileA(path_of("two"));
    ReadDirectoryChangesW(watched, buffer, sizeof buffer, FALSE, 0xff, NULL, &o, NULL);
    GetOverlappedResult(watched, &o, &got, TRUE);
    printf("since then:");
    print_records(buffer, got);
    ReadDirectoryChangesW(watched, small_buffer, sizeof small_buffer, FALSE, 0xff, NULL, &o, NULL);
    make("a longer name");
    printf("too long: %d,", GetOverlappedResult(watched, &o, &got, TRUE));
    print_records(small_buffer, got);
    DeleteFileA(path_of("a longer name"));
    CloseHandle(watched);
    CloseHandle(o.hEvent);
}

static void below(void)
{
    HANDLE watched = open_folder();
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD buffer[64], got = 0;

    CreateDirectoryA(path_of("sub"), NULL);
    ReadDirectoryChangesW(watched, buffer, sizeof buffer, TRUE, NAMES, NULL, &o, NULL);
    make("sub\\deep");
    GetOverlappedResult(watched, &o, &got, TRUE);
    printf("below:");
    print_records(buffer, got);
    MoveFileA(path_of("sub\\deep"), path_of("up"));
    ReadDirectoryChangesW(watched, buffer, sizeof buffer, TRUE, NAMES, NULL, &o, NULL);
    GetOverlappedResult(watched, &o, &got, TRUE);
    printf("moved:");
    print_records(buffer, got);
    ReadDirectoryChangesW(watched, buffer, sizeof buffer, TRUE, NAMES, NULL, &o, NULL);
    printf("cancelled: %d", CancelIo(watched));
    printf(", %d", GetOverlappedResult(watched, &o, &got, TRUE));
    printf(", error %lu\n", GetLastError());
    CloseHandle(watched);
    CloseHandle(o.hEvent);
}

static DWORD WINAPI remove_later(void *arg)
{
    Sleep(50);
    RemoveDirectoryA(arg);
    return 0;
}

static void by_handle(void)
{
    HANDLE change = FindFirstChangeNotificationA(folder, FALSE, FILE_NOTIFY_CHANGE_DIR_NAME);
    HANDLE thread;
    char sub[MAX_PATH];

    printf("nothing yet: %d\n", WaitForSingleObject(change, 20) == WAIT_TIMEOUT);
    DeleteFileA(path_of("up"));
    printf("a file: %d\n", WaitForSingleObject(change, 20) == WAIT_TIMEOUT);
    strcpy(sub, path_of("sub"));
    thread = CreateThread(NULL, 0, remove_later, sub, 0, NULL);
    printf("a folder: %d\n", WaitForSingleObject(change, INFINITE) == WAIT_OBJECT_0);
    printf("next: %d\n", FindNextChangeNotification(change));
    printf("quiet: %d\n", WaitForSingleObject(change, 20) == WAIT_TIMEOUT);
    printf("closed: %d\n", FindCloseChangeNotification(change));
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

int main(void)
{
    GetTempPathA(sizeof folder, folder);
    strcat(folder, "watched");
    CreateDirectoryA(folder, NULL);
    one_by_one();
    below();
    by_handle();
    printf("removed: %d\n", RemoveDirectoryA(folder));
    fflush(stdout);
    return 17;
}
