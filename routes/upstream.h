/*
 * A named service and its endpoints: the state that threads share and that survives reloads.
 *
 * An upstream keeps its breaker, bulkhead and retry budget as long as its name, host, port and breaker window stay; otherwise
 * a new one takes over the breaker's state. An endpoint is one address of an upstream. Both are reference counted (any
 * thread); the control thread makes them, workers use them. All fields that change are atomics.
 */
#ifndef ROUTES_UPSTREAM_H
#define ROUTES_UPSTREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "breaker/bulkhead.h"
#include "breaker/doubt.h"
#include "breaker/ejection.h"
#include "breaker/health.h"
#include "breaker/queue.h"
#include "routes/address.h"
#include "routes/config/config.h"

/* The group of all upstreams for readers of Hystrix' metrics, stream and health; as Spring Cloud Gateway 2 called it. */
#define UPSTREAM_HYSTRIX_GROUP "HystrixGatewayFilterFactory"

struct endpoint {
	_Atomic unsigned references;
	unsigned index; /* small and unique among living endpoints: the index of workers' pools */
	struct address address;
	char text[ADDRESS_TEXT_MAX]; /* "10.0.1.3:2222" */
	size_t text_length;
	uint64_t born_ms;
	const char *discovered_by; /* "dns" or "address" */
	struct health health;      /* for the control thread alone, which gives workers only endpoints that serve */
	_Alignas(64) _Atomic uint32_t in_flight;
	_Atomic uint64_t joined_ms; /* when it joined others that already served; 0: it was one of the first */
	struct ejection ejection;
	_Atomic uint64_t requests_total;
	_Atomic uint64_t answered; /* requests_total when it last answered: later requests are unanswered */
	_Atomic uint64_t heard_ms; /* when that was */
	_Atomic uint64_t failures_total;
	_Atomic uint32_t idle_ms; /* it closes idle connections after so long; 0: that was never seen */
	_Atomic uint64_t idle_seen_ms; /* when that was */
	_Atomic uint64_t failed_ms; /* when it last failed, by its breaker's rules; 0: never */
	_Atomic uint64_t lost_ms; /* when a connection to it was last refused, failed or reset; 0: never */
	_Atomic(const char *) last_error; /* static text, NULL = none so far */
	_Atomic uint64_t ejected_ms; /* when the first of those ejections was that still count for the length of the next; 0: none */
};

/* The addresses of one upstream at one moment, sorted; immutable but for `untold` and `must_renew`. */
struct endpoint_set {
	_Atomic unsigned references;
	_Atomic unsigned untold; /* so many workers have yet to take it; the last lets the breaker probe. 0: none waits */
	_Atomic bool must_renew; /* memory was short: some worker lacks it, or the set that would follow it could not be made */
	size_t count;
	struct endpoint *endpoints[];
};

struct upstream {
	_Atomic unsigned references;
	unsigned index; /* small and unique among living upstreams */
	char *name, *host;
	uint16_t port;
	struct breaker *breaker;
	struct doubt doubt; /* clients that gave up its probes */
	struct bulkhead bulkhead;
	struct queue queue; /* for a place in it */
	struct bulkhead streams; /* in flight: tunnels and event streams */
	_Atomic uint64_t shed_asked_ms; /* when a worker last asked the others to make room */
	struct retry_budget retry_budget;
	/* When its breaker was made or changed its state; since when it refuses, trials included; since when it has no
	 * endpoint, 0: it has some. For the control thread alone. */
	uint64_t changed_ms, refuses_ms, empty_ms;
	uint64_t override_stamp; /* of the override for all gateways that its breaker took last; for the control thread alone */
	_Atomic int refresh_wanted; /* a worker could not connect: ask DNS again */
};

struct endpoint *endpoint_new(const struct address *address, unsigned index, uint64_t now_ms, const char *discovered_by);
struct endpoint *endpoint_reference(struct endpoint *endpoint);
void endpoint_release(struct endpoint *endpoint);
/* Takes from the old upstream's endpoint of the same address: its ejection, its totals and, `with_health`, the results of its
 * checks. */
void endpoint_take_over(struct endpoint *endpoint, struct endpoint *old, bool with_health);
/* Ignores a request that its client has not sent completely: nobody can expect an answer to that. */
static inline void endpoint_excuse(struct endpoint *endpoint)
{
	atomic_fetch_add_explicit(&endpoint->answered, 1, memory_order_relaxed);
}
/*
 * An idle connection to it ended after so long: the endpoint closed it, or (not is_closed_by_it) the gateway did, so the
 * endpoint would have waited for longer. The shortest life counts, for a minute after it was last seen: a busy endpoint
 * closes late, and one that shuts down closes connections of any age.
 */
void endpoint_note_idle(struct endpoint *endpoint, uint64_t idle_ms, bool is_closed_by_it, uint64_t now_ms);
/* It has begun to answer. */
static inline void endpoint_heard(struct endpoint *endpoint, uint64_t now_ms)
{
	atomic_store_explicit(&endpoint->answered, atomic_load_explicit(&endpoint->requests_total, memory_order_relaxed),
	                      memory_order_relaxed);
	atomic_store_explicit(&endpoint->heard_ms, now_ms, memory_order_relaxed);
}

/* Was a connection to it lost since that moment, or recently, with no answer since? */
bool endpoint_is_lost(const struct endpoint *endpoint, uint64_t since_ms);

/* Takes a reference to each endpoint. NULL: out of memory. */
struct endpoint_set *endpoint_set_new(struct endpoint *const *endpoints, size_t count);
struct endpoint_set *endpoint_set_reference(struct endpoint_set *set);
void endpoint_set_release(struct endpoint_set *set);

/* NULL: out of memory. */
struct upstream *upstream_new(const struct upstream_settings *settings, unsigned index, uint64_t now_ms,
                              breaker_on_transition *on_transition, void *context);
/* Gives a new one, which no request has reached yet, the breaker's state and all totals of an old one of the same name. */
void upstream_take_over(struct upstream *upstream, struct upstream *old);
/* May `upstream` serve these settings, too, or is a new one needed? */
bool upstream_fits(const struct upstream *upstream, const struct upstream_settings *settings,
                   const struct breaker_settings *born_with);
struct upstream *upstream_reference(struct upstream *upstream);
void upstream_release(struct upstream *upstream);

#endif
