/*
 * A named service and its endpoints: what threads share and what lives on over reloads.
 *
 * An upstream keeps its breaker, bulkhead and retry budget as long as its name, host, port and breaker window stay;
 * otherwise a new one is made that takes over the breaker's state. An endpoint is one address of it. Both are
 * reference counted (any thread); the control thread makes them, workers use them. All fields that change are atomics.
 */
#ifndef ROUTES_UPSTREAM_H
#define ROUTES_UPSTREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "breaker/bulkhead.h"
#include "breaker/ejection.h"
#include "breaker/health.h"
#include "breaker/queue.h"
#include "routes/address.h"
#include "routes/config.h"

/* The group of all upstreams for what reads Hystrix' metrics, stream and health; as Spring Cloud Gateway 2 called it. */
#define UPSTREAM_HYSTRIX_GROUP "HystrixGatewayFilterFactory"

struct endpoint {
	_Atomic unsigned references;
	unsigned index; /* small and unique among living endpoints: workers keep their pools by it */
	struct address address;
	char text[ADDRESS_TEXT_MAX]; /* "10.0.1.3:2222" */
	size_t text_length;
	uint64_t born_ms;
	const char *discovered_by; /* "dns" or "address" */
	struct health health;      /* the control thread's alone: workers are told who serves */
	_Alignas(64) _Atomic uint32_t in_flight;
	_Atomic uint64_t joined_ms; /* when it joined others that served already; 0: it was one of the first */
	struct ejection ejection;
	_Atomic uint64_t requests_total;
	_Atomic uint64_t answered; /* requests_total when it last answered: those that came since are unanswered */
	_Atomic uint64_t heard_ms; /* when that was */
	_Atomic uint64_t failures_total;
	_Atomic(const char *) last_error; /* static text, NULL = none so far */
};

/* The addresses of one upstream at one moment, sorted; immutable. */
struct endpoint_set {
	_Atomic unsigned references;
	size_t count;
	struct endpoint *endpoints[];
};

struct upstream {
	_Atomic unsigned references;
	unsigned index; /* small and unique among living upstreams */
	char *name, *host;
	uint16_t port;
	struct breaker *breaker;
	struct bulkhead bulkhead;
	struct queue queue; /* for a place in it */
	struct retry_budget retry_budget;
	_Atomic int refresh_wanted; /* a worker could not connect: ask DNS again */
};

struct endpoint *endpoint_new(const struct address *address, unsigned index, uint64_t now_ms, const char *discovered_by);
struct endpoint *endpoint_reference(struct endpoint *endpoint);
void endpoint_release(struct endpoint *endpoint);
/* From the old upstream's endpoint of the same address: its rest, its totals and, `with_health`, what its checks found. */
void endpoint_take_over(struct endpoint *endpoint, struct endpoint *old, bool with_health);
/* Discounts a request whose client has not sent it whole: nobody can expect an answer to that. */
static inline void endpoint_excuse(struct endpoint *endpoint)
{
	atomic_fetch_add_explicit(&endpoint->answered, 1, memory_order_relaxed);
}
/* It has begun to answer. */
static inline void endpoint_heard(struct endpoint *endpoint, uint64_t now_ms)
{
	atomic_store_explicit(&endpoint->answered, atomic_load_explicit(&endpoint->requests_total, memory_order_relaxed),
	                      memory_order_relaxed);
	atomic_store_explicit(&endpoint->heard_ms, now_ms, memory_order_relaxed);
}

/* Takes a reference to each endpoint. NULL: memory is short. */
struct endpoint_set *endpoint_set_new(struct endpoint *const *endpoints, size_t count);
struct endpoint_set *endpoint_set_reference(struct endpoint_set *set);
void endpoint_set_release(struct endpoint_set *set);

/* NULL: memory is short. */
struct upstream *upstream_new(const struct upstream_settings *settings, unsigned index, uint64_t now_ms,
                              breaker_on_transition *on_transition, void *context);
/* Gives a new one, which no worker may know yet, the breaker's state and all totals of an old one of the same name. */
void upstream_take_over(struct upstream *upstream, struct upstream *old);
/* May `upstream` serve these settings too, or is a new one needed? */
bool upstream_fits(const struct upstream *upstream, const struct upstream_settings *settings,
                   const struct breaker_settings *born_with);
struct upstream *upstream_reference(struct upstream *upstream);
void upstream_release(struct upstream *upstream);

#endif
