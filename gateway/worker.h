/*
 * A proxying thread: an event loop with its own listeners, clients and upstream connections.
 *
 * Three things are shared between threads, and no fourth:
 *   (a) what belongs to an upstream: breaker, bulkhead and its queue, retry budget, each endpoint's in-flight count and
 *       ejection; and the process's count of client connections. All atomics. The count for each client is a table with a
 *       mutex (crowd.h).
 *   (b) counters: one shard per worker, one writer, summed when read (metrics.h).
 *   (c) each worker's inbox, and the control thread's: mutexes, too.
 * Everything else belongs to one thread or never changes.
 *
 * A worker uses a configuration through a snapshot: exchanges under way keep the one they began with. What it keeps of an
 * upstream (its endpoints as last told, its pools) goes when no snapshot names that upstream any more.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <pthread.h>

#include "gateway/telemetry/access_log.h"
#include "gateway/base/inbox.h"
#include "gateway/base/random.h"
#include "gateway/base/ring.h"
#include "gateway/base/wall.h"
#include "gateway/capacity.h"
#include "gateway/crowd.h"
#include "gateway/http/request.h"
#include "gateway/http/response.h"
#include "gateway/telemetry/metrics.h"
#include "gateway/net/listener.h"
#include "gateway/net/pool.h"
#include "gateway/sandbox.h"
#include "routes/config.h"
#include "routes/upstream.h"

struct client;
struct exchange;

enum worker_message {
	WORKER_ENDPOINTS,  /* subject: upstream (a reference), object: endpoint_set (a reference) */
	WORKER_CONFIG,     /* object: config (a reference); its upstreams' endpoints were sent before */
	WORKER_CALL,       /* subject: upstream (a reference): there may be a place for who waits, or its breaker has opened */
	WORKER_LEAVE,      /* go on accepting, but without waiting for the first byte: a drain is to follow */
	WORKER_DRAIN,      /* accept no more, finish what is under way */
	WORKER_STOP,       /* end what is still under way, and the thread */
	WORKER_LOG,        /* subject: the access log's descriptor and 1, as a number; NULL: none */
	WORKER_PING,       /* turn the loop once, to show that it turns */
};

enum control_message {
	CONTROL_RESOLVE,    /* subject: upstream (a reference): a connection failed, its addresses may be old */
	CONTROL_TRANSITION, /* subject: upstream (a reference), object: struct breaker_transition (malloc'd) */
	CONTROL_DRAINED,    /* subject: worker: nothing is under way */
};

/* Made by the control thread before the workers and unchanged while they run. */
struct shared {
	struct worker *workers; /* by index */
	struct capacity capacity; /* its memory is that of one worker */
	struct bulkhead clients; /* in flight: connections */
	struct crowd crowd;      /* the same by client */
	struct sandbox sandbox;
	struct inbox control;
	struct route_metrics *unrouted; /* requests that were refused before they had a route */
};

struct snapshot {
	struct config *config;
	unsigned uses; /* exchanges, and being the current one */
};

/* What this worker keeps of an upstream. */
struct local_upstream {
	struct upstream *upstream; /* a reference; NULL: the place is free */
	struct endpoint_set *set;  /* a reference; NULL: nothing is known yet */
	unsigned turn;             /* of round robin */
	unsigned snapshots;        /* that name it */
	struct bulkhead_limits limits; /* of the newest of them: also for those who wait since an older one */
	struct exchange *first_waiting, *last_waiting; /* for a place in its bulkhead, the oldest first */
	bool is_called;            /* at the end of the turn the queue is looked at */
	uint64_t slow_looked_ms;   /* when the last search for a slow client of it was in vain */
};

/* How many bytes of the access log wait at most for how long. */
enum { LOG_BATCH_BYTES = 32 * 1024, LOG_WAIT_MS = 20 };

enum { WORKER_HEAD_LEAST = 256 * 1024, RESPONSE_HEAD_BYTES = 64 * 1024, RESPONSE_FIELDS = 256 };

struct worker {
	unsigned index;
	pthread_t thread;
	struct shared *shared;
	struct io io;
	struct inbox inbox;
	struct event inbox_event, timer;
	struct listener *listeners;
	size_t listener_count;
	enum { WORKER_SERVING, WORKER_DRAINING, WORKER_STOPPED } state;
	struct snapshot *snapshot; /* the current one */
	struct local_upstream *locals; /* by upstream->index */
	size_t local_count;
	struct pool **pools; /* by endpoint->index */
	size_t pool_count;
	struct ring strangers; /* clients of whom not one whole request has come yet, the oldest first */
	struct ring waiting; /* those whose next request is awaited, the longest waiting first */
	struct ring serving; /* the others, in the order in which their requests began */
	struct ring run; /* clients with a request waiting in memory */
	unsigned exchanges; /* under way */
	bool has_calls; /* some local upstream is called */
	struct exchange *spare; /* exchanges to be used again */
	unsigned spare_count;
	struct random random;
	struct access_log log;
	struct deadline log_deadline;
	struct worker_counters counters;
	/* Room for one request or response head at a time: nothing in it outlives a callback. */
	struct request request;
	struct response response;
	struct field *fields;
	size_t field_count;
	char *head; /* also the room for normalising a path */
	size_t head_size;
	struct wall wall;
	uint64_t timer_at_ms; /* what `timer` was set to; 0: not set */
	unsigned turns_to_hear; /* before anything is due again */
	uint64_t rest_logged_ms, shed_logged_ms[SHED_REASONS];
	uint64_t shed_span_ms; /* began then; so many were shed in it */
	unsigned shed_in_span;
	uint64_t memory_looked_ms; /* when the last search for somebody who keeps too much of it was in vain */
};

/* Takes the listening sockets (listen_count of them) and a reference to `config`. False: memory or descriptors are short. */
bool worker_init(struct worker *worker, unsigned index, struct shared *shared, struct config *config, const int *listen_fds);
bool worker_start(struct worker *worker);
void worker_join(struct worker *worker);
void worker_destroy(struct worker *worker); /* after worker_join() */

/* For the worker's own thread: */
/* Takes a reference of each. On shortage the old endpoints stay. */
void worker_take_endpoints(struct worker *worker, struct upstream *upstream, struct endpoint_set *set);
/* Takes the reference, unless memory is short: then the old configuration stays. */
bool worker_take_config(struct worker *worker, struct config *config);
/* At the end: also those of a configuration that was prepared and never taken. */
void worker_forget_upstreams(struct worker *worker);
struct snapshot *snapshot_use(struct worker *worker);
void snapshot_release(struct worker *worker, struct snapshot *snapshot);
struct local_upstream *worker_local(struct worker *worker, const struct upstream *upstream);
void worker_count_exchange(struct worker *worker, int change);
static inline uint64_t worker_now_ms(struct worker *worker)
{
	return io_now_ms(&worker->io);
}
/* For a breaker, which rarely needs it: all workers share the breaker, so nodes only have to differ, and the microseconds at which
 * they ask do, once the low bits are mixed into all others (Fibonacci hashing). */
static inline uint32_t worker_jitter(struct worker *worker)
{
	return (uint32_t)(io_now_us(&worker->io) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}
static inline const struct wall *worker_wall(struct worker *worker)
{
	return wall_now(&worker->wall, io_now_us(&worker->io));
}

#endif
