/* Spring's placeholders: ${name:default}. */
#ifndef GATEWAY_IMPORT_PLACEHOLDER_H
#define GATEWAY_IMPORT_PLACEHOLDER_H

#include "gateway/import/property.h"

struct values {
	struct arena *arena;
	struct property *root; /* where placeholders look */
	size_t expanded_bytes; /* so far, with the cost of each replacement: values that name each other must not grow without end */
};

/* `text` with ${name:default} replaced by what the files or the default say. What neither knows stays as it was
 * written. Where a default was taken, `property` (may be NULL) gets a warning: the environment will not be asked any
 * more. */
const char *value_fixed(struct values *values, struct property *property, const char *text);
/* The same as a value of gateway.yml: what the files don't know becomes ${NAME:-default}, which the gateway asks for
 * when it starts; dollar signs are doubled. `*is_open` (may be NULL) is set when a name without any default is in
 * it. */
const char *value_live(struct values *values, const char *text, bool *is_open);

#endif
