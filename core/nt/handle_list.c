/* The handle table as a debugger's user reads it. What objects are called is theirs; nothing is decided here. */
#include "nt/files.h"
#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/sections.h"

static const char *object_name(const struct object *object)
{
    if (object->class == &file_class)
        return ((const struct file *)object)->path;
    if (object->class == &section_class)
        return ((const struct section *)object)->path;
    return "";
}

bool process_handle(const struct process *p, uint64_t after, struct process_handle *out,
                    struct buf *name)
{
    const struct handles *h = p->kernel ? &p->kernel->handles : NULL;

    for (uint64_t value = after + 4; h && value / 4 <= h->count; value += 4) {
        const struct handle *entry = handles_entry(h, value);

        if (!entry)
            continue;
        *out = (struct process_handle){
            .value = value, .access = entry->access, .type = entry->object->class->name};
        if (name)
            buf_text(name, object_name(entry->object));
        return true;
    }
    return false;
}
