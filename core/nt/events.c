/* Keeping events until they are asked for; the contract is in events.h. */
#include "nt/events.h"

#include <stdint.h>
#include <string.h>

#define EVENTS_MAX (1u << 20) /* bytes */

void events_watch(struct events *events, bool on)
{
    buf_fini(&events->kept);
    buf_init(&events->kept, on ? EVENTS_MAX : 0);
}

void events_keep(struct events *events, const void *event, size_t size)
{
    (void)buf_append(&events->kept, event, size);
}

bool events_take(struct events *events, void *out, size_t size)
{
    if (!events->kept.len) {
        buf_clear(&events->kept); /* one that was lost keeps out no others */
        return false;
    }
    memcpy(out, events->kept.data, size);
    buf_consume(&events->kept, size);
    return true;
}
