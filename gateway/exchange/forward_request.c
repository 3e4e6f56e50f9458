/*
 * A client's field goes on unless it is hop-by-hop, carries framing (which the gateway writes itself), may not be believed,
 * or is edited by the route. Then come the gateway's own fields. An edit by the operator always has the last word.
 * (Responses: forward_response.c.)
 */
#include "gateway/exchange/forward_request.h"

#include "gateway/exchange/forward_parts.h"
#include "gateway/exchange/forward_told.h"
#include "gateway/http/characters.h"
#include "gateway/http/lookalikes.h"
#include "gateway/http/target.h"
#include "gateway/http/told.h"
#include "routes/expression.h"
#include "routes/path.h"
#include "routes/route.h"

#define OWN_FIELDS "via: 1.1 gateway-0123456789abcdef\r\nforwarded: for=\"[]\";proto=http;host=\"\"\r\n" \
	"x-forwarded-proto: https\r\nx-forwarded-port: 65535\r\nx-forwarded-for: \r\nx-forwarded-host: \r\n" \
	"x-forwarded-prefix: \r\nx-request-id: \r\nmax-forwards: 9999\r\n"

size_t forward_request_bound(const struct request *request, const struct route *route, const struct upstream_protocol *protocol)
{
	/* A field may gain the blank that it came without. The host is written into Host, X-Forwarded-Host and Forwarded, the
	 * client's address into two fields. */
	return sizeof OWN_FIELDS + protocol->head_room + request->head_length + request->fields.count +
	       (request->host.length > 0 ? 3 * request->host.length : strlen(route->upstream->host)) +
	       (route->add_prefix == NULL ? 0 : strlen(route->add_prefix)) +
	       (route->strip_prefix == NULL ? 0 : strlen(route->strip_prefix)) +
	       (route->has_wild_strip ? 3 * request->path.length : 0) +
	       (route->expression == NULL ? 0 : EXPRESSION_RESULT_MAX + 3 * request->path.length) +
	       (size_t)2 * ADDRESS_TEXT_MAX + REQUEST_ID_MAX +
	       (fields_have(&request->fields, TOLD_FIELDS) ? forward_told_bound(request) : 0) +
	       edits_bound(&route->request_headers);
}

static char *put_port(char *to, const struct request *request)
{
	struct slice port = target_port(request->host, request->host_name);

	return port.length == 0 ? text_put_literal(to, "80") : text_put_bytes(to, port.data, port.length);
}

/* The client's connection and the request, as the gateway sees them: it speaks no TLS. */
static __attribute__((noinline)) char *put_seen_edited(char *to, const struct request *request, const struct origin *origin,
                                                       const struct header_edits *edits)
{
	struct slice name;

	if (!is_edited(edits, name = SLICE("X-Forwarded-For")))
		to = put_field(to, name, origin->peer);
	if (!is_edited(edits, SLICE("X-Forwarded-Proto")))
		to = text_put_literal(to, "X-Forwarded-Proto: http\r\n");
	if (request->host.length > 0 && !is_edited(edits, name = SLICE("X-Forwarded-Host")))
		to = put_field(to, name, request->host);
	if (!is_edited(edits, SLICE("X-Forwarded-Port")))
		to = text_put_literal(put_port(text_put_literal(to, "X-Forwarded-Port: "), request), "\r\n");
	if (!is_edited(edits, SLICE("Forwarded"))) {
		to = text_put_literal(to, "Forwarded: ");
		to = put_own_element(to, origin->peer, origin->is_ipv6, request->host);
		to = text_put_literal(to, "\r\n");
	}
	return to;
}

/* The same in one go, as nearly every request has it. */
static inline char *put_seen(char *to, const struct request *request, const struct origin *origin,
                             const struct header_edits *edits)
{
	if (edits->count > 0 || request->host.length == 0 || origin->is_ipv6)
		return put_seen_edited(to, request, origin, edits);
	to = text_put_literal(to, "X-Forwarded-For: ");
	to = text_put_bytes(to, origin->peer.data, origin->peer.length);
	to = text_put_literal(to, "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ");
	to = text_put_bytes(to, request->host.data, request->host.length);
	to = text_put_literal(to, "\r\nX-Forwarded-Port: ");
	to = put_port(to, request);
	to = text_put_literal(to, "\r\nForwarded: proto=http;for=");
	to = text_put_bytes(to, origin->peer.data, origin->peer.length);
	to = text_put_literal(to, ";host=\"");
	to = text_put_bytes(to, request->host.data, request->host.length);
	return text_put_literal(to, "\"\r\n");
}

static char *put_via(char *to, const struct request *request, struct slice name)
{
	to = text_put_slice(to, request->version_minor == 0 ? SLICE("Via: 1.0 ") : SLICE("Via: 1.1 "));
	return text_put_literal(text_put_slice(to, name), "\r\n");
}

/* So that the service can tell its clients where it is. */
static bool has_prefix(const struct route *route, const struct origin *origin)
{
	return route->strip_prefix != NULL || origin->removed.length > 0;
}

