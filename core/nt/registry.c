/* The tree of keys and values; the contract is in registry.h. */
#include "nt/registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void free_values(struct key *key)
{
    for (size_t i = 0; i < key->value_count; i++) {
        free(key->values[i].name);
        free(key->values[i].data);
    }
    free(key->values);
}

/* A key without subkeys; its place in the parent's list is the caller's to mend. */
static void free_leaf(struct key *key)
{
    free_values(key);
    free(key->keys);
    free(key->name);
    free(key);
}

/* ---- Opened keys ------------------------------------------------------------------------------ */

static void free_key_object(struct object *object)
{
    struct key *key = ((struct key_object *)object)->key;

    if (!--key->opened && key->deleted)
        free_leaf(key);
    free(object);
}

const struct object_class key_class = {.name = "Key", .free = free_key_object};

struct key_object *key_object_new(struct key *key)
{
    struct key_object *opened = malloc(sizeof *opened);

    if (!opened)
        return NULL;
    object_init(&opened->object, &key_class);
    opened->key = key;
    key->opened++;
    return opened;
}

/* ---- The tree --------------------------------------------------------------------------------- */

enum err registry_new(struct registry **out)
{
    struct registry *registry = calloc(1, sizeof *registry);

    if (registry && registry_seed(registry)) {
        registry_free(registry);
        registry = NULL;
    }
    *out = registry;
    return registry ? ERR_OK : ERR_NOMEM;
}

/* Without recursion, however deep the guest has built: the next key to free is always a leaf. */
static void free_tree(struct key *root)
{
    struct key *key = root;

    for (;;) {
        struct key *parent = key->parent;

        if (key->key_count) {
            key = key->keys[--key->key_count];
            continue;
        }
        if (key == root)
            break;
        free_leaf(key);
        key = parent;
    }
    free_values(root);
    free(root->keys);
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    free_tree(&registry->root);
    free(registry);
}

/* What a key and a value count beside their data. */
static uint64_t key_cost(size_t name_len)
{
    return sizeof(struct key) + sizeof(struct key *) + name_len + 1;
}

static uint64_t value_cost(const char *name)
{
    return sizeof(struct value) + strlen(name) + 1;
}

/* Count bytes; false when the guest has had its share. */
static bool charge(struct registry *registry, uint64_t bytes)
{
    if (bytes > REGISTRY_TOTAL_MAX - registry->total)
        return false;
    registry->total += bytes;
    return true;
}

/* The child of that name, len bytes; NULL when there is none. */
static struct key *find_child(const struct key *key, const char *name, size_t len)
{
    for (size_t i = 0; i < key->key_count; i++) {
        const char *have = key->keys[i]->name;

        if (strncasecmp(have, name, len) == 0 && !have[len])
            return key->keys[i];
    }
    return NULL;
}

static struct key *add_child(struct registry *registry, struct key *key, const char *name,
                             size_t len)
{
    struct key **grown, *child;

    grown = reallocarray(key->keys, key->key_count + 1, sizeof *grown);
    if (!grown)
        return NULL;
    key->keys = grown;
    child = calloc(1, sizeof *child);
    if (child)
        child->name = strndup(name, len);
    if (!child || !child->name || !charge(registry, key_cost(len))) {
        if (child)
            free(child->name);
        free(child);
        return NULL;
    }
    child->parent = key;
    key->keys[key->key_count++] = child;
    return child;
}

/* One component further; creates it when asked to. */
static nt_status descend(struct registry *registry, struct key **key, const char *name, size_t len,
                         bool create, bool *created)
{
    struct key *child = find_child(*key, name, len);

    *created = false;
    if (!child && !create)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (!child) {
        child = add_child(registry, *key, name, len);
        *created = true;
    }
    if (!child)
        return STATUS_NO_MEMORY;
    *key = child;
    return STATUS_SUCCESS;
}

nt_status registry_find(struct registry *registry, struct key *from, const char *path,
                        enum registry_open how, struct key **out, bool *created)
{
    static const char top[] = "\\Registry";
    struct key *key = from ? from : &registry->root;

    *created = false;
    if (!from) {
        if (strncasecmp(path, top, sizeof top - 1) != 0 ||
            (path[sizeof top - 1] && path[sizeof top - 1] != '\\'))
            return *path == '\\' ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_SYNTAX_BAD;
        path += sizeof top - 1;
        path += *path == '\\';
    } else if (*path == '\\') {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    while (*path) {
        size_t len = strcspn(path, "\\");
        bool last = !path[len] || !path[len + 1];
        bool create = how == REGISTRY_CREATE_DEEP || (how == REGISTRY_CREATE && last);
        nt_status st;

        if (!len || len > 3 * REGISTRY_NAME_MAX)
            return STATUS_INVALID_PARAMETER;
        st = descend(registry, &key, path, len, create, created);
        if (st)
            return st;
        path += len + (path[len] == '\\');
    }
    *out = key;
    return STATUS_SUCCESS;
}

nt_status registry_delete(struct registry *registry, struct key *key)
{
    struct key *parent = key->parent;
    size_t at = 0;

    if (key->key_count || !parent || !parent->parent)
        return STATUS_CANNOT_DELETE;
    while (parent->keys[at] != key)
        at++;
    memmove(parent->keys + at, parent->keys + at + 1,
            (--parent->key_count - at) * sizeof(struct key *));
    registry->total -= key_cost(strlen(key->name));
    for (size_t i = 0; i < key->value_count; i++)
        registry->total -= value_cost(key->values[i].name) + key->values[i].size;
    key->parent = NULL;
    key->deleted = true;
    if (!key->opened)
        free_leaf(key);
    return STATUS_SUCCESS;
}

/* ---- Values ----------------------------------------------------------------------------------- */

struct value *registry_value(const struct key *key, const char *name)
{
    for (size_t i = 0; i < key->value_count; i++) {
        if (strcasecmp(key->values[i].name, name) == 0)
            return &key->values[i];
    }
    return NULL;
}

/* A new value without data; NULL when memory is short. */
static struct value *add_value(struct key *key, const char *name)
{
    struct value *grown;
    char *copy;

    grown = reallocarray(key->values, key->value_count + 1, sizeof *grown);
    if (!grown)
        return NULL;
    key->values = grown;
    copy = strdup(name);
    if (!copy)
        return NULL;
    grown[key->value_count] = (struct value){.name = copy};
    return &grown[key->value_count++];
}

nt_status registry_set(struct registry *registry, struct key *key, const char *name, uint32_t type,
                       const void *data, uint32_t size)
{
    struct value *value = registry_value(key, name);
    uint64_t cost = size + (value ? 0 : value_cost(name));
    uint8_t *copy;

    if (!charge(registry, cost))
        return STATUS_INSUFFICIENT_RESOURCES;
    copy = malloc(size ? size : 1);
    if (copy && !value)
        value = add_value(key, name);
    if (!copy || !value) {
        registry->total -= cost;
        free(copy);
        return STATUS_NO_MEMORY;
    }
    if (size)
        memcpy(copy, data, size);
    registry->total -= value->size;
    free(value->data);
    value->data = copy;
    value->size = size;
    value->type = type;
    return STATUS_SUCCESS;
}

nt_status registry_unset(struct registry *registry, struct key *key, const char *name)
{
    struct value *value = registry_value(key, name);

    if (!value)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    registry->total -= value_cost(name) + value->size;
    free(value->name);
    free(value->data);
    *value = key->values[--key->value_count];
    return STATUS_SUCCESS;
}
