/*
 * A client's field goes on unless it is hop-by-hop, carries framing (which the gateway writes itself), may not be believed,
 * or is edited by the route. Then come the gateway's own fields. An edit by the operator always has the last word.
 * (Responses: forward_response.c.)
 */
#include "gateway/exchange/forward_request.h"

#include "gateway/exchange/forward_parts.h"
#include "gateway/http/lookalikes.h"
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
	       (route->has_wild_strip ? 3 * request->path.length : 0) + (route->expression == NULL ? 0 : EXPRESSION_RESULT_MAX) +
	       (size_t)2 * ADDRESS_TEXT_MAX + REQUEST_ID_MAX +
	       edits_bound(&route->request_headers);
}

static bool is_between_elements(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

/* All values of one field, joined as RFC 9110 section 5.3 allows, without making empty elements (section 5.6.1). Returns `to`
 * when there was none. */
static char *put_joined(char *to, const struct request *request, enum field_id id)
{
	char *begin = to;

	for (size_t i = 0; i < request->fields.count; i++) {
		struct slice value = request->fields.list[i].value;

		if (request->fields.list[i].id != id)
			continue;
		for (; value.length > 0 && is_between_elements(value.data[0]); value.length--)
			value.data++;
		while (value.length > 0 && is_between_elements(value.data[value.length - 1]))
			value.length--;
		if (value.length == 0)
			continue;
		if (to != begin)
			to = text_put_literal(to, ", ");
		to = text_put_slice(to, value);
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

/* RFC 7239 section 4. The parser has checked the host: it holds nothing that ends a quoted string, a pair or an element.
 * Common readers look for the first "proto=" and ignore quotes, so no text of the client's may come before ours. */
static char *put_forwarded(char *to, const struct request *request, const struct origin *origin)
{
	char *begin;

	to = begin = text_put_literal(to, "Forwarded: ");
	if (origin->is_trusted)
		to = put_joined(to, request, FIELD_FORWARDED);
	if (to != begin)
		to = text_put_literal(to, ", ");
	to = text_put_literal(to, "proto=http;for=");
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
	return text_put_literal(to, "\r\n");
}

/* One value that a trusted proxy may have set; its first wins. */
static char *put_believed(char *to, const struct request *request, const struct origin *origin, enum field_id id,
                          struct slice name, struct slice own)
{
	if (origin->is_trusted)
		for (size_t i = 0; i < request->fields.count; i++)
			if (request->fields.list[i].id == id)
				return put_field(to, name, request->fields.list[i].value);
	return own.length == 0 ? to : put_field(to, name, own);
}

static char *put_via(char *to, const struct request *request, struct slice name)
{
	to = text_put_slice(to, request->version_minor == 0 ? SLICE("Via: 1.0 ") : SLICE("Via: 1.1 "));
	return text_put_literal(text_put_slice(to, name), "\r\n");
}

/* The removed prefix, without parameters. A "*" matched text that the client chose, and a comma in the field would begin
 * another prefix; so everything in it but letters, digits and marks is percent-encoded. */
static char *put_prefix(char *to, const struct route *route, struct slice path)
{
	static const char plain[] = "/%-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char digits[] = "0123456789ABCDEF";
	size_t length;

	if (!route->has_wild_strip)
		return put_field(to, SLICE("X-Forwarded-Prefix"), (struct slice){ route->strip_prefix, strlen(route->strip_prefix) });
	to = text_put_literal(to, "X-Forwarded-Prefix: ");
	length = path_skip(path.data, path.length, route->strip_segments);
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)path.data[i];

		while (byte == ';' && i + 1 < length && path.data[i + 1] != '/')
			i++;
		if (byte == ';')
			continue;
		if (memchr(plain, byte, sizeof plain - 1) != NULL) {
			*to++ = (char)byte;
			continue;
		}
		*to++ = '%';
		*to++ = digits[byte >> 4];
		*to++ = digits[byte & 15];
	}
	return text_put_literal(to, "\r\n");
}

static char *put_origin(char *to, const struct request *request, const struct route *route, struct slice path,
                        const struct origin *origin)
{
	const struct header_edits own = route->request_headers, *edits = &own; /* what is written can't change it */
	struct slice name;

	if (!is_edited(edits, SLICE("X-Forwarded-For")))
		to = put_forwarded_for(to, request, origin);
	if (!is_edited(edits, name = SLICE("X-Forwarded-Proto")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_PROTO, name, SLICE("http"));
	if (!is_edited(edits, name = SLICE("X-Forwarded-Host")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_HOST, name, request->host);
	if (!is_edited(edits, name = SLICE("X-Forwarded-Port")))
		to = put_believed(to, request, origin, FIELD_X_FORWARDED_PORT, name, origin->port);
	/* So that the service can tell its clients where it is. A prefix that a trusted proxy removed is in a field before
	 * it. */
	if (route->strip_prefix != NULL && !is_edited(edits, SLICE("X-Forwarded-Prefix")))
		to = put_prefix(to, route, path);
	if (!is_edited(edits, SLICE("Forwarded")))
		to = put_forwarded(to, request, origin);
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
		return false; /* left out, or written by the gateway itself */
	case FIELD_X_FORWARDED:
		return origin->is_trusted;
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

		if (request_field_goes_on(field, origin) && !(has_edits && is_taken_out(field, edits, changes)))
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
