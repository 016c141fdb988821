/*
 * The ticker's thread. One mutex guards everything: whoever holds it may store into the page, so the page is quiet once
 * ticker_stop has returned.
 */
#include "nt/ticker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS    1000000 /* between two stores of the time */
#define IDLE_TICKS 50      /* without a run before the ticker sleeps until the next start */

struct ticker {
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
    struct cpu *cpu;
    uint64_t alarm; /* guest ns at which its run is ended */
};

static uint64_t host_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Store guest time ns in the page. */
static void publish(struct ticker *t, uint64_t ns)
{
    struct shared_time now = {t->at.system + ns / 100, t->at.interrupt + ns / 100};

    t->published = ns;
    if (t->page)
        shared_publish(t->page, &now);
}

/* Sleep one tick, or until the next start when nothing has run for a while. Lock held. */
static void wait_tick(struct ticker *t)
{
    struct timespec until;

    if (t->idle >= IDLE_TICKS) {
        t->asleep = true;
        pthread_cond_wait(&t->wake, &t->lock);
        t->asleep = false;
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&t->wake, &t->lock, &until);
}

/* Lock held; not while the CPU is told to stop, which takes until it has. */
static void tick(struct ticker *t)
{
    uint64_t now = t->elapsed + host_ns() - t->started;

    t->idle = 0;
    publish(t, now);
    if (now < t->alarm || !t->cpu)
        return;
    t->alarm = TICKER_NEVER;
    pthread_mutex_unlock(&t->lock);
    cpu_stop(t->cpu);
    pthread_mutex_lock(&t->lock);
}

static void *ticker(void *arg)
{
    struct ticker *t = arg;

    pthread_mutex_lock(&t->lock);
    while (!t->quit) {
        t->idle++;
        if (t->running)
            tick(t);
        wait_tick(t);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Start the ticker with every signal blocked: signals are the program's, not ours. */
static int start_thread(struct ticker *t)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&t->thread, NULL, ticker, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Initialise the lock and the condition, which waits by the monotonic clock. */
static void init_locks(struct ticker *t)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
}

enum err ticker_new(const struct shared_time *now, struct cpu *cpu, struct ticker **out,
                    struct diag *why)
{
    struct ticker *t = calloc(1, sizeof *t);

    if (!t)
        return diag_set(why, ERR_NOMEM, "the guest's clock: the host is out of memory");
    t->at = *now;
    t->cpu = cpu;
    t->alarm = TICKER_NEVER;
    init_locks(t);
    if (start_thread(t)) {
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return diag_set(why, ERR_NOMEM, "the guest's clock: the host refuses a thread");
    }
    *out = t;
    return ERR_OK;
}

void ticker_free(struct ticker *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void ticker_start(struct ticker *t, uint8_t *page)
{
    pthread_mutex_lock(&t->lock);
    t->running = true;
    t->idle = 0;
    t->page = page;
    t->started = host_ns();
    if (t->asleep)
        pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void ticker_stop(struct ticker *t)
{
    pthread_mutex_lock(&t->lock);
    t->elapsed += host_ns() - t->started;
    t->running = false;
    if (t->elapsed - t->published >= TICK_NS)
        publish(t, t->elapsed);
    t->page = NULL;
    pthread_mutex_unlock(&t->lock);
}

uint64_t ticker_ns(struct ticker *t)
{
    uint64_t ns;

    pthread_mutex_lock(&t->lock);
    ns = t->elapsed + (t->running ? host_ns() - t->started : 0);
    pthread_mutex_unlock(&t->lock);
    return ns;
}

void ticker_set(struct ticker *t, uint64_t ns)
{
    pthread_mutex_lock(&t->lock);
    t->elapsed = ns;
    pthread_mutex_unlock(&t->lock);
}

void ticker_alarm(struct ticker *t, uint64_t ns)
{
    pthread_mutex_lock(&t->lock);
    t->alarm = ns;
    pthread_mutex_unlock(&t->lock);
}
