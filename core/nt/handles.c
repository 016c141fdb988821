/* The handle table and the counting of references; the contract is in handles.h. */
#include "nt/handles.h"

#include "nt/directory.h"

#include <stdlib.h>

#define HANDLE_STEP  4u
#define HANDLES_ROOM 64u

/* winnt.h; the generic rights follow each other downwards. */
#define GENERIC_READ    0x80000000u
#define GENERIC_RIGHTS  0xf0000000u
#define MAXIMUM_ALLOWED 0x02000000u

void object_init(struct object *object, const struct object_class *class)
{
    *object = (struct object){.class = class, .references = 1};
}

void object_ref(struct object *object)
{
    object->references++;
}

void object_unref(struct object *object)
{
    if (!object || --object->references)
        return;
    directory_remove(object);
    object->class->free(object);
}

/* A handle's object has lost it. */
static void lose_handle(struct object *object)
{
    if (!--object->handles && object->class->closed)
        object->class->closed(object);
    object_unref(object);
}

void handles_fini(struct handles *h)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->list[i].object)
            lose_handle(h->list[i].object);
    }
    free(h->list);
    *h = (struct handles){0};
}

/* Have room for at least `count` entries. */
static nt_status grow(struct handles *h, size_t count)
{
    size_t room = h->count ? h->count : HANDLES_ROOM;
    struct handle *grown;

    while (room < count)
        room *= 2;
    if (room == h->count)
        return STATUS_SUCCESS;
    if (room > HANDLES_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    grown = reallocarray(h->list, room, sizeof *grown);
    if (!grown)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (size_t i = h->count; i < room; i++)
        grown[i] = (struct handle){0};
    h->list = grown;
    h->count = room;
    return STATUS_SUCCESS;
}

/* The rights that a class gives for what was asked for. */
static uint32_t map_rights(const struct object_class *class, uint32_t access)
{
    uint32_t mapped = access & ~(GENERIC_RIGHTS | MAXIMUM_ALLOWED);

    if (!class->rights[RIGHT_ALL])
        return access;
    if (access & MAXIMUM_ALLOWED)
        mapped |= class->rights[RIGHT_ALL];
    for (unsigned i = 0; i < RIGHT_COUNT; i++) {
        if (access & GENERIC_READ >> i)
            mapped |= class->rights[i];
    }
    for (size_t i = 0; i < sizeof class->implied / sizeof *class->implied; i++) {
        if (mapped & class->implied[i].right)
            mapped |= class->implied[i].with;
    }
    return mapped;
}

static void enter(struct handles *h, size_t i, struct object *object, uint32_t access)
{
    access = map_rights(object->class, access);
    object_ref(object);
    object->handles++;
    h->list[i] = (struct handle){.object = object, .access = access};
    h->used++;
}

nt_status handles_add(struct handles *h, struct object *object, uint32_t access, uint64_t *out)
{
    size_t i = h->lowest;

    if (h->used == h->count && grow(h, h->count + 1))
        return STATUS_INSUFFICIENT_RESOURCES;
    while (h->list[i].object)
        i++;
    enter(h, i, object, access);
    h->lowest = i + 1;
    *out = (i + 1) * HANDLE_STEP;
    return STATUS_SUCCESS;
}

nt_status handles_put(struct handles *h, struct object *object, uint32_t access, uint64_t handle)
{
    size_t i = (size_t)(handle / HANDLE_STEP) - 1;
    nt_status st = grow(h, i + 1);

    if (!st)
        enter(h, i, object, access);
    return st;
}

nt_status handles_copy(struct handles *to, const struct handles *from, uint64_t handle)
{
    const struct handle *entry = handles_entry(from, handle);
    nt_status st = handles_put(to, entry->object, entry->access, handle);

    if (!st)
        handles_entry(to, handle)->attributes = entry->attributes;
    return st;
}

nt_status handles_inherit(struct handles *to, const struct handles *from)
{
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; !st && i < from->count; i++) {
        if (from->list[i].object && from->list[i].attributes & OBJ_INHERIT)
            st = handles_copy(to, from, (i + 1) * HANDLE_STEP);
    }
    return st;
}

struct handle *handles_entry(const struct handles *h, uint64_t handle)
{
    uint64_t i = handle / HANDLE_STEP - 1; /* handle 0 to 3: wraps to a huge number */

    return i < h->count && h->list[i].object ? &h->list[i] : NULL;
}

nt_status handles_close(struct handles *h, uint64_t handle)
{
    struct handle *entry = handles_entry(h, handle);
    struct object *object;

    if (!entry)
        return STATUS_INVALID_HANDLE;
    if (entry->attributes & OBJ_PROTECT_CLOSE)
        return STATUS_HANDLE_NOT_CLOSABLE;
    object = entry->object;
    *entry = (struct handle){0};
    if ((size_t)(entry - h->list) < h->lowest)
        h->lowest = (size_t)(entry - h->list);
    h->used--;
    lose_handle(object);
    return STATUS_SUCCESS;
}

nt_status handles_get(const struct handles *h, uint64_t handle, const struct object_class *class,
                      struct object **out)
{
    const struct handle *entry = handles_entry(h, handle);

    if (!entry)
        return STATUS_INVALID_HANDLE;
    if (class && entry->object->class != class)
        return STATUS_OBJECT_TYPE_MISMATCH;
    *out = entry->object;
    return STATUS_SUCCESS;
}

nt_status handles_use(const struct handles *h, uint64_t handle, const struct object_class *class,
                      uint32_t access, struct object **out)
{
    nt_status st = handles_get(h, handle, class, out);

    if (!st && (*out)->class->rights[RIGHT_ALL] &&
        (handles_entry(h, handle)->access & access) != access)
        return STATUS_ACCESS_DENIED;
    return st;
}
