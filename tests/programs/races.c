/* Threads that race without any lock: who came when depends on every instruction at which they were switched. */
#include <windows.h>

#include <stdio.h>

#define PLACES 4000

static volatile LONG next;
static volatile char order[PLACES];

static void put(char who)
{
    LONG place = next;

    for (volatile int i = 0; i < 10; i++)
        ;
    if (place < PLACES)
        order[place] = who;
    next = place + 1; /* loses what others have put meanwhile */
}

static DWORD WINAPI run(void *arg)
{
    while (next < PLACES) {
        put((char)(LONG_PTR)arg);
        for (volatile int i = 0; i < 500; i++)
            ;
    }
    return 0;
}

int main(void)
{
    HANDLE threads[3];
    unsigned hash = 0, changes = 0;

    for (int i = 0; i < 3; i++)
        threads[i] = CreateThread(NULL, 0, run, (void *)(LONG_PTR)('a' + i), 0, NULL);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    for (int i = 0; i < PLACES; i++) {
        hash = hash * 31 + (unsigned char)order[i];
        changes += i && order[i] != order[i - 1];
    }
    printf("order %08x, %s, tick %lu\n", hash, changes > 3 ? "mixed" : "one after the other",
           GetTickCount());
    return 16;
}
