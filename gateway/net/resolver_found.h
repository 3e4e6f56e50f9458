/* The addresses that one question has found. For the files resolver*.c alone. */
#ifndef GATEWAY_NET_RESOLVER_FOUND_H
#define GATEWAY_NET_RESOLVER_FOUND_H

#include "routes/address.h"

struct found {
	struct address *list;
	size_t count;
};

enum found_result { FOUND_SOME, FOUND_NO_HOST, FOUND_NO_MEMORY };

/* Adds `count` addresses, `step` bytes apart. It skips 0.0.0.0 and ::, because servers answer so for names that they
 * block, and a connection to them would reach this host itself. */
enum found_result found_add(struct found *found, uint8_t family, const void *ips, size_t step, size_t count);
/* Sorts them and drops duplicates. */
void found_sort(struct found *found);

#endif
