/* Immutable texts with a reference count: names that several runs and allocations carry. */
#ifndef VM_LABEL_H
#define VM_LABEL_H

#include <stdbool.h>

struct label; /* NULL is the empty text */

/* A copy of text ("" and NULL give NULL) with one reference. False when the host is out of memory. */
bool label_new(const char *text, struct label **out);
struct label *label_ref(struct label *l); /* returns l; takes NULL */
void label_unref(struct label *l);        /* takes NULL */
const char *label_text(const struct label *l);

#endif