/* A removed part of the path, without parameters. The client chose it, and a comma in the field would begin another prefix; so
 * everything in it but letters, digits and marks is percent-encoded. */
static char *put_removed(char *to, struct slice part)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < part.length; i++) {
		unsigned char byte = (unsigned char)part.data[i];

		while (byte == ';' && i + 1 < part.length && part.data[i + 1] != '/')
			i++;
		if (byte == ';')
			continue;
		if (char_is(part.data[i], CHAR_HOST) || byte == '/' || byte == '%') {
			*to++ = (char)byte;
			continue;
		}
		*to++ = '%';
		*to++ = digits[byte >> 4];
		*to++ = digits[byte & 15];
	}
	return to;
}

/* In one field with those that a trusted proxy removed before: Spring reads the first field only. */
static __attribute__((noinline)) char *put_prefix(char *to, const struct request *request, const struct route *route,
                                                  struct slice path, const struct origin *origin)
{
	to = text_put_literal(to, "X-Forwarded-Prefix: ");
	if (origin->is_trusted && fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED)))
		to = forward_told_prefixes(to, request);
	if (route->strip_prefix == NULL)
		to = put_removed(to, origin->removed);
	else if (route->has_wild_strip) /* a "*" in it matched text of the client's */
		to = put_removed(to, (struct slice){ path.data, path_skip(path.data, path.length, route->strip_segments) });
	else
		to = text_put_bytes(to, route->strip_prefix, strlen(route->strip_prefix));
	return text_put_literal(to, "\r\n");
}

static char *put_origin(char *to, const struct request *request, const struct route *route, struct slice path,
                        const struct origin *origin)
{
	const struct header_edits own = route->request_headers, *edits = &own; /* what is written can't change it */
	struct slice name;

	if (origin->is_trusted && fields_have(&request->fields, TOLD_FIELDS))
		to = forward_told(to, request, origin, edits);
	else
		to = put_seen(to, request, origin, edits);
	if (has_prefix(route, origin) && !is_edited(edits, SLICE("X-Forwarded-Prefix")))
		to = put_prefix(to, request, route, path, origin);
	if (!is_edited(edits, name = SLICE("X-Request-Id")))
		to = put_field(to, name, origin->request_id);
	if (!is_edited(edits, SLICE("Via")))
		to = put_via(to, request, origin->name);
	return to;
}

/* Does the route set or remove this field, or one that some reader confuses with it? */
static bool is_edited_or_alike(const struct header_edits *edits, const struct field *field)
{
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];
		struct slice name = { edit->name, edit->name_length };

		if (edit->kind != HEADER_ADD &&
		    (slice_equal_nocase(field->name, name) ||
		     ((field->id == FIELD_ODD || edit->is_name_odd) && field_names_look_alike(field->name, name))))
			return true;
	}
	return false;
}

static bool is_taken_out(const struct field *field, const struct header_edits *edits, const struct changes *changes)
{
	return is_edited_or_alike(edits, field) || (changes != NULL && changes_remove_alike(changes, field));
}

static bool request_field_goes_on(const struct field *field, const struct route *route, const struct origin *origin)
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
		return false; /* left out, or written by the gateway itself */
	case FIELD_X_FORWARDED:
		return origin->is_trusted && !(has_prefix(route, origin) && FIELD_IS(field, "x-forwarded-prefix"));
	default:
		return true;
	}
}

static struct upstream_head head_of(const struct request *request, const struct route *route, struct slice path)
{
	size_t stripped = route->strip_segments == 0 ? 0 : path_skip(path.data, path.length, route->strip_segments);

	return (struct upstream_head){
		.request = request,
		.prefix = { route->add_prefix, route->add_prefix == NULL ? 0 : strlen(route->add_prefix) },
		.path = { path.data + stripped, path.length - stripped },
		.settings = route->upstream,
		.has_host_field = is_edited(&route->request_headers, SLICE("Host")),
		.is_body_odd = body_is_odd(request->method, &request->body),
	};
}

char *forward_request(char *to, const struct request *request, const struct route *route, struct slice path,
                      const struct origin *origin, const struct changes *changes, const struct upstream_protocol *protocol)
{
	const struct header_edits *edits = &route->request_headers;
	bool has_edits = edits->count > 0 || changes != NULL;
	const struct upstream_head head = head_of(request, route, path);
	struct passing passing = passing_begin(protocol->write_begin(to, &head));

	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		if (request_field_goes_on(field, route, origin) && !(has_edits && is_taken_out(field, edits, changes)))
			pass_field(&passing, field);
	}
	to = put_origin(passing_end(&passing), request, route, path, origin);
	if (changes != NULL)
		to = put_changes(to, changes, edits);
	to = put_edits(to, edits);
	if (request->has_max_forwards && !is_edited(edits, SLICE("Max-Forwards"))) {
		to = text_put_literal(to, "Max-Forwards: ");
		to = text_put_number(to, request->max_forwards - 1);
		to = text_put_literal(to, "\r\n");
	}
	return protocol->write_end(to, &head);
}
