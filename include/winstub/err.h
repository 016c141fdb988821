/*
 * Results of every function outside core/vm, and the sentence that a user reads about a failure.
 * core/vm answers with NTSTATUS instead (nt.h), because that is what it imitates.
 */
#ifndef WINSTUB_ERR_H
#define WINSTUB_ERR_H

#if defined(__GNUC__)
#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define MUST_USE
#define PRINTF_LIKE(fmt, args)
#endif

/* name, text; the text completes "X: ..." */
#define ERR_LIST(E)                                                                                \
    E(ERR_OK, "success")                                                                           \
    E(ERR_NOMEM, "the host is out of memory")                                                      \
    E(ERR_INVALID, "invalid argument")                                                             \
    E(ERR_RANGE, "number out of range")                                                            \
    E(ERR_FAULT, "guest memory is not accessible")                                                 \
    E(ERR_NOT_FOUND, "not found")                                                                  \
    E(ERR_EXISTS, "already exists")                                                                \
    E(ERR_IO, "input/output error")                                                                \
    E(ERR_FORMAT, "not in the expected format")                                                    \
    E(ERR_TRUNCATED, "ends too early")                                                             \
    E(ERR_LIMIT, "over a fixed limit")                                                             \
    E(ERR_UNSUPPORTED, "not supported")                                                            \
    E(ERR_STATE, "not possible in this state")                                                     \
    E(ERR_ENGINE, "the CPU engine failed")

enum err {
#define ERR_ENUM(name, text) name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

/* The text of e; for a number outside the list "unknown error". Static, never NULL. */
const char *err_text(enum err e);

/*
 * One sentence for the user: what failed, where, and what to do about it. The caller's, placed by
 * value; functions that take one accept NULL, and set it only when they fail.
 */
struct diag {
    char text[512];
};

/* Format into d (cut at its size); does nothing when d is NULL. Returns e, so that "return diag_set(...)" reads well. */
enum err diag_set(struct diag *d, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
