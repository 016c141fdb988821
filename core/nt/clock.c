/*
 * The ticker thread and the arithmetic of guest time. One mutex guards everything: whoever holds it
 * may store into the page, so the page is quiet once clock_stop has returned.
 */
#include "nt/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS    1000000 /* between two stores of the time */
#define IDLE_TICKS 50      /* without a run before the ticker sleeps until the next start */

struct clock {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running;
    bool asleep; /* the ticker waits for a start */
    bool quit;
    unsigned idle;         /* ticks since the last run */
    uint8_t *page;         /* host address of shared user data, while running */
    uint64_t started;      /* host ns at the last start */
    uint64_t elapsed;      /* guest ns up to the last stop */
    uint64_t published;    /* guest ns in the page */
    struct shared_time at; /* the time at guest ns 0 */
};

static uint64_t host_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Store guest time ns in the page. */
static void publish(struct clock *clock, uint64_t ns)
{
    struct shared_time now = {clock->at.system + ns / 100, clock->at.interrupt + ns / 100};

    clock->published = ns;
    if (clock->page)
        shared_publish(clock->page, &now);
}

/* Sleep one tick, or until the next start when nothing has run for a while. Lock held. */
static void wait_tick(struct clock *clock)
{
    struct timespec until;

    if (clock->idle >= IDLE_TICKS) {
        clock->asleep = true;
        pthread_cond_wait(&clock->wake, &clock->lock);
        clock->asleep = false;
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&clock->wake, &clock->lock, &until);
}

static void *ticker(void *arg)
{
    struct clock *clock = arg;

    pthread_mutex_lock(&clock->lock);
    while (!clock->quit) {
        clock->idle++;
        if (clock->running) {
            clock->idle = 0;
            publish(clock, clock->elapsed + host_ns() - clock->started);
        }
        wait_tick(clock);
    }
    pthread_mutex_unlock(&clock->lock);
    return NULL;
}

/* Start the ticker with every signal blocked: signals are the program's, not ours. */
static int start_thread(struct clock *clock)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&clock->thread, NULL, ticker, clock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Initialise the lock and the condition, which waits by the monotonic clock. */
static void init_locks(struct clock *clock)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&clock->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&clock->wake, &attr);
    pthread_condattr_destroy(&attr);
}

enum err clock_new(const struct shared_time *now, struct clock **out, struct diag *why)
{
    struct clock *clock = calloc(1, sizeof *clock);

    if (!clock)
        return diag_set(why, ERR_NOMEM, "the guest's clock: the host is out of memory");
    clock->at = *now;
    init_locks(clock);
    if (start_thread(clock)) {
        pthread_cond_destroy(&clock->wake);
        pthread_mutex_destroy(&clock->lock);
        free(clock);
        return diag_set(why, ERR_NOMEM, "the guest's clock: the host refuses a thread");
    }
    *out = clock;
    return ERR_OK;
}

void clock_free(struct clock *clock)
{
    if (!clock)
        return;
    pthread_mutex_lock(&clock->lock);
    clock->quit = true;
    pthread_cond_signal(&clock->wake);
    pthread_mutex_unlock(&clock->lock);
    pthread_join(clock->thread, NULL);
    pthread_cond_destroy(&clock->wake);
    pthread_mutex_destroy(&clock->lock);
    free(clock);
}

void clock_start(struct clock *clock, uint8_t *page)
{
    pthread_mutex_lock(&clock->lock);
    clock->running = true;
    clock->idle = 0;
    clock->page = page;
    clock->started = host_ns();
    if (clock->asleep)
        pthread_cond_signal(&clock->wake);
    pthread_mutex_unlock(&clock->lock);
}

void clock_stop(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    clock->elapsed += host_ns() - clock->started;
    clock->running = false;
    if (clock->elapsed - clock->published >= TICK_NS)
        publish(clock, clock->elapsed);
    clock->page = NULL;
    pthread_mutex_unlock(&clock->lock);
}

struct shared_time clock_now(struct clock *clock)
{
    uint64_t ns;

    pthread_mutex_lock(&clock->lock);
    ns = clock->elapsed + (clock->running ? host_ns() - clock->started : 0);
    pthread_mutex_unlock(&clock->lock);
    return (struct shared_time){clock->at.system + ns / 100, clock->at.interrupt + ns / 100};
}
