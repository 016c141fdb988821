/* Who runs the process: one user without special rights. */
#ifndef CORE_NT_TOKEN_H
#define CORE_NT_TOKEN_H

#include "nt/handles.h"

/* A local account: S-1-5-21 (a machine), its three numbers, 1000 (the first user). */
#define TOKEN_USER_SID "S-1-5-21-1004336348-1177238915-682003330-1000"
#define TOKEN_SID_PARTS                                                                            \
    5,                                                                                             \
    {                                                                                              \
        21, 1004336348, 1177238915, 682003330, 1000                                                \
    }

extern const struct object_class token_class;

#endif
