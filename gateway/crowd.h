/*
 * How many connections each client has, over all workers: the one exact count that limits.connections_per_client needs. A client
 * is an IPv4 address or, since that is what a household has, an IPv6 /64.
 *
 * One mutex around one table: it is locked for a look-up at each accept and each close, never for a request. Memory is bounded
 * by the limit of connections. Any thread.
 */
#ifndef GATEWAY_CROWD_H
#define GATEWAY_CROWD_H

#include <pthread.h>

#include "routes/address.h"

struct crowd {
	pthread_mutex_t mutex;
	struct crowd_place *places; /* NULL: not initialised */
	size_t mask;
	uint64_t seed;
};

/* For at most so many connections at once. False: memory is short. */
bool crowd_init(struct crowd *crowd, uint32_t most_connections);
void crowd_destroy(struct crowd *crowd);
/* One connection more of this client: returns how many it has now. */
uint32_t crowd_enter(struct crowd *crowd, const struct address *client);
/* After each crowd_enter(), once. */
void crowd_leave(struct crowd *crowd, const struct address *client);

#endif
