/*
 * The upstream's side of one request, whatever protocol the upstream speaks: a connection of HTTP/1, which it has for itself, or a
 * stream of HTTP/2. The exchange takes a lease, sends the request on it and hears the response; it knows the table of functions
 * below and no protocol.
 *
 *              take --------------------> request, send ...
 *   protocol <                                                 on_interim, on_head, on_body ..., on_end --> release
 *              connect --on_connected---> request, send ...
 *
 * An implementer embeds the lease, and calls the owner, who has set `owner` and `events`, through that table. The owner may release
 * the lease in any of these calls; after that it gets no more of them. For the worker's thread.
 */
#ifndef GATEWAY_UPSTREAM_LEASE_H
#define GATEWAY_UPSTREAM_LEASE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "gateway/base/deadline.h"
#include "gateway/http/pieces.h"
#include "gateway/http/request.h"
#include "gateway/http/response.h"
#include "gateway/net/io.h"
#include "routes/upstream.h"

struct lease;
struct pool;
struct stream;

/* Why nothing follows. */
enum lease_end {
	LEASE_ENDED,     /* the upstream ended before the response was complete; or after a 101 */
	LEASE_BROKEN,    /* the connection broke, or could not be made */
	LEASE_INVALID,   /* the head of the response is invalid: lease->why */
	LEASE_NO_MEMORY, /* for what it sent */
};

struct lease_events {
	/* After connect(): the request may be sent. */
	void (*on_connected)(struct lease *lease);
	/* A 1xx (except 101) before the response's head. False: the lease was released. */
	bool (*on_interim)(struct lease *lease, const struct response *response);
	/* The head of the response, with the first bytes of the body, or of the protocol that follows a 101. `has_headroom`:
	 * there is room for a head before these bytes (IO_HEADROOM_BYTES). */
	void (*on_head)(struct lease *lease, const struct response *response, struct pieces *pieces, bool has_headroom);
	/* More of that. */
	void (*on_body)(struct lease *lease, struct pieces *pieces);
	/* Instead of on_body, after set_splicing(): call splice(). */
	void (*on_readable)(struct lease *lease);
	/* The upstream took all that was pending, or it was dropped because the upstream takes no more. */
	void (*on_writable)(struct lease *lease);
	void (*on_end)(struct lease *lease, enum lease_end end);
	/* lease->deadline. */
	void (*on_due)(struct lease *lease);
};

/* The facts about the request that the reader of the response needs. */
struct lease_request {
	bool is_head; /* its response has no body */
	bool is_body_odd; /* its method gives a body no meaning: an upstream may leave it unread, and take it for the next request */
	bool is_unsized; /* its head announces a body, but not its length */
};

enum lease_release {
	LEASE_KEEP,  /* request and response are complete: the connection may be used again */
	LEASE_CLOSE, /* the response is complete, but the connection must not be used again */
	LEASE_CUT,   /* the upstream sees that it is cut */
	LEASE_STALE, /* the connection had ended before the request came */
};

struct lease_operations {
	/* The request: its head, written by write_begin() and write_end(), and the first part of its body. SEND_FAILED:
	 * nothing of it was sent. */
	enum send_result (*request)(struct lease *lease, const struct lease_request *request, struct iovec head,
	                            const struct pieces *pieces);
	/* More of the body, or of the protocol after a 101. */
	enum send_result (*send)(struct lease *lease, const struct pieces *pieces);
	/* After a 101: sends the end. Only if it is not blocked. */
	void (*send_end)(struct lease *lease);
	/* Stops and resumes reading the response. */
	void (*pause)(struct lease *lease);
	void (*resume)(struct lease *lease);
	void (*release)(struct lease *lease, enum lease_release how, const struct upstream_settings *settings);
	/* The client has left, and the upstream, which has the whole request, learns of it. True: on_end follows when the
	 * upstream is done, and no other call but on_due; the lease may have another owner from now on. False: the protocol
	 * can't tell when it is done. */
	bool (*abandon)(struct lease *lease);

	/* How many of all sent bytes has the upstream taken (it wraps)? All of them? Asked rarely: it may be a system
	 * call. */
	uint32_t (*taken)(const struct lease *lease);
	bool (*has_taken_all)(const struct lease *lease);
	/* Has the upstream's host acknowledged nothing for so long, though there was something to acknowledge? */
	bool (*is_unreachable)(const struct lease *lease, uint32_t silent_ms);
	/* Have so many unread bytes of the response come? */
	bool (*holds)(const struct lease *lease, uint64_t length);

	/* For a body of known length whose bytes nobody changes. NULL: never. */
	void (*set_splicing)(struct lease *lease, bool is_splicing);
	/* Moves up to `limit` bytes of the body to a client's socket. Returns how many, 0 at the end, -1 with errno. *sent:
	 * what happened to them. */
	ssize_t (*splice)(struct lease *lease, struct stream *to, size_t limit, enum send_result *sent);
};

struct lease {
	const struct lease_operations *operations;
	const struct lease_events *events;
	void *owner; /* NULL: it is nobody's */
	struct endpoint *endpoint;
	struct deadline deadline; /* the owner's */
	const char *why; /* LEASE_INVALID: which rule; static */
	bool is_reused;  /* its connection carried another request before: it may have ended since */
	bool is_heard;   /* a part of the response has come */
	bool is_blocked; /* bytes wait for the upstream to take them */
	bool has_failed; /* the upstream takes no more */
	bool has_ended;  /* it sends no more */
};

/* The parts of a request's head that each protocol writes in its own way. The fields between them are the same for all: lines
 * "Name: value". */
struct upstream_head {
	const struct request *request; /* its method, query, host, upgrade, expectation and body */
	struct slice prefix, path; /* of the target; then comes the query */
	const struct upstream_settings *settings; /* the host to name if the request names none */
	bool has_host_field; /* it is among the fields, or left out */
	bool is_body_odd;
};

/* The protocol of an upstream. */
struct upstream_protocol {
	/* The most bytes that write_begin() and write_end() need beside method, target, host and upgrade. */
	size_t head_room;
	char *(*write_begin)(char *to, const struct upstream_head *head);
	char *(*write_end)(char *to, const struct upstream_head *head);
	/* A lease on an existing connection. `is_once`: for a request that must not be sent twice, so the connection should
	 * not end under it. NULL: there is none. */
	struct lease *(*take)(struct pool *pool, const struct upstream_settings *settings, bool is_once);
	/* ... on a new one: on_connected or on_end follows. NULL with *error. */
	struct lease *(*connect)(struct pool *pool, int *error);
};

#endif
