/*
 * The register table: one list gives the g packet's order, sizes, p and P numbers and the XML.
 * Names, sizes and features are those that GDB checks (gdb/i386-tdep.c); order is regnum order.
 */
#ifndef WINSTUB_REG_H
#define WINSTUB_REG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_reg {
    const char *name;    /* as in GDB's target description: "rax" */
    const char *feature; /* "org.gnu.gdb.i386.core" */
    const char *type;    /* GDB type: "int64", "code_ptr", "i386_eflags", ... */
    uint16_t bits;       /* size; a multiple of 8 */
    bool expedite;       /* sent with every stop reply: the general registers */
};

#define TARGET_REG_MAX_BYTES 16 /* the largest register */

#endif
