/* Text as JSON strings. */
#ifndef STUB_JSON_H
#define STUB_JSON_H

#include "winstub/buf.h"

/* Append text as a quoted string: escapes where JSON wants them, '?' for what is no UTF-8. */
void json_text(struct buf *doc, const char *text);

#endif
