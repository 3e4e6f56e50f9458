/*
 * A proxying thread: an event loop with its own listeners, clients and upstream connections.
 *
 * Threads share three kinds of things, and no fourth:
 *
 *   (a) atomics: an upstream's breaker, bulkheads, queue and retry budget, and the clients that gave up its probes
 *       (breaker/doubt.h); each endpoint's in-flight count, ejection and figures; the keys of rate limits
 *       (breaker/rate_limit.h); passwords that were checked (filter/passwords.h); the count of all client connections; the
 *       ports of our own connections to the admin listener (net/own.h); counts of references;
 *   (b) counters: one shard per worker, one writer, summed when read (metrics.h);
 *   (c) what a mutex guards: the inboxes; connections per client (client_counts.h); the queue of passwords (filter/passwords.h);
 *       the list of rate limits (filter/limiter.h), the address of a store (filter/store.h), and the slot of a key that is new
 *       (breaker/rate_limit.h).
 *
 * Everything else belongs to one thread or never changes. (A worker owns its list of failed requests, and sends a copy
 * when asked.)
 *
 * A worker uses a configuration through a snapshot: running exchanges keep the one that they began with. The worker
 * drops an upstream's endpoints and pools when no snapshot names that upstream any more.
 */
#ifndef GATEWAY_WORKER_WORKER_H
#define GATEWAY_WORKER_WORKER_H

#include <event2/event_struct.h>
#include <pthread.h>

#include "breaker/event.h"
#include "gateway/base/inbox.h"
#include "gateway/base/kept.h"
#include "gateway/base/random.h"
#include "gateway/base/ring.h"
#include "gateway/base/wall.h"
#include "gateway/control/capacity.h"
#include "gateway/control/sandbox.h"
#include "gateway/http/request.h"
#include "gateway/net/io.h"
#include "gateway/telemetry/access_log.h"
#include "gateway/telemetry/metrics.h"
#include "gateway/worker/client_counts.h"
#include "gateway/worker/issuers.h"
#include "routes/config/config.h"
#include "routes/upstream.h"

struct client;
struct exchange;
struct filter_run;
struct listener;
struct pool;
struct upstream_protocol;

enum worker_message {
	WORKER_ENDPOINTS,  /* subject: upstream (a reference), object: endpoint_set (a reference) */
	WORKER_CONFIG,     /* object: config (a reference); its upstreams' endpoints were sent before */
	WORKER_KEYS,       /* subject: key_source (a reference), object: key_set (a reference): an issuer's keys */
	WORKER_WAKE,       /* subject: upstream (a reference): a place may be free, or its breaker has opened */
	WORKER_SHED,       /* subject: upstream (a reference), object: enum shed_wish, as a number (places.h) */
	WORKER_LEAVE,      /* accept from now on without waiting for the first byte: a drain follows */
	WORKER_FINISH,     /* accept the connections whose handshake is under way, but let no other begin */
	WORKER_DRAIN,      /* accept no more, finish the requests under way */
	WORKER_STOP,       /* end the requests under way, and the thread */
	WORKER_LOG,        /* subject: the access log's descriptor and 1, as a number; NULL: none */
	WORKER_KEPT,       /* subject: a number: send the list of failed requests, with this number */
	WORKER_PING,       /* run one iteration, to show that the loop runs, and publish what is under way */
	WORKER_RUN,        /* subject: struct worker_run */
};

enum control_message {
	CONTROL_RESOLVE,    /* subject: upstream (a reference): a connection failed, its addresses may be old */
	CONTROL_TRANSITION, /* subject: upstream (a reference), object: struct breaker_transition (malloc'd) */
	CONTROL_CALL,       /* subject: upstream (a reference), object: struct breaker_call (malloc'd) */
	CONTROL_EJECTION,   /* subject: upstream (a reference), object: what happened, as a text (malloc'ed) */
	CONTROL_KEPT,       /* object: struct kept_list (malloc'ed) */
	CONTROL_KEYS,       /* subject: key_source (a reference): a token names an unknown key */
	CONTROL_DRAINED,    /* subject: worker: nothing is under way */
};

/* The name that this process writes into Via, so that it recognises a request that comes back. */
enum { WORKER_NAME_LENGTH = sizeof "gateway-0123456789abcdef" - 1 };

/* Work that another thread has done for this worker. The worker's thread calls `run`. */
struct worker_run {
	void (*run)(struct worker_run *run);
};

/* The control thread makes it before the workers; it does not change while they run. */
struct shared {
	char name[WORKER_NAME_LENGTH]; /* worker_choose_name() */
	struct worker *workers; /* by index */
	unsigned worker_count;
	struct capacity capacity; /* its memory is that of one worker */
	struct bulkhead clients; /* in flight: connections */
	struct client_counts client_counts;      /* the same by client */
	struct sandbox sandbox;
	struct inbox control;
	struct route_metrics *unrouted; /* requests that were refused before they had a route */
};

