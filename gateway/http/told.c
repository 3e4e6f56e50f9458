#include "gateway/http/told.h"

#include "gateway/http/forwarded.h"
#include "gateway/http/target.h"

static struct slice first_of(const struct request *request, enum field_id id)
{
	size_t count = fields_have(&request->fields, FIELD_BIT(id)) ? request->fields.count : 0;
	struct slice list, element;

	for (size_t i = 0; i < count; i++) {
		if (request->fields.list[i].id != id)
			continue;
		list = request->fields.list[i].value;
		while (field_list_take(&list, &element))
			if (element.length > 0)
				return element;
	}
	return (struct slice){ NULL, 0 };
}

bool told_is_scheme(struct slice text)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i], letter = c | 0x20;

		if (!(letter >= 'a' && letter <= 'z') && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
			return false;
	}
	return text.length > 0;
}

/* The first scheme and the first host that Forwarded names, as common readers take them. An element that is not as it should be,
 * and of which readers may think differently, makes all of it worthless. */
static void read_forwarded(const struct request *request, struct slice *scheme, struct slice *host)
{
	const struct slice none = { NULL, 0 };
	struct slice list, text;
	struct forwarded_element element;
	unsigned port;

	*scheme = *host = none;
	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.list[i].id != FIELD_FORWARDED)
			continue;
		list = request->fields.list[i].value;
		while (field_list_take(&list, &text)) {
			if (!forwarded_parse(text, &element) || (element.proto.length > 0 && !told_is_scheme(element.proto)) ||
			    (element.host.length > 0 && target_host_name(element.host, &port).length == 0)) {
				*scheme = *host = none;
				return;
			}
			if (scheme->length == 0)
				*scheme = element.proto;
			if (host->length == 0)
				*host = element.host;
		}
	}
}

struct told told_read(const struct request *request)
{
	struct told told = {
		.scheme = first_of(request, FIELD_X_FORWARDED_PROTO),
		.host = first_of(request, FIELD_X_FORWARDED_HOST),
		.port = first_of(request, FIELD_X_FORWARDED_PORT),
	};
	struct slice scheme, host;

	if (!fields_have(&request->fields, FIELD_BIT(FIELD_FORWARDED)) ||
	    fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED_FOR)))
		return told;
	read_forwarded(request, &scheme, &host);
	if (told.scheme.length == 0)
		told.scheme = scheme;
	if (told.host.length == 0)
		told.host = host;
	return told;
}

/* Some proxies name the schemes of WebSocket, which share the ports of HTTP (RFC 6455 section 3). */
struct slice told_own_port(struct slice scheme)
{
	if (slice_equal_nocase(scheme, SLICE("http")) || slice_equal_nocase(scheme, SLICE("ws")))
		return SLICE("80");
	if (slice_equal_nocase(scheme, SLICE("https")) || slice_equal_nocase(scheme, SLICE("wss")))
		return SLICE("443");
	return (struct slice){ NULL, 0 };
}

struct slice told_port(const struct told *told, struct slice host)
{
	struct slice name, port = told->port;
	unsigned number;

	if (port.length > 0)
		return port;
	name = target_host_name(host, &number);
	if (name.length > 0)
		port = target_port(host, name);
	return port.length > 0 ? port : told_own_port(told->scheme);
}
