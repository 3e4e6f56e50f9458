/*
 * The client's side of one request, whatever protocol the client speaks: a whole connection of HTTP/1, or a stream of HTTP/2.
 * An implementer embeds it and calls exchange_...(); the exchange calls back through this table and knows no protocol. Bodies
 * are plain bytes in both directions: the implementer decodes the request's body, whose trailers it keeps until finish() or
 * reset(), and encodes the response's.
 *
 * For the worker's thread. After finish() or reset() the exchange does not touch it any more.
 */
#ifndef GATEWAY_DOWNSTREAM_DOWNSTREAM_H
#define GATEWAY_DOWNSTREAM_DOWNSTREAM_H

#include <sys/uio.h>

#include "gateway/base/buffer.h"
#include "gateway/base/deadline.h"
#include "gateway/http/changes.h"
#include "gateway/http/pieces.h"
#include "gateway/http/response.h"
#include "gateway/net/io.h"
#include "routes/address.h"
#include "routes/config/config.h"

struct downstream;
struct exchange;
struct stream;
struct worker;

/* The head of an upstream's response on its way to the client. */
struct downstream_head {
	const struct response *response;
	const struct header_edits *edits; /* the route's */
	const struct changes *changes; /* its filters'; NULL: it has none */
	bool to_chunked; /* send the body in chunks: only if the client's protocol has them (takes_chunks) */
	bool is_head_request;
	bool has_headroom; /* there is room for a head before the first piece (IO_HEADROOM_BYTES) */
};

/* The gateway's own answer. */
struct downstream_reply {
	unsigned status;
	struct slice prepared; /* the first lines of the head, built when the configuration was read; empty: none */
	char *fields, *end;    /* more lines, with DOWNSTREAM_REPLY_ROOM bytes of room after them */
	struct slice body;     /* empty: none is sent */
};
enum { DOWNSTREAM_REPLY_ROOM = 64 };

struct downstream_operations {
	/* The head, and the first part of the body with it. */
	enum send_result (*respond)(struct downstream *downstream, const struct downstream_head *head, const struct pieces *pieces);
	/* A 1xx before that. */
	enum send_result (*interim)(struct downstream *downstream, const struct response *response, const struct header_edits *edits,
	                            const struct changes *changes);
	enum send_result (*reply)(struct downstream *downstream, const struct downstream_reply *reply);
	/* More of the body; after its end finish() follows in the same loop iteration. */
	enum send_result (*body)(struct downstream *downstream, const struct pieces *pieces);
	/* After a 101: sends the end. Only if it is not blocked. */
	void (*send_end)(struct downstream *downstream);
	/* How many of all sent bytes has the client taken (it wraps)? All of them? How many are waiting in the gateway's
	 * memory? */
	uint32_t (*taken)(const struct downstream *downstream);
	bool (*has_taken_all)(const struct downstream *downstream);
	size_t (*pending_bytes)(const struct downstream *downstream);
	/* Stops and resumes reading the request. */
	void (*pause)(struct downstream *downstream);
	void (*resume)(struct downstream *downstream);
	/* Nobody wants what still comes of the request, or after it: it is read and thrown away. */
	void (*discard)(struct downstream *downstream);
	/* After a 101: what comes from now on is another protocol's, and the body of the request no more. Returns what of it came too
	 * early. */
	struct buffer (*upgrade)(struct downstream *downstream);
	/* All was sent. `may_linger`: the client may still be sending its request. */
	void (*finish)(struct downstream *downstream, bool may_linger);
	/* Sends nothing more, so that the client can't take what it got for a complete response. */
	void (*reset)(struct downstream *downstream);
	/* The socket to splice to, if the request has an unencrypted connection of its own. NULL: it has none. */
	struct stream *(*raw)(struct downstream *downstream);
};

struct downstream {
	const struct downstream_operations *operations;
	struct worker *worker;
	struct exchange *exchange; /* NULL: none is under way */
	struct deadline deadline;  /* for the exchange while one is under way: for what the client must send or read next */
	struct address peer;
	char peer_text[ADDRESS_IP_MAX];
	uint8_t peer_text_length;
	uint8_t version_minor;  /* of the request, as HTTP/1 counts */
	bool takes_chunks;      /* a body of unknown length goes in chunks; else its end is shown otherwise */
	bool keeps;             /* the client may send another request after this one */
	bool is_blocked;        /* bytes wait for the client to take them */
	bool has_failed;        /* the client takes no more */
	bool has_ended;         /* it sends no more */
};

#endif
