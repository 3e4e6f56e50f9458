#include "gateway/discovery/register.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"

void *register_grow(void *array, size_t *count, size_t size)
{
	size_t wanted = *count == 0 ? 16 : *count * 2;
	char *larger = realloc(array, wanted * size);

	if (larger == NULL)
		return NULL;
	memset(larger + *count * size, 0, (wanted - *count) * size);
	*count = wanted;
	return larger;
}

/* Frees the index of an endpoint that only the register still knows. SIZE_MAX: memory is short. */
static size_t free_index(struct endpoint_register *all)
{
	struct endpoint **larger;
	size_t index;

	for (index = 0; index < all->count; index++) {
		struct endpoint *endpoint = all->list[index];

		if (endpoint != NULL && atomic_load(&endpoint->references) == 1) {
			endpoint_release(endpoint);
			all->list[index] = NULL;
		}
		if (all->list[index] == NULL)
			return index;
	}
	larger = register_grow(all->list, &all->count, sizeof *larger);
	if (larger == NULL)
		return SIZE_MAX;
	all->list = larger;
	return index;
}

struct endpoint *register_endpoint(struct endpoint_register *all, const struct address *address, const char *discovered_by)
{
	size_t index = free_index(all);

	if (index == SIZE_MAX)
		return NULL;
	all->list[index] = endpoint_new(address, (unsigned)index, clock_now_ms(), discovered_by);
	return all->list[index] == NULL ? NULL : endpoint_reference(all->list[index]);
}

void register_destroy(struct endpoint_register *all)
{
	for (size_t i = 0; i < all->count; i++)
		endpoint_release(all->list[i]);
	free(all->list);
}
