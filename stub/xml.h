/* Text that somebody else chose, made fit for an XML document. */
#ifndef STUB_XML_H
#define STUB_XML_H

#include "winstub/buf.h"

/*
 * Append text as XML character data or as an attribute in double quotes. What XML cannot hold (control
 * characters, bytes that are no UTF-8) becomes '?', because a client drops a document it cannot parse.
 */
void xml_text(struct buf *doc, const char *text);

#endif
