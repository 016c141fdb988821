/* Pipes: anonymous and named ones, threads that talk through them, overlapped and cancelled requests, and how each end ends. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdio.h>
#include <string.h>

#define NAME "\\\\.\\pipe\\talk"

static char lines[64];

/* ---- Anonymous pipes -------------------------------------------------------------------------- */

static DWORD WINAPI produce(void *arg)
{
    char line[32];
    DWORD written;

    for (int i = 1; i <= 200; i++) {
        int len = sprintf(line, "line %d\n", i);

        if (!WriteFile(arg, line, (DWORD)len, &written, NULL) || written != (DWORD)len)
            return 1;
    }
    CloseHandle(arg);
    return 0;
}

/* 200 lines through a pipe with room for three of them. */
static void anonymous(void)
{
    HANDLE reader, writer, thread;
    DWORD got, total = 0, reads = 0;
    char part[16];
    int count = 0;

    printf("CreatePipe: %d", CreatePipe(&reader, &writer, NULL, 32));
    printf(", type %lu\n", GetFileType(reader));
    thread = CreateThread(NULL, 0, produce, writer, 0, NULL);
    while (ReadFile(reader, part, sizeof part, &got, NULL)) {
        for (DWORD i = 0; i < got; i++)
            count += part[i] == '\n';
        total += got;
        reads++;
    }
    printf("%d lines, %lu bytes, then error %lu\n", count, total, GetLastError());
    printf("several reads: %d\n", reads > 1);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CloseHandle(reader);
    CreatePipe(&reader, &writer, NULL, 0);
    CloseHandle(reader);
    printf("nobody reads: %d", WriteFile(writer, "x", 1, &got, NULL));
    printf(", error %lu\n", GetLastError());
    CloseHandle(writer);
}

/* ---- Messages --------------------------------------------------------------------------------- */

static HANDLE serve(DWORD flags, DWORD mode)
{
    return CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX | flags, mode, 2, 64, 64, 1000, NULL);
}

static HANDLE open_client(DWORD flags)
{
    return CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, flags, NULL);
}

