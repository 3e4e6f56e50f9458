/*
 * How many connections each client has, over all workers: the one exact count that limits.connections_per_client needs.
 * A client is an IPv4 address or an IPv6 /64, since that is what one household has.
 *
 * One mutex guards one table. It is locked for a look-up at each accept and each close, never for a request. The limit
 * of connections bounds the memory. Any thread.
 */
#ifndef GATEWAY_WORKER_CLIENT_COUNTS_H
#define GATEWAY_WORKER_CLIENT_COUNTS_H

#include <pthread.h>

#include "routes/address.h"

struct client_counts {
	pthread_mutex_t mutex;
	struct client_counts_place *places; /* NULL: not initialised */
	size_t mask;
	uint64_t seed;
};

/* The hash of the client as it counts here, with a seed that nobody outside knows. */
uint64_t client_counts_hash(uint64_t seed, const struct address *client);
/* For at most so many connections at once. False: memory is short. */
bool client_counts_init(struct client_counts *counts, uint32_t most_connections);
void client_counts_destroy(struct client_counts *counts);
/* Counts one more connection of this client. Returns how many it has now. */
uint32_t client_counts_enter(struct client_counts *counts, const struct address *client);
/* Call once after each client_counts_enter(). */
void client_counts_leave(struct client_counts *counts, const struct address *client);

#endif
