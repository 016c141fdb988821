/*
 * Kernel objects and the process's handle table. An object lives as long as somebody holds a reference: a handle, a
 * view, a service that is using it. What objects there are is decided by the families of services.
 */
#ifndef CORE_NT_HANDLES_H
#define CORE_NT_HANDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/nt.h"

struct object;
struct thread;

/* The generic rights of winnt.h, in the order in which a class maps them to its own. */
enum { RIGHT_READ, RIGHT_WRITE, RIGHT_EXECUTE, RIGHT_ALL, RIGHT_COUNT };

/* One kind of object. The name is what NtQueryObject says and what the user is shown. */
struct object_class {
    const char *name;
    void (*free)(struct object *object);   /* the last reference is gone */
    void (*closed)(struct object *object); /* the last handle is, NULL: nobody minds */
    /*
     * Objects that threads wait for: would a wait of this thread be over now? NULL: nobody can wait for it.
     * A wait that is over takes what it takes: STATUS_SUCCESS or STATUS_ABANDONED_WAIT_0. NULL: nothing.
     */
    bool (*signaled)(struct object *object, const struct thread *by);
    nt_status (*take)(struct object *object, struct thread *by);
    uint32_t rights[RIGHT_COUNT]; /* all 0: access is not mapped, and not checked */
    struct {
        uint32_t right, with; /* who has the right has those as well */
    } implied[2];
};

/* The head of every object; the first member of its struct. */
struct object {
    const struct object_class *class;
    unsigned references;
    unsigned handles;
    unsigned waiters;         /* waits for it that are not over */
    struct object_name *name; /* directory.h; NULL: it has none */
};

/* Start an object with one reference, the maker's. */
void object_init(struct object *object, const struct object_class *class);
void object_ref(struct object *object);
void object_unref(struct object *object); /* takes NULL */

/* Handles are multiples of four; the two lowest bits of one are the guest's to use and ignored. */
struct handles {
    struct handle {
        struct object *object; /* NULL: free */
        uint32_t access;
        uint32_t attributes; /* OBJ_INHERIT, OBJ_PROTECT_CLOSE */
    } * list;
    size_t count;
    size_t used;
    size_t lowest; /* every entry below it is used */
};

#define HANDLES_MAX (1u << 20)

/* Attributes of a handle, as OBJECT_ATTRIBUTES asks for them (ntdef.h). */
enum { OBJ_PROTECT_CLOSE = 0x1, OBJ_INHERIT = 0x2, OBJ_HANDLE = OBJ_PROTECT_CLOSE | OBJ_INHERIT };

/* Pseudo handles of winnt.h. */
#define HANDLE_CURRENT_PROCESS UINT64_C(0xffffffffffffffff)
#define HANDLE_CURRENT_THREAD  UINT64_C(0xfffffffffffffffe)
#define HANDLE_PROCESS_TOKEN   UINT64_C(0xfffffffffffffffc)
#define HANDLE_THREAD_TOKEN    UINT64_C(0xfffffffffffffffb)
#define HANDLE_EITHER_TOKEN    UINT64_C(0xfffffffffffffffa)

void handles_fini(struct handles *h);

/*
 * A new handle; it takes a reference of its own. Generic rights become the class's, MAXIMUM_ALLOWED all of them.
 * STATUS_INSUFFICIENT_RESOURCES. Amortized O(1).
 */
MUST_USE nt_status handles_add(struct handles *h, struct object *object, uint32_t access,
                               uint64_t *out);
/* The same at a value that is free. */
MUST_USE nt_status handles_put(struct handles *h, struct object *object, uint32_t access,
                               uint64_t handle);
/* Give a table the handle that another one has, with its access and attributes, at the same value, which is free. As handles_add. */
MUST_USE nt_status handles_copy(struct handles *to, const struct handles *from, uint64_t handle);
/* The same for all that are to be inherited; `to` is empty. */
MUST_USE nt_status handles_inherit(struct handles *to, const struct handles *from);
/* STATUS_INVALID_HANDLE; STATUS_HANDLE_NOT_CLOSABLE */
MUST_USE nt_status handles_close(struct handles *h, uint64_t handle);

/*
 * The object behind a handle; the caller's for as long as it closes nothing. class NULL: any.
 * STATUS_INVALID_HANDLE; STATUS_OBJECT_TYPE_MISMATCH
 */
MUST_USE nt_status handles_get(const struct handles *h, uint64_t handle,
                               const struct object_class *class, struct object **out);
/* The same, and STATUS_ACCESS_DENIED unless the handle has every right of `access`. */
MUST_USE nt_status handles_use(const struct handles *h, uint64_t handle,
                               const struct object_class *class, uint32_t access,
                               struct object **out);
/* The entry itself; NULL when there is none. Valid until the next change. */
struct handle *handles_entry(const struct handles *h, uint64_t handle);

#endif
