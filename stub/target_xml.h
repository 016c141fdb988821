/* The register table as a target description. */
#ifndef STUB_TARGET_XML_H
#define STUB_TARGET_XML_H

#include "winstub/buf.h"
#include "winstub/target.h"

/* Append target.xml. Register numbers are indexes of the table. */
void target_xml(struct buf *doc, enum target_arch arch, const struct target_reg *regs,
                size_t count);

#endif
