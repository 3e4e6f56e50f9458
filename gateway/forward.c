/*
 * A field of the sender's goes on unless it is hop-by-hop, carries framing (which is written anew), may not be believed,
 * or is edited by the route; then come the gateway's own fields. An edit by the operator always has the last word.
 */
#include "gateway/forward.h"

#include "gateway/base/text.h"

#define OWN_FIELDS "via: 1.1 gateway\r\nforwarded: for=\"[]\";proto=http;host=\"\"\r\nx-forwarded-proto: https\r\n" \
	"x-forwarded-port: 65535\r\nx-forwarded-for: \r\nx-forwarded-host: \r\nx-forwarded-prefix: \r\nx-request-id: \r\n" \
	"connection: upgrade\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n" \
	"content-length: 18446744073709551615\r\nhost: \r\nupgrade: \r\nconnection: keep-alive\r\n" \
	"date: Sun, 06 Nov 1994 08:49:37 GMT\r\nHTTP/1.1 200 \r\n"

static char *put_field(char *to, struct slice name, struct slice value)
{
	to = text_put_slice(to, name);
	to = text_put_literal(to, ": ");
	to = text_put_slice(to, value);
	return text_put_literal(to, "\r\n");
}

/*
 * Fields on their way into a head. What lies side by side in the message that came, written as we would write it, is copied in
 * one go: from `from` until `until`, not yet at `to`.
 */
struct passing {
	char *to;
	const char *from, *until;
};

static struct passing passing_begin(char *to)
{
	return (struct passing){ .to = to, .from = to, .until = to };
}

static char *passing_end(struct passing *passing)
{
	passing->to = text_put_bytes(passing->to, passing->from, (size_t)(passing->until - passing->from));
	passing->from = passing->until;
	return passing->to;
}

static void pass_field(struct passing *passing, const struct field *field)
{
	bool is_plain = field_is_plain(field);

	if (!is_plain) {
		passing->to = put_field(passing_end(passing), field->name, field->value);
		return;
	}
	if (field->name.data != passing->until) {
		passing_end(passing);
		passing->from = field->name.data;
	}
	passing->until = field->value.data + field->value.length + 2;
}

static size_t edits_bound(const struct header_edits *edits)
{
	size_t bound = 0;

	for (size_t i = 0; i < edits->count; i++)
		bound += edits->edits[i].name_length + edits->edits[i].value_length + 4;
	return bound;
}

static char *put_edits(char *to, const struct header_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];

		if (edit->kind != HEADER_REMOVE)
			to = put_field(to, (struct slice){ edit->name, edit->name_length },
			               (struct slice){ edit->value, edit->value_length });
	}
	return to;
}

/* Does the route set or remove this field? */
static bool is_edited(const struct header_edits *edits, struct slice name)
{
	for (size_t i = 0; i < edits->count; i++)
		if (edits->edits[i].kind != HEADER_ADD &&
		    slice_equal_nocase(name, (struct slice){ edits->edits[i].name, edits->edits[i].name_length }))
			return true;
	return false;
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

size_t forward_request_bound(const struct request *request, const struct route *route)
{
	/* A field may get the blank that it came without. The host stands in Host, X-Forwarded-Host and Forwarded, the client's
	 * address in two fields. */
	return sizeof OWN_FIELDS + request->head_length + request->fields.count +
	       (request->host.length > 0 ? 3 * request->host.length : strlen(route->upstream->host)) +
	       (route->add_prefix == NULL ? 0 : strlen(route->add_prefix)) +
	       (route->strip_prefix == NULL ? 0 : strlen(route->strip_prefix)) + (size_t)2 * ADDRESS_TEXT_MAX + REQUEST_ID_MAX +
	       edits_bound(&route->request_headers);
}

static char *put_target(char *to, const struct request *request, const struct route *route, struct slice path)
{
	if (route->add_prefix != NULL)
		to = text_put_bytes(to, route->add_prefix, strlen(route->add_prefix));
	if (route->strip_prefix != NULL && strcmp(route->strip_prefix, "/") != 0) {
		size_t length = strlen(route->strip_prefix);

		path.data += length;
		path.length -= length;
	}
	if (path.length == 0 || path.data[0] != '/')
		*to++ = '/';
	to = text_put_slice(to, path);
	if (request->has_query) {
		*to++ = '?';
		to = text_put_slice(to, request->query);
	}
	return to;
}

/* All values of one field, joined as RFC 9110 section 5.3 allows. Returns `to` when there was none. */
static char *put_joined(char *to, const struct request *request, enum field_id id)
{
	char *begin = to;

	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		if (field->id != id || field->is_hop_by_hop || field->value.length == 0)
			continue;
		if (to != begin)
			to = text_put_literal(to, ", ");
		to = text_put_slice(to, field->value);
	}
	return to;
}

