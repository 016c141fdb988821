/* Guest addresses have a type of their own; they never become host pointers outside core/vm. */
#ifndef WINSTUB_GVA_H
#define WINSTUB_GVA_H

#include <inttypes.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest virtual address, in bytes */

#endif
