/* A caller of services and another process beside it, of either width, for suites of services upon others. */
#ifndef TESTS_CROSS_FIXTURE_H
#define TESTS_CROSS_FIXTURE_H

#include "service_caller.h"

/* Every right of processes and threads. */
#define CROSS_ALL UINT64_C(0x1fffff)

/*
 * The caller's width in bit 0 of i, in bit 1 that of the other, which is returned: it has begun, and nothing of it has run. It is kept
 * when it ends.
 */
struct process *cross_init(struct caller *c, int i);

/* A handle of the caller's. */
uint64_t cross_handle(struct caller *c, struct object *object, uint64_t access);
struct object *cross_behind(const struct caller *c, uint64_t handle);

/* Memory of the process's with these bytes in it, by the services for that; executable and writable. Uses the last slots. */
gva_t cross_put(struct caller *c, uint64_t process, const void *bytes, size_t len);
/* Execute others than the caller until nobody is left who can run. */
void cross_run(struct caller *c);

#endif