/* Answer each client's questions with their letters turned around, until it goes. */
static DWORD WINAPI answer_clients(void *arg)
{
    char text[64], back[64];
    DWORD got, written;

    for (int client = 0; client < 2; client++) {
        if (!ConnectNamedPipe(arg, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)
            return 1;
        while (ReadFile(arg, text, sizeof text, &got, NULL)) {
            for (DWORD i = 0; i < got; i++)
                back[i] = text[got - 1 - i];
            WriteFile(arg, back, got, &written, NULL);
        }
        FlushFileBuffers(arg);
        DisconnectNamedPipe(arg);
    }
    return 0;
}

static void messages(void)
{
    HANDLE server = serve(0, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE), client, thread;
    DWORD mode = PIPE_READMODE_MESSAGE, got = 0, avail = 0, left = 0, flags = 0, most = 0;
    char text[64] = "";

    thread = CreateThread(NULL, 0, answer_clients, server, 0, NULL);
    client = open_client(0);
    printf("modes: %d", SetNamedPipeHandleState(client, &mode, NULL, NULL));
    printf(", %d", GetNamedPipeInfo(client, &flags, NULL, NULL, &most));
    printf(", flags %lx, %lu instances\n", flags, most);
    printf("transact: %d", TransactNamedPipe(client, "stressed", 8, text, sizeof text, &got, NULL));
    printf(", %.*s\n", (int)got, text);
    WriteFile(client, "a longer one", 12, &got, NULL);
    while (PeekNamedPipe(client, NULL, 0, NULL, &avail, &left) && !avail)
        Sleep(1);
    printf("peek: %lu there, %lu in the first\n", avail, left);
    printf("short: %d", ReadFile(client, text, 4, &got, NULL));
    printf(", error %lu, %.*s", GetLastError(), (int)got, text);
    printf("; the rest: %d", ReadFile(client, text, sizeof text, &got, NULL));
    printf(", %.*s\n", (int)got, text);
    CloseHandle(client);
    printf("call: %d", CallNamedPipeA(NAME, "live", 4, text, sizeof text, &got, 5000));
    printf(", %.*s\n", (int)got, text);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CloseHandle(server);
}

/* ---- Overlapped ------------------------------------------------------------------------------- */

static void WINAPI completed(DWORD error, DWORD bytes, OVERLAPPED *overlapped)
{
    sprintf(lines, "routine: error %lu, %lu bytes, %d", error, bytes, overlapped->hEvent != NULL);
}

static void by_event_and_routine(HANDLE server, HANDLE client)
{
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    char text[64];
    DWORD got = 0;

    printf("read: %d", ReadFile(server, text, sizeof text, NULL, &o));
    printf(", error %lu, signaled %d", GetLastError(), WaitForSingleObject(o.hEvent, 0) == 0);
    WriteFile(client, "event", 5, &got, NULL);
    printf(", then %d", WaitForSingleObject(o.hEvent, 0) == 0);
    printf(", %d", GetOverlappedResult(server, &o, &got, FALSE));
    printf(", %.*s\n", (int)got, text);
    printf("ReadFileEx: %d", ReadFileEx(server, text, sizeof text, &o, completed));
    WriteFile(client, "routine", 7, &got, NULL);
    printf(", sleep %lu", SleepEx(1000, TRUE));
    printf(", %s\n", lines);
    CloseHandle(o.hEvent);
}

static void by_port(HANDLE server, HANDLE client)
{
    HANDLE port = CreateIoCompletionPort(server, NULL, 11, 0);
    OVERLAPPED o = {0}, *done = NULL;
    ULONG_PTR key = 0;
    char text[64];
    DWORD got = 0;

    ReadFile(server, text, sizeof text, NULL, &o);
    printf("port: %d", GetQueuedCompletionStatus(port, &got, &key, &done, 10));
    WriteFile(client, "packet", 6, &got, NULL);
    printf(", %d", GetQueuedCompletionStatus(port, &got, &key, &done, INFINITE));
    printf(", %lu bytes, key %lu, mine %d\n", got, (unsigned long)key, done == &o);
    CloseHandle(port);
}

/* More than the pipe holds is written in the end, when somebody reads. */
static void full(HANDLE server, HANDLE client)
{
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    char text[100] = "";
    DWORD got = 0;

    printf("write: %d", WriteFile(server, text, sizeof text, NULL, &o));
    printf(", error %lu", GetLastError());
    ReadFile(client, text, 50, &got, NULL);
    printf(", %lu read", got);
    printf(": %d", GetOverlappedResult(server, &o, &got, FALSE));
    printf(", %lu written\n", got);
    ReadFile(client, text, 50, &got, NULL);
    CloseHandle(o.hEvent);
}

static DWORD WINAPI read_until_cancelled(void *arg)
{
    char text[8];
    DWORD got;

    return ReadFile(arg, text, sizeof text, &got, NULL) ? 0 : GetLastError();
}

static void cancelled(HANDLE server, HANDLE client)
{
    OVERLAPPED one = {0}, two = {0};
    HANDLE thread = CreateThread(NULL, 0, read_until_cancelled, client, 0, NULL);
    char text[8];
    DWORD got = 0, code = 0;

    ReadFile(server, text, sizeof text, NULL, &one);
    ReadFile(server, text, sizeof text, NULL, &two);
    printf("CancelIoEx: %d", CancelIoEx(server, &two));
    printf(", %d %d", HasOverlappedIoCompleted(&one), HasOverlappedIoCompleted(&two));
    printf("; CancelIo: %d", CancelIo(server));
    printf(", %d", GetOverlappedResult(server, &one, &got, TRUE));
    printf(", error %lu", GetLastError());
    printf("; none left: %d", CancelIoEx(server, NULL));
    printf(", error %lu\n", GetLastError());
    Sleep(10);
    printf("CancelSynchronousIo: %d", CancelSynchronousIo(thread));
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    printf(", error %lu\n", code);
    CloseHandle(thread);
}

static void overlapped(void)
{
    HANDLE server = serve(FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE), client;
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD got = 0;

    printf("connect: %d", ConnectNamedPipe(server, &o));
    printf(", error %lu", GetLastError());
    client = open_client(0);
    printf(", %d\n", GetOverlappedResult(server, &o, &got, TRUE));
    by_event_and_routine(server, client);
    full(server, client);
    cancelled(server, client);
    by_port(server, client);
    CloseHandle(client);
    CloseHandle(server);
    CloseHandle(o.hEvent);
}

/* ---- Turns ------------------------------------------------------------------------------------ */

static DWORD WINAPI read_one(void *arg)
{
    char text[8];
    DWORD got = 0;

    ReadFile(arg, text, sizeof text, &got, NULL);
    return got;
}

static DWORD WINAPI write_later(void *arg)
{
    DWORD written;

    Sleep(100);
    WriteFile(arg, "late", 4, &written, NULL);
    Sleep(100);
    WriteFile(arg, "latest", 6, &written, NULL);
    return 0;
}

/* A file that is not overlapped serves one request at a time: who looks must wait for who reads. */
static void turns(void)
{
    HANDLE server = serve(0, PIPE_TYPE_BYTE), client = open_client(0), threads[3];
    DWORD before = GetTickCount(), avail = 9, code[2] = {0};

    threads[0] = CreateThread(NULL, 0, read_one, server, 0, NULL);
    threads[1] = CreateThread(NULL, 0, read_one, server, 0, NULL);
    threads[2] = CreateThread(NULL, 0, write_later, client, 0, NULL);
    Sleep(10);
    printf("peek: %d", PeekNamedPipe(server, NULL, 0, NULL, &avail, NULL));
    printf(", %lu there, waited %d\n", avail, GetTickCount() - before >= 90);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    for (int i = 0; i < 3; i++) {
        if (i < 2)
            GetExitCodeThread(threads[i], &code[i]);
        CloseHandle(threads[i]);
    }
    printf("one read %lu, the other %lu\n", code[0], code[1]);
    CloseHandle(client);
    CloseHandle(server);
}

/* ---- Waiting for an instance ------------------------------------------------------------------ */

static DWORD WINAPI free_instance(void *arg)
{
    Sleep(200);
    DisconnectNamedPipe(arg);
    ConnectNamedPipe(arg, NULL);
    return 0;
}

static void instances(void)
{
    HANDLE server, client, thread;
    DWORD before;

    printf("no pipe: %d", WaitNamedPipeA(NAME, 100));
    printf(", error %lu\n", GetLastError());
    server = serve(0, PIPE_TYPE_BYTE);
    client = open_client(0);
    printf("busy: %d", open_client(0) != INVALID_HANDLE_VALUE);
    printf(", error %lu\n", GetLastError());
    before = GetTickCount();
    printf("too short: %d", WaitNamedPipeA(NAME, 100));
    printf(", error %lu", GetLastError());
    printf(", after %d ms\n", (int)((GetTickCount() - before + 25) / 50 * 50));
    thread = CreateThread(NULL, 0, free_instance, server, 0, NULL);
    printf("long enough: %d\n", WaitNamedPipeA(NAME, NMPWAIT_WAIT_FOREVER));
    CloseHandle(client);
    client = open_client(0);
    printf("again: %d\n", client != INVALID_HANDLE_VALUE);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CloseHandle(client);
    CloseHandle(server);
}

/* Both ends are ours, and nobody else writes. */
static void wait_for_ever(void)
{
    HANDLE server = serve(0, PIPE_TYPE_BYTE), client = open_client(0);
    char text[4];
    DWORD got;

    (void)client;
    ReadFile(server, text, sizeof text, &got, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "stuck") == 0)
        wait_for_ever();
    anonymous();
    messages();
    overlapped();
    turns();
    instances();
    fflush(stdout);
    return 15;
}
