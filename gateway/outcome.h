/*
 * Every way an exchange can end: the one table from which log words, metrics labels, the breaker's verdict, retries and
 * what the client gets are all read. Nothing else decides these from a status code.
 *
 * fault:   whose it was; an attacker's or a slow client's must never open a breaker.
 * verdict: what the breaker of the upstream is told.
 * retry:   may another endpoint be tried, as long as the client has got nothing?
 * answer:  what the client gets then.
 * proxy_error: what Proxy-Status says (RFC 9209 section 2.3); NULL = not an error of the proxy.
 */
#ifndef GATEWAY_OUTCOME_H
#define GATEWAY_OUTCOME_H

#include "breaker/breaker.h"

enum fault { FAULT_NONE, FAULT_CLIENT, FAULT_UPSTREAM, FAULT_GATEWAY };

enum retry {
	RETRY_NEVER,
	RETRY_UNSENT,     /* nothing was sent: any method, outside the budget, as long as there is an endpoint not yet tried */
	RETRY_UNSENT_LATE, /* the same, but the client has waited: only retry.attempts times */
	RETRY_STALE,      /* an idle connection was dead: what may be replayed, on a fresh one, outside the budget */
	RETRY_IDEMPOTENT, /* may have been acted upon: idempotent and replayable, within the budget */
	RETRY_IDEMPOTENT_LATE, /* the same, but the client has waited: only where another endpoint promises more */
};

enum answer {
	ANSWER_PASSED,   /* the upstream's own */
	ANSWER_FALLBACK, /* the route's */
	ANSWER_ERROR,    /* a line of text with the status */
	ANSWER_CUT,      /* the connection is reset: a head is out that can't be fulfilled, or nobody listens */
};

/* name, label, status, fault, verdict, retry, answer, proxy_error, words */
#define OUTCOMES(X) \
	X(ANSWERED,             "answered",             0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   NULL, "answered") \
	X(ANSWERED_FAILURE,     "answered_failure",     0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_PASSED,   NULL, "the upstream reported a failure") \
	X(ANSWERED_UNAVAILABLE, "answered_unavailable", 0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_PASSED,   NULL, "the upstream reported 502, 503 or 504") \
	X(REPLACED,             "replaced",             0,   FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, NULL, "the upstream's answer was replaced by the fallback") \
	X(UPGRADED,             "upgraded",             0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   NULL, "a tunnel, ended") \
	X(BREAKER_OPEN,         "breaker_open",         503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "destination_unavailable", "the breaker is open") \
	X(OVERLOADED,           "overloaded",           503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "connection_limit_reached", "too many requests in flight") \
	X(NO_ENDPOINT,          "no_endpoint",          503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "destination_unavailable", "no endpoint is known") \
	X(CONNECT_FAILED,       "connect_failed",       503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT,     ANSWER_FALLBACK, "connection_refused", "could not connect") \
	X(CONNECT_TIMEOUT,      "connect_timeout",      503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT_LATE,ANSWER_FALLBACK, "connection_timeout", "connecting took too long") \
	X(STALE_CONNECTION,     "stale_connection",     503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_STALE,      ANSWER_FALLBACK, "connection_terminated", "an idle connection was closed under the request") \
	X(UPSTREAM_RESET,       "upstream_reset",       503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_FALLBACK, "connection_terminated", "closed before a response") \
	X(UPSTREAM_UNREACHABLE, "upstream_unreachable", 503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_FALLBACK, "connection_terminated", "its host acknowledges nothing") \
	X(RESPONSE_TIMEOUT,     "response_timeout",     503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT_LATE, ANSWER_FALLBACK, "http_response_timeout", "no response in time") \
	X(RESPONSE_INVALID,     "response_invalid",     502, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_ERROR,    "http_protocol_error", "the response is not valid HTTP") \
	X(RESPONSE_CUT,         "response_cut",         0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      NULL, "the response broke off") \
	X(RESPONSE_STALLED,     "response_stalled",     0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      NULL, "the response body stopped coming") \
	X(REQUEST_REFUSED,      "request_refused",      400, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "refused") \
	X(REQUEST_TIMEOUT,      "request_timeout",      408, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "the request did not come in time") \
	X(REQUEST_TOO_LARGE,    "request_too_large",    413, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "the request body is too large") \
	X(NOT_FOUND,            "not_found",            404, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "no route has this path") \
	X(METHOD_NOT_ALLOWED,   "method_not_allowed",   405, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_denied", "no route has this method") \
	X(CLIENT_ABORTED,       "client_aborted",       499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      NULL, "the client went away") \
	X(CLIENT_STALLED,       "client_stalled",       499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      NULL, "the client took nothing") \
	X(DRAINED,              "drained",              503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "proxy_internal_error", "still under way when the drain time was over") \
	X(SHED,                 "shed",                 503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "proxy_internal_error", "too slow a client while there was no room for all") \
	X(OUT_OF_MEMORY,        "out_of_memory",        503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "proxy_internal_error", "memory or descriptors are short")

enum outcome {
#define OUTCOME_ENUM(name, ...) OUTCOME_##name,
	OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
	OUTCOME_COUNT
};

struct outcome_row {
	const char *name; /* as logs and metrics have it */
	unsigned status;  /* 0: that of the response */
	enum fault fault;
	enum breaker_verdict verdict;
	enum retry retry;
	enum answer answer;
	const char *proxy_error;
	const char *words;
};

extern const struct outcome_row outcome_table[OUTCOME_COUNT];

#endif
