/* The list of catches and their places: sorted arrays. The contract is in catches.h. */
#include "run/catches.h"

#include <stdlib.h>
#include <string.h>

void catches_fini(struct catches *catches)
{
    for (size_t i = 0; i < catches->count; i++)
        free((char *)(uintptr_t)catches->list[i].what.pattern);
    for (size_t i = 0; i < catches->place_count; i++)
        free(catches->places[i].name);
    free(catches->list);
    free(catches->places);
    *catches = (struct catches){0};
}

enum err catches_add(struct catches *catches, const struct target_catch *what, struct catch **out)
{
    char *pattern = strdup(what->pattern ? what->pattern : "");

    if (pattern && catches->count == catches->cap) {
        size_t cap = catches->cap ? 2 * catches->cap : 8;
        struct catch *grown = realloc(catches->list, cap * sizeof *grown);

        if (grown) {
            catches->list = grown;
            catches->cap = cap;
        }
    }
    if (!pattern || catches->count == catches->cap) {
        free(pattern);
        return ERR_NOMEM;
    }
    *out = &catches->list[catches->count++];
    **out = (struct catch){.what = *what};
    (*out)->what.pattern = pattern;
    if (what->id <= catches->last_id)
        (*out)->what.id = catches->last_id + 1;
    catches->last_id = (*out)->what.id;
    (*out)->what.hits = 0;
    (*out)->what.places = 0;
    return ERR_OK;
}

struct catch *catches_find(const struct catches *catches, unsigned id)
{
    for (size_t i = 0; i < catches->count; i++) {
        if (catches->list[i].what.id == id)
            return &catches->list[i];
    }
    return NULL;
}

void catches_drop(struct catches *catches, struct catch *c)
{
    size_t i = (size_t)(c - catches->list);

    free((char *)(uintptr_t)c->what.pattern);
    catches->count--;
    memmove(c, c + 1, (catches->count - i) * sizeof *c);
}

size_t catches_places(const struct catches *catches, gva_t addr)
{
    size_t lo = 0;
    size_t hi = catches->place_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (catches->places[mid].addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool catches_at(const struct catches *catches, gva_t addr)
{
    size_t i = catches_places(catches, addr);

    return i < catches->place_count && catches->places[i].addr == addr;
}

static bool grow_places(struct catches *catches)
{
    size_t cap = catches->place_cap ? 2 * catches->place_cap : 16;
    struct catch_place *grown;

    if (catches->place_count < catches->place_cap)
        return true;
    grown = realloc(catches->places, cap * sizeof *grown);
    if (!grown)
        return false;
    catches->places = grown;
    catches->place_cap = cap;
    return true;
}

enum err catches_place(struct catches *catches, struct catch *c, gva_t addr, const char *name,
                       bool *fresh)
{
    size_t at = catches_places(catches, addr);
    char *own = NULL;

    *fresh = !catches_at(catches, addr);
    for (; at < catches->place_count && catches->places[at].addr == addr; at++) {
        if (catches->places[at].id == c->what.id)
            return ERR_OK;
    }
    if (name)
        own = strdup(name);
    if ((name && !own) || !grow_places(catches)) {
        free(own);
        return ERR_NOMEM;
    }
    memmove(catches->places + at + 1, catches->places + at,
            (catches->place_count - at) * sizeof *catches->places);
    catches->places[at] = (struct catch_place){addr, c->what.id, own};
    catches->place_count++;
    c->what.places++;
    return ERR_OK;
}

void catches_unplace(struct catches *catches, size_t i)
{
    struct catch *c = catches_find(catches, catches->places[i].id);

    if (c)
        c->what.places--;
    free(catches->places[i].name);
    catches->place_count--;
    memmove(catches->places + i, catches->places + i + 1,
            (catches->place_count - i) * sizeof *catches->places);
}
