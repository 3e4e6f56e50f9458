#include "gateway/base/kept.h"

#include <stdlib.h>
#include <string.h>

const char *kept_kind_name(enum kept_kind kind)
{
	static const char *const names[] = {
#define KEPT_KIND(name, word) [KEPT_##name] = (word),
		KEPT_KINDS(KEPT_KIND)
#undef KEPT_KIND
	};

	return names[kind];
}

struct kept_request *kept_place(struct kept *kept, enum kept_kind kind)
{
	struct kept_ring *ring = &kept->rings[kind];

	if (ring->requests == NULL)
		ring->requests = calloc(KEPT_EACH, sizeof *ring->requests);
	return ring->requests == NULL ? NULL : &ring->requests[ring->total++ % KEPT_EACH];
}

static size_t count_of(const struct kept_ring *ring)
{
	return ring->total < KEPT_EACH ? ring->total : KEPT_EACH;
}

struct kept_list *kept_copy(const struct kept *kept)
{
	struct kept_list *list;
	size_t count = 0;

	for (size_t i = 0; i < KEPT_KIND_COUNT; i++)
		count += count_of(&kept->rings[i]);
	list = malloc(sizeof *list + count * sizeof list->requests[0]);
	if (list == NULL)
		return NULL;
	list->count = 0;
	for (size_t i = 0; i < KEPT_KIND_COUNT; i++) {
		count = count_of(&kept->rings[i]);
		if (count > 0)
			memcpy(&list->requests[list->count], kept->rings[i].requests, count * sizeof list->requests[0]);
		list->count += count;
	}
	return list;
}

void kept_free(struct kept *kept)
{
	for (size_t i = 0; i < KEPT_KIND_COUNT; i++)
		free(kept->rings[i].requests);
	*kept = (struct kept){ 0 };
}
