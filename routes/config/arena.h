/* Memory that is freed together. */
#ifndef ROUTES_CONFIG_ARENA_H
#define ROUTES_CONFIG_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
/* Aligned for anything, zeroed. NULL: out of memory. A `void *` so that it fits yaml_reading and fallback_build(). */
void *arena_allocate(void *context, size_t size);
void arena_free(struct arena *arena);

#endif
