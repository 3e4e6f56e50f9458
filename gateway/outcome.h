/*
 * Every way an exchange can end: the one table from which log words, metrics labels, the breaker's verdict, retries and
 * what the client gets are all read. Nothing else decides these from a status code.
 *
 * fault:   whose it was; an attacker or a slow client must never open a breaker.
 * verdict: what the breaker of the upstream is told.
 * retry:   may another endpoint be tried, as long as the client has got nothing?
 * answer:  what the client gets then.
 */
#ifndef GATEWAY_OUTCOME_H
#define GATEWAY_OUTCOME_H

#include "breaker/breaker.h"

enum fault { FAULT_NONE, FAULT_CLIENT, FAULT_UPSTREAM, FAULT_GATEWAY };

enum retry {
	RETRY_NEVER,
	RETRY_UNSENT,     /* nothing was sent: any method, outside the budget */
	RETRY_STALE,      /* an idle connection was dead: what may be replayed, on a fresh one, outside the budget */
	RETRY_IDEMPOTENT, /* may have been acted upon: idempotent and replayable, within the budget */
};

enum answer {
	ANSWER_PASSED,   /* the upstream's own */
	ANSWER_FALLBACK, /* the route's */
	ANSWER_ERROR,    /* a line of text with the status */
	ANSWER_CUT,      /* the connection is reset: a head is out that can't be kept, or nobody listens */
};

/*        name                      status fault           verdict          retry             answer           words */
#define OUTCOMES(X)                                                                                                        \
	X(ANSWERED,                 0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   "answered")                     \
	X(ANSWERED_FAILURE,         0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_PASSED,   "the upstream reported a failure") \
	X(ANSWERED_UNAVAILABLE,     0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_PASSED,   "the upstream reported 502, 503 or 504") \
	X(REPLACED,                 0,   FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "the upstream's answer was replaced by the fallback") \
	X(UPGRADED,                 0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   "a tunnel, ended")              \
	X(BREAKER_OPEN,             503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "the breaker is open")          \
	X(BULKHEAD_FULL,            503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "too many requests in flight")  \
	X(NO_ENDPOINT,              503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "no endpoint is known")         \
	X(CONNECT_FAILED,           503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT,     ANSWER_FALLBACK, "could not connect")            \
	X(CONNECT_TIMEOUT,          503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT,     ANSWER_FALLBACK, "connecting took too long")     \
	X(STALE_CONNECTION,         503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_STALE,      ANSWER_FALLBACK, "an idle connection was closed under the request") \
	X(UPSTREAM_RESET,           503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_FALLBACK, "closed before a response")     \
	X(RESPONSE_TIMEOUT,         503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_FALLBACK, "no response in time")          \
	X(RESPONSE_INVALID,         502, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_ERROR,    "the response is not valid HTTP") \
	X(RESPONSE_CUT,             0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      "the response broke off")       \
	X(RESPONSE_STALLED,         0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      "the response body stopped coming") \
	X(REQUEST_REFUSED,          400, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "refused")                      \
	X(REQUEST_TIMEOUT,          408, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "the request did not come in time") \
	X(REQUEST_TOO_LARGE,        413, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "the request body is too large") \
	X(NOT_FOUND,                404, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "no route has this path")       \
	X(METHOD_NOT_ALLOWED,       405, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "no route has this method")     \
	X(CLIENT_ABORTED,           499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "the client went away")         \
	X(CLIENT_STALLED,           499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "the client took nothing")      \
	X(DRAINED,                  503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "still under way when the drain time was over") \
	X(OUT_OF_MEMORY,            503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "memory is short")

enum outcome {
#define OUTCOME_ENUM(name, ...) OUTCOME_##name,
	OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
	OUTCOME_COUNT
};

struct outcome_row {
	const char *name; /* lower case: the label's value */
	unsigned status;  /* 0: that of the response */
	enum fault fault;
	enum breaker_verdict verdict;
	enum retry retry;
	enum answer answer;
	const char *words;
};

extern const struct outcome_row outcome_table[OUTCOME_COUNT];

#endif
