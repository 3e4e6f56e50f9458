/*
 * A GET of the gateway's own to an upstream, within its breaker, its bulkhead (without waiting for a place) and its timeouts,
 * for a response with a small body. For the worker's thread.
 *
 *   call_begin --> CALL_WAITING ... on_head, then on_done, once --> call_end
 *              --> any other state: it is over already
 */
#ifndef GATEWAY_FILTER_CALL_H
#define GATEWAY_FILTER_CALL_H

#include "gateway/base/buffer.h"
#include "gateway/upstream/lease.h"
#include "gateway/worker/worker.h"
#include "routes/balance.h"

enum call_state {
	CALL_WAITING,
	CALL_ANSWERED,
	CALL_REFUSED,   /* the breaker is open */
	CALL_CROWDED,   /* its bulkhead is full */
	CALL_NOWHERE,   /* no endpoint is known */
	CALL_LOST,      /* the upstream could not be reached, or broke off */
	CALL_LATE,
	CALL_GARBAGE,   /* the response is invalid */
	CALL_TOO_LONG,  /* the body is longer than CALL_BODY_MAX */
	CALL_NO_MEMORY,
	CALL_NO_PORT,   /* all local ports are in use */
};
enum { CALL_BODY_MAX = 64 * 1024 };

struct call {
	/* Set by its owner. */
	struct worker *worker;
	struct snapshot *snapshot; /* that names the upstream */
	const struct upstream_settings *settings;
	const char *head; /* the whole request in the upstream's protocol */
	size_t head_length;
	struct address client; /* whose request it is for */
	/* The response's head, which does not outlive the call. True: the owner wants the body. */
	bool (*on_head)(struct call *call, const struct response *response);
	void (*on_done)(struct call *call);

	enum call_state state;
	struct buffer body;

	/* call.c's own */
	struct lease *lease;
	struct breaker_permit permit;
	bool holds_permit, holds_place, must_connect, is_sent, is_failure, has_head, is_whole;
	uint64_t began_ms, sent_ms;
	unsigned retries;
	struct balance_avoid avoid;
};

enum call_state call_begin(struct call *call);
/* Once, in any state: cancels it, and releases what it holds. */
void call_end(struct call *call);

#endif
