/* Failing the n-th allocation; see alloc_fail.h. */
#include "alloc_fail.h"

#include <stddef.h>

/* The linker's names for what is wrapped and for what was there before. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned long countdown; /* 0: nothing will fail */
static bool failed;

static bool fails(void)
{
    if (!countdown || --countdown)
        return false;
    failed = true;
    return true;
}

void alloc_fail_at(unsigned long n)
{
    countdown = n;
    failed = false;
}

bool alloc_fail_stop(void)
{
    countdown = 0;
    return failed;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