struct snapshot {
	struct config *config;
	unsigned uses; /* exchanges, plus one while it is current */
};

/* A worker's state of an upstream. */
struct local_upstream {
	struct upstream *upstream; /* a reference; NULL: the place is free */
	const struct upstream_protocol *protocol; /* what its endpoints speak */
	struct endpoint_set *set;  /* a reference; NULL: nothing is known yet */
	unsigned round_robin;      /* the position */
	unsigned snapshots;        /* that name it */
	struct bulkhead_limits limits; /* of the newest settings, also for requests that have waited since older ones */
	struct ring queue;         /* exchanges that wait for a place in its bulkhead, the oldest first */
	bool is_woken;            /* the worker looks at the queue at the end of the iteration */
	struct breaker_quota quotas[BREAKER_EVENT_COUNT]; /* what the worker tells of its calls, by kind */
	uint64_t places_looked_ms; /* of the last vain search for a slow client that holds one */
	uint64_t uploads_looked_ms; /* when the worker last searched for slow uploads */
};

/* How many bytes of the access log wait, and for how long, at most. */
enum { LOG_BATCH_BYTES = 32 * 1024, LOG_WAIT_MS = 20 };

enum { WORKER_HEAD_LEAST = 256 * 1024 };

/* The functions by which the files below call up. */
struct worker_upcalls {
	/* A configuration that names this upstream comes into use. */
	void (*take_limits)(struct worker *worker, const struct upstream_settings *settings);
	/* The last exchange of an upstream that is no longer configured has ended: requests may still wait in other
	 * workers. */
	void (*forget_upstream)(struct worker *worker, struct local_upstream *local);
	/* A request needs a descriptor. False with errno EMFILE: none could be freed. */
	bool (*free_descriptor)(struct worker *worker);
	/* Ends an exchange, and counts it. */
	void (*shed)(struct exchange *exchange, enum shed_reason reason);
};

struct worker {
	const struct worker_upcalls *upcalls;
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
	unsigned earlier_snapshots; /* that requests still run with */
	struct local_upstream *locals; /* by upstream->index */
	size_t local_count;
	struct pool **pools; /* by endpoint->index */
	size_t pool_count;
	struct ring new_clients; /* clients that have not sent a whole request yet, the oldest first */
	struct ring waiting; /* clients whose next request is awaited, the longest waiting first */
	struct ring serving; /* the others, in the order in which their requests began */
	struct ring blocked; /* exchanges that hold a place in a bulkhead while the gateway waits for their client */
	struct ring streams; /* tunnels and event streams */
	struct ring abandoned; /* requests that upstreams still work on though their clients have gone */
	struct ring run; /* clients with a request waiting in memory */
	bool has_woken; /* is_woken of some local upstream is set */
	struct exchange *spare; /* exchanges to be used again */
	unsigned spare_count;
	struct filter_run *spare_run; /* of requests that went through filters */
	unsigned spare_run_count;
	struct random random;
	struct access_log log;
	struct deadline log_deadline;
	struct worker_counters counters;
	struct issuers issuers;
	struct kept kept; /* failed and slow requests; others get copies */
	/* Room for one request's head at a time: nothing in it outlives a callback. */
	struct request request;
	struct field *fields;
	size_t field_count;
	char *head; /* also the room for normalising a path */
	size_t head_size;
	struct wall wall;
	uint64_t timer_at_ms; /* what `timer` was set to; 0: not set */
	unsigned iterations_to_read; /* iterations before anything is due again */
	uint64_t pause_logged_ms, shed_logged_ms[SHED_REASONS];
	uint64_t shed_span_ms; /* when the span began, and how many clients were closed in it */
	unsigned shed_in_span;
	uint64_t memory_looked_ms; /* when the worker last searched in vain for a client that holds too much memory */
};

/* By chance. */
void worker_choose_name(struct shared *shared);

/* For the worker's own thread: */
/* Counts and logs a client that the worker closed, or did not accept. */
void worker_count_shed(struct worker *worker, enum shed_reason reason);

static inline struct local_upstream *worker_local(struct worker *worker, const struct upstream *upstream)
{
	return &worker->locals[upstream->index];
}
static inline uint64_t worker_now_ms(struct worker *worker)
{
	return io_now_ms(&worker->io);
}
/* For a breaker, which rarely needs it. All workers share the breaker, so only nodes have to differ: the microseconds
 * at which they ask differ, once the low bits are mixed into all others (Fibonacci hashing). */
static inline uint32_t worker_jitter(struct worker *worker)
{
	return (uint32_t)(io_now_us(&worker->io) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}
static inline const struct wall *worker_wall(struct worker *worker)
{
	return wall_now(&worker->wall, io_now_us(&worker->io));
}

#endif
