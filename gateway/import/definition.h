/* Predicates and filters as Spring writes them. */
#ifndef GATEWAY_IMPORT_DEFINITION_H
#define GATEWAY_IMPORT_DEFINITION_H

#include "gateway/import/draft.h"

enum { DEFINITION_LIST_MAX = 64 };

/* `Name=a,b` or name and args. */
struct definition {
	const char *name;
	struct property *origin, *args; /* args: NULL in the short form */
	const char *tokens[DEFINITION_LIST_MAX + 1]; /* one more than a list has, so that a longer list is seen to be longer */
	size_t count;
};
/* False: it has no name. */
bool definition_read(struct import *import, struct property *property, struct definition *definition);
/* The argument at that place of the short form, or of that name; NULL when there is none. `*at`: where it stands. */
const char *definition_raw(struct import *import, const struct definition *definition, size_t place, const char *name,
                           struct property **at);
const char *definition_argument(struct import *import, const struct definition *definition, size_t place,
                                const char *name, struct property **at);
/* All arguments from that place on, or the list of that name, one after the other; `most` is at most DEFINITION_LIST_MAX. More
 * than `most` is returned when there are more than that. */
size_t definition_list(struct import *import, const struct definition *definition, size_t place, const char *name,
                       const char **texts, size_t most);

#endif
