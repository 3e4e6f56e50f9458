/*
 * One limit for all gateways (rate_limit.store). A Redis server keeps each key's theoretical arrival time, and one script
 * moves it by the server's clock, so gateways need not agree on the time.
 *
 * A worker has one connection to each store (net/redis.h) and asks for each request; the filter decides how long a request
 * waits. While the store is down each gateway enforces its share: the limit divided by the number of gateways that
 * cluster.peers names. Stores live as long as the process; there are as many as were ever configured.
 */
#ifndef GATEWAY_FILTER_STORE_H
#define GATEWAY_FILTER_STORE_H

#include <stdio.h>

#include "breaker/rate_limit.h"
#include "gateway/net/redis.h"
#include "gateway/worker/worker.h"

struct store;

enum { STORE_WORKERS_MAX = 256 };

/* For the control thread, when a configuration is prepared. NULL: `error` says why. */
struct store *store_use(const struct store_settings *settings, char *error, size_t size);
/* A limiter begins and ends to use it; any thread. The metrics show only stores in use. */
void store_hold(struct store *store);
void store_release(struct store *store);
/* All stores with this host take the first of these addresses. */
void stores_take_addresses(const char *host, const struct address *addresses, size_t count);
void stores_set_gateways(size_t count);
void stores_write_metrics(FILE *to);
/* After the workers' threads have ended, and before their loops are freed. */
void stores_leave(const struct worker *workers, unsigned count);

/* For the worker's thread. Asks for one call of this key; NULL: not now, decide without the store. */
struct redis_call *store_ask(struct store *store, struct worker *worker, struct slice key, const struct rate *rate,
                             redis_on_answer *on_answer, void *context);
struct rate_verdict store_verdict(const int64_t numbers[REDIS_NUMBERS]);
/* The store decided a request; or this gateway did, by its share of `rate`, which is returned. */
void store_count_answer(struct store *store);
struct rate store_count_local(struct store *store, const struct rate *rate);

#endif
