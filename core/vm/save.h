/* The flat copy of a layout that saves share; vm->known is the one that describes the present, if any. */
#ifndef VM_SAVE_H
#define VM_SAVE_H

struct layout;

void layout_unref(struct layout *l); /* takes NULL */

#endif
