/* Guest time, counted or the host's; the contract is in clock.h, the host's side in ticker.c. */
#include "nt/clock.h"

#include <stdlib.h>
#include <time.h>

#include "nt/ticker.h"

/* The guest's processor executes so many bytes of code in a nanosecond: about one instruction. */
#define WORK_PER_NS 4u

#define NS_PER_MS   1000000u
#define SHOWN_NS    NS_PER_MS        /* counted time is shown in steps of this */
#define IDLE_MAX_NS (10 * NS_PER_MS) /* of the host's time, before others may look around */

struct clock {
    struct cpu *cpu;
    struct ticker *ticker; /* NULL: counted */
    struct shared_time at; /* the time at ns 0 */
    uint64_t skipped;      /* counted: ns in which nobody ran, or others did */
    uint8_t *page;         /* counted: as ticker_start's */
    uint64_t shown;        /* counted: ns in the page */
};

static uint64_t now_ns(const struct clock *clock)
{
    if (clock->ticker)
        return ticker_ns(clock->ticker);
    return cpu_work(clock->cpu) / WORK_PER_NS + clock->skipped;
}

/* The guest's processor has a time stamp counter of 1 GHz, which began with the machine. */
static uint64_t read_tsc(void *ctx)
{
    const struct clock *clock = ctx;

    return clock->at.interrupt * 100 + now_ns(clock);
}

enum err clock_new(const struct shared_time *now, struct cpu *cpu, bool host, struct clock **out,
                   struct diag *why)
{
    struct clock *clock = calloc(1, sizeof *clock);
    enum err e;

    if (!clock)
        return diag_set(why, ERR_NOMEM, "the guest's clock: the host is out of memory");
    clock->cpu = cpu;
    clock->at = *now;
    e = host ? ticker_new(now, cpu, &clock->ticker, why) : cpu_count(cpu);
    if (e) {
        free(clock);
        return host ? e : diag_set(why, e, "the guest's clock: the host is out of memory");
    }
    cpu_set_tsc(cpu, read_tsc, clock);
    *out = clock;
    return ERR_OK;
}

void clock_free(struct clock *clock)
{
    if (!clock)
        return;
    cpu_set_tsc(clock->cpu, NULL, NULL);
    ticker_free(clock->ticker);
    free(clock);
}

static struct shared_time at_ns(const struct clock *clock, uint64_t ns)
{
    return (struct shared_time){clock->at.system + ns / 100, clock->at.interrupt + ns / 100};
}

/*
 * Show counted time: always the last whole step. The CPU is stopped at each, so that what the guest sees at an instruction does
 * not depend on when else it was stopped, by a debugger for one.
 */
static void show(struct clock *clock)
{
    uint64_t ns = now_ns(clock) / SHOWN_NS * SHOWN_NS;
    struct shared_time now = at_ns(clock, ns);

    if (!clock->page || ns == clock->shown)
        return;
    clock->shown = ns;
    shared_publish(clock->page, &now);
}

void clock_start(struct clock *clock, uint8_t *page)
{
    clock->page = page;
    if (clock->ticker)
        ticker_start(clock->ticker, page);
}

void clock_stop(struct clock *clock)
{
    if (clock->ticker)
        ticker_stop(clock->ticker);
    else
        show(clock);
    clock->page = NULL;
}

void clock_follow(struct clock *clock, const struct clock *other)
{
    uint64_t ns = now_ns(other);

    if (clock->ticker)
        ticker_set(clock->ticker, ns);
    else
        clock->skipped = ns - cpu_work(clock->cpu) / WORK_PER_NS;
}

struct shared_time clock_now(struct clock *clock)
{
    return at_ns(clock, now_ns(clock));
}

uint64_t clock_used(const struct clock *clock)
{
    return (clock->ticker ? now_ns(clock) : cpu_work(clock->cpu) / WORK_PER_NS) / 100;
}

/* Interrupt time as ns since the clock was made; past times are 0, those that never come stay so. */
static uint64_t to_ns(const struct clock *clock, uint64_t at)
{
    uint64_t ticks = at > clock->at.interrupt ? at - clock->at.interrupt : 0;

    return ticks > CLOCK_NEVER / 100 ? CLOCK_NEVER : ticks * 100;
}

/* End runs at this time, or earlier, when another time is to be shown. */
static void limit_work(const struct clock *clock, uint64_t ns)
{
    uint64_t next = now_ns(clock) / SHOWN_NS * SHOWN_NS + SHOWN_NS;
    uint64_t end = ns < next ? ns : next;

    cpu_set_limit(clock->cpu, end > clock->skipped ? (end - clock->skipped) * WORK_PER_NS : 0);
}

void clock_alarm(struct clock *clock, uint64_t at, bool needed)
{
    uint64_t ns = to_ns(clock, at);

    if (clock->ticker) {
        /* Threads must not be switched in the middle of what is atomic to them. */
        if (needed && cpu_stop_between_blocks(clock->cpu))
            needed = false; /* without memory for that they are switched when they wait */
        ticker_alarm(clock->ticker, needed ? ns : TICKER_NEVER);
        return;
    }
    limit_work(clock, ns);
    show(clock);
}

bool clock_idle(struct clock *clock, uint64_t until)
{
    uint64_t ns = to_ns(clock, until), now = now_ns(clock);
    struct timespec nap = {0};

    if (now >= ns)
        return true;
    if (!clock->ticker) {
        clock->skipped += ns - now;
        return true;
    }
    nap.tv_nsec = (long)(ns - now < IDLE_MAX_NS ? ns - now : IDLE_MAX_NS);
    (void)nanosleep(&nap, NULL);
    return now_ns(clock) >= ns;
}

void clock_waited(struct clock *clock, unsigned ms)
{
    if (!clock->ticker)
        clock->skipped += (uint64_t)ms * NS_PER_MS;
}
