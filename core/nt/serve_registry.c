/* Registry services over the tree of registry.c: handles, names, the forms in which keys and values are told. */
#include <stdlib.h>
#include <string.h>

#include "nt/machine.h"
#include "nt/registry.h"
#include "nt/services.h"
#include "nt/text.h"
#include "winstub/utf.h"

/* KEY_VALUE_INFORMATION_CLASS, KEY_INFORMATION_CLASS */
enum { VALUE_BASIC = 0, VALUE_FULL = 1, VALUE_PARTIAL = 2 };
enum { KEY_BASIC = 0, KEY_NODE = 1, KEY_FULL = 2, KEY_NAME = 3 };
enum { CREATED_NEW = 1, OPENED_EXISTING = 2 };

#define ANSWER_MAX (REGISTRY_VALUE_MAX + 4 * REGISTRY_NAME_MAX + 64)
#define PATH_MAX_  (4u * NT_STRING_MAX)

static nt_status get_key(struct call *call, uint64_t handle, struct key **out)
{
    struct object *object = NULL;
    nt_status st = handles_get(&call->kernel->handles, handle, &key_class, &object);

    *out = st ? NULL : ((struct key_object *)object)->key;
    return !st && (*out)->deleted ? STATUS_KEY_DELETED : st;
}

/* ---- Opening ---------------------------------------------------------------------------------- */

/* arg: 0 handle, 1 access, 2 attributes. */
static nt_status add_handle(struct call *call, struct key *key, uint32_t flags)
{
    struct key_object *opened = key_object_new(key);
    nt_status st;

    if (!opened)
        return STATUS_NO_MEMORY;
    st = service_add(call, call->arg[0], &opened->object, (uint32_t)call->arg[1], flags);
    object_unref(&opened->object);
    return st;
}

static nt_status open_key(struct call *call, enum registry_open how, bool *created)
{
    struct attributes attributes;
    struct key *from = NULL, *key;
    nt_status st = attributes_read(call->process, call->arg[2], &attributes);

    if (st)
        return st;
    if (attributes.root)
        st = get_key(call, attributes.root, &from);
    if (!st)
        st = registry_find(call->process->machine->registry, from, attributes.name, how, &key,
                           created);
    if (!st)
        st = add_handle(call, key, attributes.flags);
    attributes_fini(&attributes);
    return st;
}

nt_status serve_NtOpenKey(struct call *call)
{
    bool created;

    return open_key(call, REGISTRY_OPEN, &created);
}

nt_status serve_NtOpenKeyEx(struct call *call)
{
    return serve_NtOpenKey(call);
}

nt_status serve_NtCreateKey(struct call *call)
{
    bool created = false;
    nt_status st = open_key(call, REGISTRY_CREATE, &created);

    if (st || !call->arg[6])
        return st;
    return guest_put_number(call->process, call->arg[6], 4,
                            created ? CREATED_NEW : OPENED_EXISTING);
}

/* ---- Telling ---------------------------------------------------------------------------------- */

static bool put_number(struct buf *out, uint32_t value)
{
    uint8_t raw[4];

    put_u32(raw, value);
    return buf_append(out, raw, sizeof raw);
}

/*
 * Write an answer of which the first `fixed` bytes are the least that is any use. arg: 3 buffer, 4 its length, 5 the
 * length of the whole. STATUS_BUFFER_TOO_SMALL, STATUS_BUFFER_OVERFLOW (a part was written)
 */