static char *put_forwarded_for(char *to, const struct request *request, const struct origin *origin)
{
	char *begin;

	to = begin = text_put_literal(to, "X-Forwarded-For: ");
	if (origin->is_trusted)
		to = put_joined(to, request, FIELD_X_FORWARDED_FOR);
	if (to != begin)
		to = text_put_literal(to, ", ");
	to = text_put_slice(to, origin->peer);
	return text_put_literal(to, "\r\n");
}

/* RFC 7239 section 4. The host was checked when it was parsed: no quote or backslash is in it. */
static char *put_forwarded(char *to, const struct request *request, const struct origin *origin)
{
	char *begin;

	to = begin = text_put_literal(to, "Forwarded: ");
	if (origin->is_trusted)
		to = put_joined(to, request, FIELD_FORWARDED);
	if (to != begin)
		to = text_put_literal(to, ", ");
	to = text_put_literal(to, "for=");
	if (origin->is_ipv6)
		to = text_put_literal(to, "\"[");
	to = text_put_slice(to, origin->peer);
	if (origin->is_ipv6)
		to = text_put_literal(to, "]\"");
	if (request->host.length > 0) {
		to = text_put_literal(to, ";host=\"");
		to = text_put_slice(to, request->host);
		*to++ = '"';
	}
	return text_put_literal(to, ";proto=http\r\n");
}

/* One value that a trusted proxy may have set; its first wins. */
static char *put_believed(char *to, const struct request *request, const struct origin *origin, enum field_id id,
                          struct slice name, struct slice own)
{
	if (origin->is_trusted)
		for (size_t i = 0; i < request->fields.count; i++)
			if (request->fields.list[i].id == id && !request->fields.list[i].is_hop_by_hop)
				return put_field(to, name, request->fields.list[i].value);
	return own.length == 0 ? to : put_field(to, name, own);
}

