/* The hash table of pagemap.h: linear probing, at most half full, removal by shifting back. */
#include "cpu/pagemap.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

struct pagemap_slot {
    uint64_t key;
    uint64_t value;
    bool used;
};

static size_t home_of(const struct pagemap *m, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (m->capacity - 1);
}

/* The slot that holds key, or the free one where it would go. */
static struct pagemap_slot *find(const struct pagemap *m, uint64_t key)
{
    size_t at = home_of(m, key);

    while (m->slots[at].used && m->slots[at].key != key)
        at = (at + 1) & (m->capacity - 1);
    return &m->slots[at];
}

void pagemap_fini(struct pagemap *m)
{
    free(m->slots);
    *m = (struct pagemap){0};
}

uint64_t *pagemap_get(const struct pagemap *m, uint64_t key)
{
    struct pagemap_slot *slot;

    if (!m->count)
        return NULL;
    slot = find(m, key);
    return slot->used ? &slot->value : NULL;
}

static bool grow(struct pagemap *m)
{
    struct pagemap old = *m;

    m->capacity = old.capacity ? 2 * old.capacity : FIRST_CAPACITY;
    m->slots = calloc(m->capacity, sizeof *m->slots);
    if (!m->slots) {
        *m = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].used)
            *find(m, old.slots[i].key) = old.slots[i];
    }
    free(old.slots);
    return true;
}

bool pagemap_put(struct pagemap *m, uint64_t key, uint64_t value)
{
    uint64_t *there = pagemap_get(m, key);

    if (there) {
        *there = value;
        return true;
    }
    if (2 * (m->count + 1) > m->capacity && !grow(m))
        return false;
    *find(m, key) = (struct pagemap_slot){key, value, true};
    m->count++;
    return true;
}

void pagemap_remove(struct pagemap *m, uint64_t key)
{
    size_t mask = m->capacity - 1;
    size_t hole;

    if (!pagemap_get(m, key))
        return;
    hole = (size_t)(find(m, key) - m->slots);
    for (size_t at = (hole + 1) & mask; m->slots[at].used; at = (at + 1) & mask) {
        size_t home = home_of(m, m->slots[at].key);

        /* Move it into the hole unless its home lies behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole].used = false;
    m->count--;
}

void pagemap_clear(struct pagemap *m)
{
    if (m->count)
        memset(m->slots, 0, m->capacity * sizeof *m->slots);
    m->count = 0;
}

bool pagemap_next(const struct pagemap *m, size_t *at, uint64_t *key, uint64_t *value)
{
    for (; *at < m->capacity; (*at)++) {
        if (m->slots[*at].used) {
            *key = m->slots[*at].key;
            *value = m->slots[*at].value;
            (*at)++;
            return true;
        }
    }
    return false;
}
