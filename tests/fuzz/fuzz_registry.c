/* .reg files that anybody may have written: refused with a line, or done; never more than the registry's share. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "nt/registry_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct registry *registry = NULL;
    struct diag why = {""};

    if (registry_new(&registry))
        return 0;
    if (registry_file_apply(registry, (struct bytes){data, size}, "fuzz", &why) && !*why.text) {
        (void)fprintf(stderr, "fuzz_registry: refused without a reason\n");
        abort();
    }
    if (registry->total > REGISTRY_TOTAL_MAX) {
        (void)fprintf(stderr, "fuzz_registry: %llu bytes\n", (unsigned long long)registry->total);
        abort();
    }
    registry_free(registry);
    return 0;
}
