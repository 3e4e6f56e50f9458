/* Spring's profiles: which are active, and whether a document's condition holds. */
#ifndef GATEWAY_IMPORT_PROFILES_H
#define GATEWAY_IMPORT_PROFILES_H

#include "gateway/import/property.h"

enum { PROFILES_MAX = 64 };

struct profiles {
	struct arena *arena;
	const char *names[PROFILES_MAX];
	size_t count;
	bool is_default; /* nobody said which */
	bool is_cut;     /* there are more than PROFILES_MAX, so conditions can't be judged */
};

/* `named`: with commas between; NULL or "" = what the documents that hold without a condition say
 * (spring.profiles.active). */
void profiles_begin(struct profiles *profiles, const char *named, struct property *const *documents, size_t count);
/* The condition of a document, as Spring writes it ("prod & !cloud | test", or a list with commas); NULL = none. */
const char *profiles_condition(struct arena *arena, struct property *document);
bool profiles_match(const struct profiles *profiles, const char *condition);

#endif