static char *put_origin(char *to, const struct request *request, const struct route *route, const struct origin *origin)
{
	const struct header_edits *edits = &route->request_headers;
	struct slice name;

	if (!is_edited(edits, SLICE("X-Forwarded-For")))
		to = put_forwarded_for(to, request, origin);
	if (!is_edited(edits, name = SLICE("X-Forwarded-Proto")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_PROTO, name, SLICE("http"));
	if (!is_edited(edits, name = SLICE("X-Forwarded-Host")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_HOST, name, request->host);
	if (!is_edited(edits, name = SLICE("X-Forwarded-Port")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_PORT, name, origin->port);
	/* So that the service can tell its clients where it is. What a trusted proxy took off before stands in a field before it. */
	if (route->strip_prefix != NULL && !is_edited(edits, name = SLICE("X-Forwarded-Prefix")))
		to = put_field(to, name, (struct slice){ route->strip_prefix, strlen(route->strip_prefix) });
	if (!is_edited(edits, SLICE("Forwarded")))
		to = put_forwarded(to, request, origin);
	if (!is_edited(edits, name = SLICE("X-Request-Id")))
		to = put_field(to, name, origin->request_id);
	if (!is_edited(edits, name = SLICE("Via")))
		to = put_field(to, name, request->version_minor == 0 ? SLICE("1.0 gateway") : SLICE("1.1 gateway"));
	return to;
}

static char *put_host(char *to, const struct request *request, const struct route *route)
{
	const struct upstream_settings *upstream = route->upstream;

	if (is_edited(&route->request_headers, SLICE("Host")))
		return to;
	if (request->host.length > 0)
		return put_field(to, SLICE("Host"), request->host);
	/* HTTP/1.0 may leave it out, HTTP/1.1 may not. */
	to = text_put_literal(to, "Host: ");
	to = text_put_bytes(to, upstream->host, strlen(upstream->host));
	*to++ = ':';
	to = text_put_number(to, upstream->port);
	return text_put_literal(to, "\r\n");
}

static bool request_field_goes_on(const struct field *field, const struct origin *origin)
{
	if (field->is_hop_by_hop)
		return false;
	switch (field->id) {
	case FIELD_HOST:
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_EXPECT:
	case FIELD_UPGRADE:
	case FIELD_PROXY:
	case FIELD_X_FORWARDED_FOR:
	case FIELD_X_FORWARDED_PROTO:
	case FIELD_X_FORWARDED_HOST:
	case FIELD_X_FORWARDED_PORT:
	case FIELD_FORWARDED:
	case FIELD_X_REQUEST_ID:
	case FIELD_LOOKALIKE:
		return false; /* left out, or written anew */
	case FIELD_X_FORWARDED:
		return origin->is_trusted;
	default:
		return true;
	}
}

char *forward_request(char *to, const struct request *request, const struct route *route, struct slice path,
                      const struct origin *origin)
{
	const struct header_edits *edits = &route->request_headers;
	struct passing passing;

	to = text_put_slice(to, request->method_text);
	*to++ = ' ';
	to = put_target(to, request, route, path);
	to = text_put_literal(to, " HTTP/1.1\r\n");
	passing = passing_begin(put_host(to, request, route));
	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		if (request_field_goes_on(field, origin) && !is_edited(edits, field->name))
			pass_field(&passing, field);
	}
	to = put_origin(passing_end(&passing), request, route, origin);
	to = put_edits(to, edits);
	if (request->body.kind == BODY_CHUNKED) {
		to = text_put_literal(to, "Transfer-Encoding: chunked\r\n");
	} else if (request->body.kind == BODY_LENGTH) {
		to = text_put_literal(to, "Content-Length: ");
		to = text_put_number(to, request->body.length);
		to = text_put_literal(to, "\r\n");
	}
	if (request->expects_continue)
		to = text_put_literal(to, "Expect: 100-continue\r\n");
	/* "h2c" would let a client talk past the gateway in another protocol. */
	if (request->wants_upgrade && !field_list_has(request->upgrade, SLICE("h2c"))) {
		to = text_put_literal(to, "Connection: upgrade\r\n");
		to = put_field(to, SLICE("Upgrade"), request->upgrade);
	}
	return text_put_literal(to, "\r\n");
}

/* ---- responses ----------------------------------------------------------------------------------------------- */

size_t forward_response_bound(const struct forward_response *forward)
{
	const struct response *response = forward->response;

	return sizeof OWN_FIELDS + response->head_length + response->fields.count + edits_bound(forward->edits);
}

static struct passing pass_status_line(char *to, const struct response *response)
{
	const struct slice ours = SLICE("HTTP/1.1 "), reason = response->reason;

	if (reason.length > 0) {
		const char *line = reason.data - sizeof "200" - ours.length;

		if (memcmp(line, ours.data, ours.length) == 0)
			return (struct passing){ .to = to, .from = line, .until = reason.data + reason.length + 2 };
	}
	to = text_put_number(text_put_slice(to, ours), response->status);
	*to++ = ' ';
	return passing_begin(text_put_literal(text_put_slice(to, reason), "\r\n"));
}

static bool response_field_goes_on(const struct field *field, const struct forward_response *forward)
{
	if (field->is_hop_by_hop || field->id == FIELD_TRANSFER_ENCODING || field->id == FIELD_UPGRADE)
		return false;
	/* Without a body the length is news of what a GET would get; a 204 may have none (RFC 9110 section 8.6). */
	if (field->id == FIELD_CONTENT_LENGTH)
		return forward->response->status == 304 || (forward->is_head_request && forward->response->status != 204);
	return true;
}

char *forward_response(char *to, const struct forward_response *forward)
{
	const struct response *response = forward->response;
	struct passing passing = pass_status_line(to, response);

	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (response_field_goes_on(field, forward) && !is_edited(forward->edits, field->name))
			pass_field(&passing, field);
	}
	to = passing_end(&passing);
	if (!fields_have(&response->fields, FIELD_BIT(FIELD_DATE)) && !is_edited(forward->edits, SLICE("Date")))
		to = put_field(to, SLICE("Date"), (struct slice){ forward->date, TEXT_HTTP_DATE });
	if (!is_edited(forward->edits, SLICE("Via")))
		to = put_field(to, SLICE("Via"), response->version_minor == 0 ? SLICE("1.0 gateway") : SLICE("1.1 gateway"));
	to = put_edits(to, forward->edits);
	if (response->status == 101) {
		to = put_field(to, SLICE("Upgrade"), response->upgrade);
		return text_put_literal(to, "Connection: upgrade\r\n\r\n");
	}
	if (forward->to_chunked) {
		to = text_put_literal(to, "Transfer-Encoding: chunked\r\n");
	} else if (response->body.kind == BODY_LENGTH) {
		to = text_put_literal(to, "Content-Length: ");
		to = text_put_number(to, response->body.length);
		to = text_put_literal(to, "\r\n");
	}
	if (forward->closing == FORWARD_CLOSE)
		to = text_put_literal(to, "Connection: close\r\n");
	else if (forward->closing == FORWARD_KEEP_1_0)
		to = text_put_literal(to, "Connection: keep-alive\r\n");
	return text_put_literal(to, "\r\n");
}

char *forward_interim(char *to, const struct response *response)
{
	struct passing passing = pass_status_line(to, response);

	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (!field->is_hop_by_hop && field->id != FIELD_TRANSFER_ENCODING && field->id != FIELD_CONTENT_LENGTH &&
		    field->id != FIELD_UPGRADE)
			pass_field(&passing, field);
	}
	return text_put_literal(passing_end(&passing), "\r\n");
}
