/*
 * The proxy's word goes on, and the gateway's own stands behind it. Apart from forward_request.c, because few requests come with
 * such a word, and those without it do not pay for it.
 *
 * Spring looks at Forwarded alone if there is one, and takes the first proto, host and for in it; Tomcat's RemoteIpValve looks at
 * X-Forwarded-... alone. So that both see the same client, a Forwarded that the gateway begins itself begins with what the
 * X-Forwarded-... say.
 */
#include "gateway/exchange/forward_told.h"

#include "gateway/exchange/forward_parts.h"
#include "gateway/exchange/named_client.h"
#include "gateway/http/target.h"
#include "gateway/http/told.h"

__attribute__((noinline)) size_t forward_told_bound(const struct request *request)
{
	/* An address of two bytes, and a comma, becomes an element of twelve. */
	size_t bound = sizeof "proto=http;for=\"[]\";host=\":65535\", " + request->host.length;

	for (size_t i = 0; i < request->fields.count; i++)
		if ((TOLD_FIELDS & FIELD_BIT(request->fields.list[i].id)) != 0)
			bound += 4 * request->fields.list[i].value.length;
	return bound;
}

static bool is_between_elements(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

static bool is_wanted(const struct field *field, enum field_id id)
{
	return field->id == id && (id != FIELD_X_FORWARDED || FIELD_IS(field, "x-forwarded-prefix"));
}

/* All values of one field, joined as RFC 9110 section 5.3 allows, without making empty elements (section 5.6.1). Returns `to`
 * when there was none. FIELD_X_FORWARDED: X-Forwarded-Prefix. */
static char *put_joined(char *to, const struct request *request, enum field_id id)
{
	char *begin = to;

	for (size_t i = 0; i < request->fields.count; i++) {
		struct slice value = request->fields.list[i].value;

		if (!is_wanted(&request->fields.list[i], id))
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

/* The addresses of Forwarded. One that is none makes those before it worthless, as for named_client_find(). */
static char *put_nodes(char *to, const struct request *request)
{
	struct slice list, element;
	struct address address;
	char *begin = to;

	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.list[i].id != FIELD_FORWARDED)
			continue;
		list = request->fields.list[i].value;
		while (field_list_take(&list, &element)) {
			if (element.length == 0)
				continue;
			if (!named_client_read(FIELD_FORWARDED, &element, &address)) {
				to = begin;
				continue;
			}
			to = text_put_slice(to, to == begin ? SLICE("") : SLICE(", "));
			to = text_put_slice(to, element);
		}
	}
	return to;
}

static char *put_forwarded_for(char *to, const struct request *request, const struct origin *origin)
{
	bool is_there = fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED_FOR));
	char *begin;

	to = begin = text_put_literal(to, "X-Forwarded-For: ");
	to = is_there ? put_joined(to, request, FIELD_X_FORWARDED_FOR) : put_nodes(to, request);
	if (to != begin)
		to = text_put_literal(to, ", ");
	to = text_put_slice(to, origin->peer);
	return text_put_literal(to, "\r\n");
}

/* 0: it is not a port. */
static unsigned port_number(struct slice text)
{
	unsigned number = 0;

	if (text.length > 5)
		return 0;
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		number = number * 10 + (unsigned)(text.data[i] - '0');
	}
	return number <= UINT16_MAX ? number : 0;
}

/* The host as Spring makes it of the fields: a port that the proxy names takes the place of the host's own. NULL: one of them is
 * not what it should be. */
static char *put_host(char *to, const struct told *told, struct slice host)
{
	unsigned port;
	struct slice name = target_host_name(host, &port);

	if (host.length == 0)
		return to;
	if (name.length == 0 || (told->port.length > 0 && (port = port_number(told->port)) == 0))
		return NULL;
	to = text_put_literal(to, ";host=\"");
	to = text_put_slice(to, told->port.length > 0 ? name : host);
	if (told->port.length > 0 && port != port_number(told_own_port(told->scheme))) {
		*to++ = ':';
		to = text_put_number(to, port);
	}
	return text_put_literal(to, "\"");
}

static char *put_for(char *to, const struct address *address, struct slice text)
{
	to = text_put_slice(text_put_literal(to, "for="), address->family == 6 ? SLICE("\"[") : SLICE(""));
	return text_put_slice(text_put_slice(to, text), address->family == 6 ? SLICE("]\"") : SLICE(""));
}

/* What X-Forwarded-... say, as elements (RFC 7239 section 7.4): one for each address, the first with scheme and host. NULL: a value
 * is not what it should be, and readers could take it for something else. */
static char *put_converted(char *to, const struct request *request, const struct told *told, struct slice host)
{
	struct slice list, element;
	struct address address;
	bool is_first = true;

	if (!told_is_scheme(told->scheme))
		return NULL;
	to = text_put_slice(text_put_literal(to, "proto="), told->scheme);
	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.list[i].id != FIELD_X_FORWARDED_FOR)
			continue;
		list = request->fields.list[i].value;
		while (field_list_take(&list, &element)) {
			if (element.length == 0)
				continue;
			if (!named_client_read(FIELD_X_FORWARDED_FOR, &element, &address))
				return NULL;
			to = put_for(text_put_slice(to, is_first ? SLICE(";") : SLICE(", ")), &address, element);
			if (is_first && (to = put_host(to, told, host)) == NULL)
				return NULL;
			is_first = false;
		}
	}
	return is_first ? put_host(to, told, host) : to;
}

/* If the elements of X-Forwarded-... can't be told, there is no Forwarded: it would contradict them. */
static char *put_forwarded(char *to, const struct request *request, const struct origin *origin, const struct told *told,
                           struct slice host)
{
	char *line = to, *begin;

	to = begin = text_put_literal(to, "Forwarded: ");
	to = put_joined(to, request, FIELD_FORWARDED);
	if (to == begin && (to = put_converted(to, request, told, host)) == NULL)
		return line;
	to = text_put_literal(to, ", ");
	to = put_own_element(to, origin->peer, origin->is_ipv6, request->host);
	return text_put_literal(to, "\r\n");
}

static char *put_unless_edited(char *to, const struct header_edits *edits, struct slice name, struct slice value)
{
	return value.length == 0 || is_edited(edits, name) ? to : put_field(to, name, value);
}

/* Out of line, as forward_told_bound(): its variables would take the registers of all other requests. */
__attribute__((noinline)) char *forward_told(char *to, const struct request *request, const struct origin *origin,
                                             const struct header_edits *edits)
{
	struct told told = told_read(request);
	struct slice host = told.host.length > 0 ? told.host : request->host;

	if (told.scheme.length == 0)
		told.scheme = SLICE("http");
	if (!is_edited(edits, SLICE("X-Forwarded-For")))
		to = put_forwarded_for(to, request, origin);
	to = put_unless_edited(to, edits, SLICE("X-Forwarded-Proto"), told.scheme);
	to = put_unless_edited(to, edits, SLICE("X-Forwarded-Host"), host);
	to = put_unless_edited(to, edits, SLICE("X-Forwarded-Port"), told_port(&told, host));
	if (!is_edited(edits, SLICE("Forwarded")))
		to = put_forwarded(to, request, origin, &told, host);
	return to;
}

char *forward_told_prefixes(char *to, const struct request *request)
{
	char *end = put_joined(to, request, FIELD_X_FORWARDED);

	return end == to ? to : text_put_literal(end, ",");
}