static nt_status tell(struct call *call, const struct buf *out, size_t fixed, size_t arg)
{
    uint64_t room = call->arg[arg + 1];
    nt_status st;

    if (out->failed)
        return STATUS_NO_MEMORY;
    st = guest_put_number(call->process, call->arg[arg + 2], 4, out->len);
    if (st)
        return st;
    if (room < fixed)
        return STATUS_BUFFER_TOO_SMALL;
    st = guest_write(call->process, call->arg[arg], out->data,
                     (size_t)(room < out->len ? room : out->len));
    return st ? st : room < out->len ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* KEY_VALUE_BASIC_INFORMATION: TitleIndex, Type, NameLength, Name; FULL: + DataOffset, DataLength before it. */
static void put_named_value(struct buf *out, const struct value *value, bool full)
{
    uint32_t head = full ? 20 : 12;
    struct buf name;

    buf_init(&name, 4 * NT_STRING_MAX);
    (void)utf16_append(&name, value->name);
    (void)put_number(out, 0);
    (void)put_number(out, value->type);
    if (full) {
        (void)put_number(out, head + (uint32_t)name.len);
        (void)put_number(out, value->size);
    }
    (void)put_number(out, (uint32_t)name.len);
    (void)buf_append(out, name.data, name.len);
    if (full)
        (void)buf_append(out, value->data, value->size);
    buf_fini(&name);
}

/* arg of the buffer; its class stands before it. */
static nt_status tell_value(struct call *call, const struct value *value, size_t arg)
{
    struct buf out;
    size_t fixed = 12;
    nt_status st;

    buf_init(&out, ANSWER_MAX);
    switch (call->arg[arg - 1]) {
    case VALUE_BASIC:
        put_named_value(&out, value, false);
        break;
    case VALUE_FULL:
        put_named_value(&out, value, true);
        fixed = 20;
        break;
    case VALUE_PARTIAL:
        (void)put_number(&out, 0);
        (void)put_number(&out, value->type);
        (void)put_number(&out, value->size);
        (void)buf_append(&out, value->data, value->size);
        break;
    default:
        return STATUS_INVALID_PARAMETER;
    }
    st = tell(call, &out, fixed, arg);
    buf_fini(&out);
    return st;
}

nt_status serve_NtQueryValueKey(struct call *call)
{
    const struct value *value = NULL;
    struct key *key;
    char *name = NULL;
    nt_status st = get_key(call, call->arg[0], &key);

    if (!st)
        st = service_text(call->process, call->arg[1], &name);
    if (!st)
        value = registry_value(key, name);
    free(name);
    if (st)
        return st;
    return value ? tell_value(call, value, 3) : STATUS_OBJECT_NAME_NOT_FOUND;
}

nt_status serve_NtEnumerateValueKey(struct call *call)
{
    struct key *key;
    nt_status st = get_key(call, call->arg[0], &key);

    if (st)
        return st;
    if (call->arg[1] >= key->value_count)
        return STATUS_NO_MORE_ENTRIES;
    return tell_value(call, &key->values[call->arg[1]], 3);
}

/* Longest name of a subkey or value, longest data, in bytes. */
struct widest {
    uint32_t key, value, data;
};

static uint32_t utf16_bytes(const char *text)
{
    struct buf utf16;
    uint32_t len;

    buf_init(&utf16, 4 * NT_STRING_MAX);
    (void)utf16_append(&utf16, text);
    len = (uint32_t)utf16.len;
    buf_fini(&utf16);
    return len;
}

static struct widest measure(const struct key *key)
{
    struct widest w = {0};

    for (size_t i = 0; i < key->key_count; i++) {
        uint32_t len = utf16_bytes(key->keys[i]->name);

        w.key = len > w.key ? len : w.key;
    }
    for (size_t i = 0; i < key->value_count; i++) {
        uint32_t len = utf16_bytes(key->values[i].name);

        w.value = len > w.value ? len : w.value;
        w.data = key->values[i].size > w.data ? key->values[i].size : w.data;
    }
    return w;
}

/* The full path of a key, in UTF-16. */
static void put_path(struct buf *out, const struct key *key)
{
    const struct key *chain[256];
    size_t depth = 0;

    for (; key->parent && depth < sizeof chain / sizeof *chain; key = key->parent)
        chain[depth++] = key;
    (void)utf16_append(out, "\\REGISTRY");
    while (depth) {
        (void)utf16_append(out, "\\");
        (void)utf16_append(out, chain[--depth]->name);
    }
}

/* Counts and widths as KEY_FULL_INFORMATION has them from SubKeys on. */
static void put_counts(struct buf *out, const struct key *key)
{
    struct widest w = measure(key);

    (void)put_number(out, (uint32_t)key->key_count);
    (void)put_number(out, w.key);
    (void)put_number(out, 0); /* classes: none */
    (void)put_number(out, (uint32_t)key->value_count);
    (void)put_number(out, w.value);
    (void)put_number(out, w.data);
}

/* LastWriteTime and TitleIndex, which are 0, and where a class would be: keys have none. */
static void put_no_class(struct buf *out)
{
    (void)buf_extend(out, 12);
    (void)put_number(out, UINT32_MAX);
    (void)put_number(out, 0);
}

static nt_status tell_key(struct call *call, const struct key *key, size_t arg)
{
    struct buf out, name;
    size_t fixed = 16;
    nt_status st = STATUS_SUCCESS;

    buf_init(&out, ANSWER_MAX);
    buf_init(&name, PATH_MAX_);
    switch (call->arg[arg - 1]) {
    case KEY_BASIC: /* LastWriteTime, TitleIndex, NameLength, Name */
        (void)utf16_append(&name, key->name ? key->name : "REGISTRY");
        (void)buf_extend(&out, 12);
        (void)put_number(&out, (uint32_t)name.len);
        (void)buf_append(&out, name.data, name.len);
        break;
    case KEY_NODE: /* LastWriteTime, TitleIndex, ClassOffset, ClassLength, NameLength, Name, Class */
        (void)utf16_append(&name, key->name ? key->name : "REGISTRY");
        put_no_class(&out);
        (void)put_number(&out, (uint32_t)name.len);
        fixed = out.len;
        (void)buf_append(&out, name.data, name.len);
        break;
    case KEY_FULL: /* LastWriteTime, TitleIndex, ClassOffset, ClassLength, counts, Class */
        put_no_class(&out);
        put_counts(&out, key);
        fixed = out.len;
        break;
    case KEY_NAME:
        put_path(&name, key);
        (void)put_number(&out, (uint32_t)name.len);
        (void)buf_append(&out, name.data, name.len);
        fixed = 4;
        break;
    default:
        st = STATUS_INVALID_PARAMETER;
        break;
    }
    if (!st)
        st = tell(call, &out, fixed, arg);
    buf_fini(&name);
    buf_fini(&out);
    return st;
}

nt_status serve_NtQueryKey(struct call *call)
{
    struct key *key;
    nt_status st = get_key(call, call->arg[0], &key);

    return st ? st : tell_key(call, key, 2);
}

nt_status serve_NtEnumerateKey(struct call *call)
{
    struct key *key;
    nt_status st = get_key(call, call->arg[0], &key);

    if (st)
        return st;
    if (call->arg[1] >= key->key_count)
        return STATUS_NO_MORE_ENTRIES;
    return tell_key(call, key->keys[call->arg[1]], 3);
}

/* ---- Changing --------------------------------------------------------------------------------- */

nt_status serve_NtDeleteKey(struct call *call)
{
    struct key *key;
    nt_status st = get_key(call, call->arg[0], &key);

    return st ? st : registry_delete(call->process->machine->registry, key);
}

/* There is no disk behind it. */
nt_status serve_NtFlushKey(struct call *call)
{
    struct key *key;

    return get_key(call, call->arg[0], &key);
}

nt_status serve_NtSetValueKey(struct call *call)
{
    uint64_t size = call->arg[5];
    uint8_t *data = NULL;
    struct key *key;
    char *name = NULL;
    nt_status st = get_key(call, call->arg[0], &key);

    if (!st && size > REGISTRY_VALUE_MAX)
        st = STATUS_INSUFFICIENT_RESOURCES;
    if (!st)
        st = service_text(call->process, call->arg[1], &name);
    if (!st) {
        data = malloc(size ? (size_t)size : 1);
        st = data ? guest_read(call->process, call->arg[4], data, (size_t)size) : STATUS_NO_MEMORY;
    }
    if (!st)
        st = registry_set(call->process->machine->registry, key, name, (uint32_t)call->arg[3], data,
                          (uint32_t)size);
    free(data);
    free(name);
    return st;
}

nt_status serve_NtDeleteValueKey(struct call *call)
{
    struct key *key;
    char *name = NULL;
    nt_status st = get_key(call, call->arg[0], &key);

    if (!st)
        st = service_text(call->process, call->arg[1], &name);
    if (!st)
        st = registry_unset(call->process->machine->registry, key, name);
    free(name);
    return st;
}
