/* Making what processes share. */
#include "nt/machine.h"

#include <stdlib.h>

#include "nt/drives.h"
#include "nt/mapped.h"
#include "nt/registry_file.h"

#define TEMP_VOLUME "C:\\Users\\user\\AppData\\Local\\Temp" /* %TEMP% */

enum err machine_new(const struct process_options *options, struct machine **out, struct diag *why)
{
    struct machine *m = calloc(1, sizeof *m);
    enum err e;

    if (!m)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    object_init(&m->keyed.object, &keyed_event_class);
    e = drives_open(options, &m->volumes, why);
    if (!e && (volumes_add_temporary(&m->volumes, TEMP_VOLUME) || registry_new(&m->registry)))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (!e && options->registry)
        e = registry_file_load(m->registry, options->registry, why);
    if (e)
        machine_free(m);
    else
        *out = m;
    return e;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    registry_free(m->registry);
    mapped_forget(&m->volumes);
    volumes_fini(&m->volumes);
    free(m);
}
