/*
 * The watching thread. The lock is held while tick runs, so watch_end waits for a tick under way and a
 * tick never sees a guest that has stopped.
 */
#include "watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS    2000000L
#define IDLE_TICKS 50 /* ticks without a run after which the thread sleeps until the next one */

struct watch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    void (*tick)(void *ctx);
    void *ctx;
    unsigned idle;
    bool running;
    bool asleep;
    bool quit;
};

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    const struct timespec pause = {.tv_nsec = TICK_NS};

    (void)pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        if (w->running) {
            w->idle = 0;
            w->tick(w->ctx);
        } else if (++w->idle > IDLE_TICKS) {
            w->asleep = true;
            (void)pthread_cond_wait(&w->wake, &w->lock);
            w->asleep = false;
            w->idle = 0;
            continue;
        }
        (void)pthread_mutex_unlock(&w->lock);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum err watch_new(void (*tick)(void *ctx), void *ctx, struct watch **out)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w)
        return ERR_NOMEM;
    w->tick = tick;
    w->ctx = ctx;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->thread, NULL, watch_main, w)) {
        free(w);
        return ERR_NOMEM;
    }
    *out = w;
    return ERR_OK;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->quit = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

void watch_begin(struct watch *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->running = true;
    if (w->asleep)
        (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
}

void watch_end(struct watch *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->running = false;
    (void)pthread_mutex_unlock(&w->lock);
}
