/* The register table as a target description. */
#ifndef STUB_TARGET_XML_H
#define STUB_TARGET_XML_H

#include "winstub/buf.h"
#include "winstub/target.h"

struct target_xml_for {
    enum target_arch arch;
    bool lldb; /* with attributes that only LLDB reads */
};

/* Append target.xml. Register numbers are indexes of the table. */
void target_xml(struct buf *doc, const struct target_xml_for *whom, const struct target_reg *regs,
                size_t count);

#endif
