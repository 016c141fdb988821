/*
 * The registry: a tree of keys with values, in memory. Names are compared without regard to case. What a fresh
 * process finds in it is registry_seed.c's.
 */
#ifndef CORE_NT_REGISTRY_H
#define CORE_NT_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/err.h"
#include "winstub/nt.h"

#define REGISTRY_NAME_MAX  255u       /* characters of a key's name */
#define REGISTRY_VALUE_MAX (1u << 20) /* bytes of one value */
#define REGISTRY_TOTAL_MAX                                                                         \
    (64u << 20) /* bytes of everything: a guest cannot eat the host's memory */

enum { REG_NONE = 0, REG_SZ = 1, REG_EXPAND_SZ = 2, REG_BINARY = 3, REG_DWORD = 4 };

struct value {
    char *name; /* UTF-8; "" is the key's default value */
    uint32_t type;
    uint8_t *data;
    uint32_t size;
};

struct key {
    char *name;
    struct key *parent;
    struct key **keys;
    size_t key_count;
    struct value *values;
    size_t value_count;
    unsigned opened; /* key objects */
    bool deleted;    /* out of the tree; goes when nothing has it open */
};

struct registry {
    struct key root; /* \Registry */
    uint64_t total;  /* bytes, roughly */
};

/* An opened key; key_object_new's. */
struct key_object {
    struct object object;
    struct key *key;
};
extern const struct object_class key_class;
struct key_object *key_object_new(struct key *key); /* NULL when memory is short */

/* With its usual contents. ERR_NOMEM */
MUST_USE enum err registry_new(struct registry **out);
void registry_free(struct registry *registry); /* takes NULL */
/* Fill an empty registry. */
MUST_USE nt_status registry_seed(struct registry *registry);

/*
 * The key that path names: absolute ("\Registry\Machine\...") when from is NULL, else relative to from. With create,
 * keys that are missing are made, as far as they are the last component (inner ones too when deep).
 * STATUS_OBJECT_NAME_NOT_FOUND; STATUS_OBJECT_PATH_SYNTAX_BAD; STATUS_INVALID_PARAMETER; STATUS_NO_MEMORY
 */
enum registry_open { REGISTRY_OPEN, REGISTRY_CREATE, REGISTRY_CREATE_DEEP };
MUST_USE nt_status registry_find(struct registry *registry, struct key *from, const char *path,
                                 enum registry_open how, struct key **out, bool *created);

/* NULL when there is none. */
struct value *registry_value(const struct key *key, const char *name);
/* Set or replace; data is copied. STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES */
MUST_USE nt_status registry_set(struct registry *registry, struct key *key, const char *name,
                                uint32_t type, const void *data, uint32_t size);
/*
 * Take a key and its values out of the tree; who has it open finds it deleted. STATUS_CANNOT_DELETE: it has subkeys, or is one of
 * the first two levels.
 */
MUST_USE nt_status registry_delete(struct registry *registry, struct key *key);
/* STATUS_OBJECT_NAME_NOT_FOUND */
MUST_USE nt_status registry_unset(struct registry *registry, struct key *key, const char *name);

#endif
