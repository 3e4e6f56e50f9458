/*
 * Requests that are kept for /requests: those that their upstream did not answer, that the gateway refused, or that were
 * slow. Each worker has its own list, and nobody else reads it: the control thread asks for a copy by message.
 *
 * Four rings, so that a storm of one kind pushes out nothing of another. A ring takes no memory before its first request.
 */
#ifndef GATEWAY_BASE_KEPT_H
#define GATEWAY_BASE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEPT_EACH = 64, /* of a kind */
	KEPT_BURST = 32, KEPT_GAP_US = 100000, /* in a storm the first ones, then one in so long */
	KEPT_ID = 128, KEPT_PATH = 200, KEPT_NAME = 64, KEPT_ADDRESS = 56, KEPT_WORD = 16, KEPT_REASON = 160,
};

/* refused: by breaker or bulkhead, or for lack of an endpoint or of room; failed: the upstream was asked, and failed; client:
 * its client's fault; slow: answered, but late. */
#define KEPT_KINDS(X) X(REFUSED, "refused") X(FAILED, "failed") X(CLIENT, "client") X(SLOW, "slow")

enum kept_kind {
#define KEPT_KIND(name, word) KEPT_##name,
	KEPT_KINDS(KEPT_KIND)
#undef KEPT_KIND
	KEPT_KIND_COUNT
};

/* Without a NUL at the end if it is full. `method`, `path` and `id` may hold anything that a client chose. */
struct kept_request {
	uint64_t wall_ms; /* of its end */
	enum kept_kind kind;
	unsigned status, attempts;
	const char *outcome, *reason, *breaker; /* static; reason, breaker: NULL: nothing more to say, it was not asked */
	/* Since the request's first byte; UINT64_MAX: that point was not reached. Those of a try are the last try's. */
	uint64_t attempt_us, connected_us, sent_us, first_byte_us, whole_us;
	uint64_t waited_us; /* in all, for a place */
	char method[KEPT_WORD], path[KEPT_PATH], upstream[KEPT_NAME], endpoint[KEPT_ADDRESS], id[KEPT_ID];
};

/* Zero-initialised: none. */
struct kept {
	struct kept_ring {
		struct kept_request *requests; /* KEPT_EACH, once there is one */
		uint64_t total;
		uint64_t paid_us; /* until then the requests that were kept have used up what may be kept */
	} rings[KEPT_KIND_COUNT];
};

/* A copy for another thread. */
struct kept_list {
	uint64_t question; /* that it answers */
	unsigned worker;
	size_t count;
	struct kept_request requests[];
};

const char *kept_kind_name(enum kept_kind kind);
/* The place for the next request, which replaces the oldest of its kind. NULL: out of memory. */
struct kept_request *kept_place(struct kept *kept, enum kept_kind kind);
/* All that most requests of a storm cost. */
static inline bool kept_is_full(struct kept *kept, enum kept_kind kind, uint64_t now_us)
{
	struct kept_ring *ring = &kept->rings[kind];

	if (ring->paid_us > now_us + (uint64_t)KEPT_BURST * KEPT_GAP_US)
		return true;
	ring->paid_us = (ring->paid_us > now_us ? ring->paid_us : now_us) + KEPT_GAP_US;
	return false;
}
/* NULL: out of memory. */
struct kept_list *kept_copy(const struct kept *kept);
void kept_free(struct kept *kept);

#endif
