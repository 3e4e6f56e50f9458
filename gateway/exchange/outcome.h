/*
 * Every way in which an exchange can end. This one table gives the log's words, the metrics' labels, the breaker's verdict,
 * retries, and the client's answer. No other code decides these from a status code.
 *
 * fault:   who caused it; an attacker or a slow client must never open a breaker.
 * verdict: what the gateway tells the upstream's breaker.
 * retry:   may the gateway try another endpoint, as long as the client has got nothing?
 * answer:  what the client gets then.
 * proxy_error: the error in Proxy-Status (RFC 9209 section 2.3); NULL = not an error of the proxy.
 */
#ifndef GATEWAY_EXCHANGE_OUTCOME_H
#define GATEWAY_EXCHANGE_OUTCOME_H

#include "breaker/breaker.h"

enum fault { FAULT_NONE, FAULT_CLIENT, FAULT_UPSTREAM, FAULT_GATEWAY };

enum retry {
	RETRY_NEVER,
	RETRY_UNSENT,     /* nothing was sent: any method, outside the budget, as long as an untried endpoint is left */
	RETRY_UNSENT_LATE, /* the same, but the client has waited: only retry.attempts times */
	RETRY_STALE,      /* an idle connection was dead: on a new one if it may be replayed, outside the budget */
	RETRY_IDEMPOTENT, /* the upstream may have acted on it: idempotent and replayable, within the budget */
	RETRY_IDEMPOTENT_LATE, /* the same, but the client has waited: only where another endpoint promises more */
};

enum answer {
	ANSWER_PASSED,   /* the upstream's own */
	ANSWER_FALLBACK, /* the route's */
	ANSWER_ERROR,    /* a line of text with the status */
	ANSWER_ALLOW,    /* the path's methods */
	ANSWER_CUT,      /* the connection is reset: a head is out that can't be fulfilled, or nobody listens */
};

/* name, label, status, fault, verdict, retry, answer, proxy_error, reason */
#define OUTCOMES(X) \
	X(ANSWERED,             "answered",             0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   NULL, "the upstream answered") \
	X(ANSWERED_FAILURE,     "answered_failure",     0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_PASSED,   NULL, "the upstream reported a failure") \
	X(ANSWERED_UNAVAILABLE, "answered_unavailable", 0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_PASSED,   NULL, "the upstream reported 502, 503 or 504") \
	X(REPLACED,             "replaced",             0,   FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, NULL, "the fallback replaced the upstream's answer") \
	X(UPGRADED,             "upgraded",             0,   FAULT_NONE,     BREAKER_SUCCESS, RETRY_NEVER,      ANSWER_PASSED,   NULL, "the tunnel ended") \
	X(BREAKER_OPEN,         "breaker_open",         503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "destination_unavailable", "the breaker is open") \
	X(OVERLOADED,           "overloaded",           503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "connection_limit_reached", "too many requests in flight") \
	X(NO_ENDPOINT,          "no_endpoint",          503, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_FALLBACK, "destination_unavailable", "no endpoint is known") \
	X(CONNECT_FAILED,       "connect_failed",       503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT,     ANSWER_FALLBACK, "connection_refused", "the gateway could not connect") \
	X(CONNECT_TIMEOUT,      "connect_timeout",      503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_UNSENT_LATE,ANSWER_FALLBACK, "connection_timeout", "connecting took too long") \
	X(NO_FREE_PORT,         "no_free_port",         503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_UNSENT,     ANSWER_FALLBACK, "connection_limit_reached", "all local ports for connections to the endpoint are in use") \
	X(STALE_CONNECTION,     "stale_connection",     503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_STALE,      ANSWER_FALLBACK, "connection_terminated", "the upstream closed an idle connection as the request was sent") \
	X(UPSTREAM_RESET,       "upstream_reset",       503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_FALLBACK, "connection_terminated", "the upstream closed the connection before it responded") \
	X(UPSTREAM_UNREACHABLE, "upstream_unreachable", 503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_FALLBACK, "connection_terminated", "the upstream's host acknowledges nothing") \
	X(RESPONSE_TIMEOUT,     "response_timeout",     503, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT_LATE, ANSWER_FALLBACK, "http_response_timeout", "the upstream did not respond in time") \
	X(RESPONSE_INVALID,     "response_invalid",     502, FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_IDEMPOTENT, ANSWER_ERROR,    "http_protocol_error", "the response is not valid HTTP") \
	X(RESPONSE_TOO_LARGE,   "response_too_large",   502, FAULT_UPSTREAM, BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_response_body_size", "the response body is larger than the route allows") \
	X(RESPONSE_CUT,         "response_cut",         0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      NULL, "the upstream broke off its response") \
	X(RESPONSE_STALLED,     "response_stalled",     0,   FAULT_UPSTREAM, BREAKER_FAILURE, RETRY_NEVER,      ANSWER_CUT,      NULL, "the upstream stopped sending the response body") \
	X(REQUEST_REFUSED,      "request_refused",      400, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "the gateway refused the request") \
	X(REQUEST_TIMEOUT,      "request_timeout",      408, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "the client did not send the request in time") \
	X(REQUEST_TOO_LARGE,    "request_too_large",    413, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "the request body is too large") \
	X(UNAUTHORIZED,         "unauthorized",         401, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_denied", "the request has no valid credentials") \
	X(FORBIDDEN,            "forbidden",            403, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_denied", "the route does not allow this request") \
	X(RATE_LIMITED,         "rate_limited",         429, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_denied", "the route's rate limit is reached") \
	X(AUTH_UNAVAILABLE,     "auth_unavailable",     503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "destination_unavailable", "the gateway can't check who is asking") \
	X(NOT_FOUND,            "not_found",            404, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_error", "no route has this path") \
	X(METHOD_NOT_ALLOWED,   "method_not_allowed",   405, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "http_request_denied", "no route has this method") \
	X(ANSWERED_HERE,        "answered_here",        204, FAULT_NONE,     BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ALLOW,    NULL, "the gateway itself answered an OPTIONS request") \
	X(LOOP_DETECTED,        "loop_detected",        508, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "proxy_loop_detected", "an upstream leads back to this gateway") \
	X(CLIENT_ABORTED,       "client_aborted",       499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      NULL, "the client went away") \
	X(CLIENT_STALLED,       "client_stalled",       499, FAULT_CLIENT,   BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      NULL, "the client stopped reading") \
	X(DRAINED,              "drained",              503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "proxy_internal_error", "the request was still in flight when drain.timeout was over") \
	X(SHED,                 "shed",                 503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_CUT,      "proxy_internal_error", "the gateway ran out of room and closed a slow client") \
	X(OUT_OF_MEMORY,        "out_of_memory",        503, FAULT_GATEWAY,  BREAKER_NEITHER, RETRY_NEVER,      ANSWER_ERROR,    "proxy_internal_error", "the gateway is out of memory or file descriptors")

enum outcome {
#define OUTCOME_ENUM(name, ...) OUTCOME_##name,
	OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
	OUTCOME_COUNT
};

struct outcome_row {
	const char *name; /* in logs and metrics */
	unsigned status;  /* 0: that of the response */
	enum fault fault;
	enum breaker_verdict verdict;
	enum retry retry;
	enum answer answer;
	const char *proxy_error;
	const char *reason;
};

extern const struct outcome_row outcome_table[OUTCOME_COUNT];

#endif
