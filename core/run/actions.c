/* What each thread shall do; the contract is in actions.h. */
#include "run/actions.h"

#include <stdlib.h>
#include <string.h>

void actions_fini(struct actions *actions)
{
    free(actions->list);
    free(actions->threads);
    *actions = (struct actions){0};
}

enum err actions_set(struct actions *actions, const struct target_action *list, size_t count)
{
    struct target_action *copy = reallocarray(actions->list, count, sizeof *copy);

    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, list, count * sizeof *copy);
    actions->list = copy;
    actions->count = count;
    return ERR_OK;
}

const struct target_action *actions_of(const struct actions *actions, uint32_t tid)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct target_action *action = &actions->list[i];

        if (!action->tid || action->tid == tid)
            return action->kind == ACTION_HALT ? NULL : action;
    }
    return NULL;
}

/* There is no room for one more: forget those that are no more, and if these are not many, have twice the room. */
static bool make_room(struct actions *actions, const struct process *process)
{
    size_t room = actions->thread_room ? 2 * actions->thread_room : 8;
    struct run_thread *grown;

    actions_prune(actions, process);
    if (2 * actions->thread_count < actions->thread_room)
        return true;
    grown = reallocarray(actions->threads, room, sizeof *grown);
    if (!grown)
        return false;
    actions->threads = grown;
    actions->thread_room = room;
    return true;
}

struct run_thread *actions_known(const struct actions *actions, uint32_t tid)
{
    for (size_t i = 0; i < actions->thread_count; i++) {
        if (actions->threads[i].tid == tid)
            return &actions->threads[i];
    }
    return NULL;
}

struct run_thread *actions_thread(struct actions *actions, const struct process *process,
                                  uint32_t tid)
{
    struct run_thread *known = actions_known(actions, tid);

    if (known)
        return known;
    if (actions->thread_count == actions->thread_room && !make_room(actions, process))
        return NULL;
    actions->threads[actions->thread_count] = (struct run_thread){.tid = tid};
    return &actions->threads[actions->thread_count++];
}

void actions_begin(struct actions *actions)
{
    for (size_t i = 0; i < actions->thread_count; i++) {
        struct run_thread *thread = &actions->threads[i];

        thread->stepped = thread->continues = false;
        thread->out_stack = 0;
    }
}

void actions_prune(struct actions *actions, const struct process *process)
{
    size_t kept = 0;

    for (size_t i = 0; i < actions->thread_count; i++) {
        if (process_has_thread(process, actions->threads[i].tid))
            actions->threads[kept++] = actions->threads[i];
    }
    actions->thread_count = kept;
}
