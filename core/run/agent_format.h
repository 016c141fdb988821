/*
 * Format strings of agent printf: parsed when the expression arrives, so that a hit only fills in values. Format
 * and escapes are those of GDB's printf command, which sends the text as the user typed it.
 */
#ifndef CORE_RUN_AGENT_FORMAT_H
#define CORE_RUN_AGENT_FORMAT_H

#include "run/agent.h"
#include "winstub/buf.h"

struct agent_format;

/*
 * Parse text, which has no NUL. ERR_FORMAT: malformed, or it does not take arg_count values; ERR_UNSUPPORTED: a
 * conversion that takes no integer, character or string; ERR_LIMIT: a width or precision over AGENT_FIELD_MAX;
 * ERR_NOMEM. why says what.
 */
MUST_USE enum err agent_format_parse(struct bytes text, size_t arg_count, struct agent_format **out,
                                     struct diag *why);
void agent_format_free(struct agent_format *format); /* takes NULL */

/*
 * Append the text with these values, as many as were promised. Strings are read from the guest: up to their
 * NUL or AGENT_FIELD_MAX bytes; what cannot be read shows as such. Check out->failed afterwards.
 */
void agent_format_print(const struct agent_format *format, const uint64_t *args,
                        const struct agent_env *env, struct buf *out);

#endif
