#include "gateway/net/resolver_found.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return address_compare(a, b);
}

void found_sort(struct found *found)
{
	size_t kept = 0;

	if (found->count == 0)
		return;
	qsort(found->list, found->count, sizeof *found->list, compare);
	for (size_t i = 1; i < found->count; i++)
		if (compare(&found->list[kept], &found->list[i]) != 0)
			found->list[++kept] = found->list[i];
	found->count = kept + 1;
}

enum found_result found_add(struct found *found, uint8_t family, const void *ips, size_t step, size_t count)
{
	static const uint8_t no_host[16];
	size_t length = family == 4 ? 4 : 16, before = found->count;
	struct address *larger = realloc(found->list, (before + count + 1) * sizeof *larger);

	if (larger == NULL)
		return FOUND_NO_MEMORY;
	found->list = larger;
	for (const uint8_t *ip = ips; count > 0; count--, ip += step) {
		if (memcmp(ip, no_host, length) == 0)
			continue;
		larger[found->count] = (struct address){ .family = family };
		memcpy(larger[found->count++].ip, ip, length);
	}
	return found->count > before ? FOUND_SOME : FOUND_NO_HOST;
}
