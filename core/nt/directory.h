/*
 * The object manager's names: \BaseNamedObjects and its kin. A name lives as long as its object; whether case counts, who looks for it
 * says. There are only the folders that user code expects; what lies in other namespaces (files, keys) is not here.
 */
#ifndef CORE_NT_DIRECTORY_H
#define CORE_NT_DIRECTORY_H

#include "nt/handles.h"

/* A named object's entry; the object points back to it. */
struct object_name {
    struct object_name *next, **link; /* link: what points here */
    struct object *object;
    char *path; /* UTF-8, from the root */
};

struct directory {
    struct object_name *names;
};

/* An opened folder. */
struct folder {
    struct object object;
    char *path;
};
extern const struct object_class folder_class;

/* Open a folder by its path. STATUS_OBJECT_NAME_NOT_FOUND, STATUS_NO_MEMORY */
MUST_USE nt_status directory_open(const char *path, struct folder **out);
/* The object of that name, any_case: however its letters are spelled; NULL when there is none. */
struct object *directory_find(const struct directory *directory, const char *path, bool any_case);
/* Name an object that has no name. STATUS_NO_MEMORY */
MUST_USE nt_status directory_add(struct directory *directory, const char *path,
                                 struct object *object);
/*
 * The path of a name below a folder: BaseNamedObjects has "Local" and "Global" in it, which lead to itself and to the
 * machine's. NULL when memory is short.
 */
char *directory_path(const char *folder, const char *name);
/* Forget the object's name, if it has one. */
void directory_remove(struct object *object);

#endif
