/* A list of texts, in the configuration's memory. */
#ifndef ROUTES_TEXTS_H
#define ROUTES_TEXTS_H

#include <stddef.h>

struct texts {
	const char *const *list;
	size_t count;
};

#endif
