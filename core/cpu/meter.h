/*
 * What is done before a block of translated code while blocks are looked at: to write down which block it is, to take its
 * size from what may run unseen, and to call on when that is spent. How much is granted, and what then happens, work.c
 * and breaks.c decide.
 */
#ifndef WINSTUB_CORE_CPU_METER_H
#define WINSTUB_CORE_CPU_METER_H

#include <stdint.h>

/* A callback as the engine has them for blocks: its handle, the block, and what it was given for the callback. */
typedef void meter_fn(void *engine, uint64_t address, uint32_t size, void *meter);

struct meter {
    int64_t left;    /* bytes of code that may begin before spent is called */
    uint64_t block;  /* the block that began last */
    uint32_t size;   /* of it, in bytes */
    meter_fn *spent; /* called before a block that makes left negative or finds it so */
    void *owner;     /* for spent */
    meter_fn *
        function; /* what the engine is to call before each block, with the meter for its last argument */
};

/* A meter with nothing left; spent and owner are the caller's to set, function is not. NULL when the host refuses memory. */
struct meter *meter_new(void);
void meter_free(struct meter *m); /* takes NULL */

/* What function does, for hosts with another processor than x86-64, or without memory to execute. */
meter_fn meter_in_c;

#endif
