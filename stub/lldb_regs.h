/* What LLDB reads of a register in the target description beside what GDB does. */
#ifndef STUB_LLDB_REGS_H
#define STUB_LLDB_REGS_H

#include "winstub/buf.h"
#include "winstub/target.h"

/* Append the attributes, each with a space before it. */
void lldb_reg_attributes(struct buf *doc, enum target_arch arch, const struct target_reg *reg);

#endif
