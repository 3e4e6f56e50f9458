/* Heads of responses on their way through; forward_request.h has the requests. */
#ifndef GATEWAY_DOWNSTREAM_FORWARD_RESPONSE_H
#define GATEWAY_DOWNSTREAM_FORWARD_RESPONSE_H

#include "gateway/http/changes.h"
#include "gateway/http/response.h"
#include "routes/config/config.h"

enum forward_closing { FORWARD_KEEP, FORWARD_KEEP_1_0, FORWARD_CLOSE };

/* The parts of the head that the client gets. */
struct forward_response {
	const struct response *response;
	const struct header_edits *edits;
	const struct changes *changes; /* NULL: there are none */
	bool to_chunked;
	bool is_head_request;
	enum forward_closing closing;
	const char *date; /* TEXT_HTTP_DATE bytes, for a response that has none */
};

/* The room at `to` has to hold the head, with what the edits, the changes and the gateway add. */
char *forward_response(char *to, const struct forward_response *forward);
/* Writes a 1xx (RFC 9110 section 15.2), without the fields that `edits` or `changes` (NULL: none) remove or set in the
 * response that follows. */
char *forward_interim(char *to, const struct response *response, const struct header_edits *edits, const struct changes *changes);

#endif
