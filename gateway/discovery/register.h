/* The register that gives objects their small indexes. An index is free again when only the register still knows its
 * object. */
#ifndef GATEWAY_DISCOVERY_REGISTER_H
#define GATEWAY_DISCOVERY_REGISTER_H

#include "routes/upstream.h"

struct endpoint_register {
	struct endpoint **list; /* by index, a reference each; NULL: free */
	size_t count;
};

/* A larger array, zeroed in its new part. NULL: out of memory, and the old one stays. */
void *register_grow(void *array, size_t *count, size_t size);
/* A new endpoint; a reference for the caller, another for the register. NULL: out of memory. */
struct endpoint *register_endpoint(struct endpoint_register *all, const struct address *address, const char *discovered_by);
void register_destroy(struct endpoint_register *all);

#endif
