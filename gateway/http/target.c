/*
 * The forms of a target (RFC 9112 section 3.2), and the host of a request.
 *
 * The rules for a host name are stricter than RFC 3986. Percent-encoding is refused, because one reader decodes it and
 * the next does not. Sub-delimiters are refused, because no name has them and because the text goes on into fields
 * where they have a meaning: "a;proto=https" in Forwarded, "a,b" in X-Forwarded-Host. An empty port is the default one
 * (RFC 3986 section 6.2.3).
 */
#include "gateway/http/target.h"

#include <arpa/inet.h>

#include "gateway/http/characters.h"

enum { HOST_NAME_MAX_BYTES = 255, IPV6_TEXT_MAX = 45 };

/* The part behind the "[::1]" that `host` begins with; NULL if that is not an address. Out of line, because few
 * requests need it and all would pay for its frame. */
static __attribute__((noinline)) const char *ipv6_end(struct slice host)
{
	const char *end = memchr(host.data, ']', host.length);
	char text[IPV6_TEXT_MAX + 1];
	struct in6_addr address;
	size_t length;

	if (end == NULL || (length = (size_t)(end - host.data - 1)) > IPV6_TEXT_MAX)
		return NULL;
	memcpy(text, host.data + 1, length);
	text[length] = '\0';
	return memchr(text, '\0', length) == NULL && inet_pton(AF_INET6, text, &address) == 1 ? end + 1 : NULL;
}

/* A dot at the end says that the name is complete (RFC 3986 section 3.2.2): it is the same host as without the dot. */
static struct slice name_until(struct slice host, const char *end)
{
	size_t length = (size_t)(end - host.data);

	return (struct slice){host.data, length - (length > 1 && end[-1] == '.')};
}

struct slice target_host_name(struct slice host, unsigned *port)
{
	const struct slice none = {NULL, 0};
	const char *at = host.data, *end = host.data + host.length, *name_end;

	*port = 80;
	if (host.length == 0)
		return none;
	if (*at == '[') {
		at = name_end = ipv6_end(host);
		if (at == NULL)
			return none;
	} else {
		while (at < end && char_is(*at, CHAR_HOST))
			at++;
		name_end = at;
		if (name_end == host.data || name_end - host.data > HOST_NAME_MAX_BYTES)
			return none;
	}
	if (at < end) {
		if (*at != ':' || end - at > 6)
			return none;
		if (++at == end)
			return name_until(host, name_end);
		for (*port = 0; at < end && char_is(*at, CHAR_DIGIT); at++)
			*port = *port * 10 + (unsigned)(*at - '0');
		if (at < end || *port == 0 || *port > 65535)
			return none;
	}
	return name_until(host, name_end);
}

/* Most requests of a thread name the same host, and equal texts give equal results: so the last result is kept. */
static struct slice host_name_of_usual(struct slice host)
{
	static _Thread_local struct {
		char text[64];
		size_t length, name_length;
	} last;
	struct slice name;
	unsigned port;

	if (host.length == last.length && memcmp(host.data, last.text, host.length) == 0)
		return (struct slice){ host.data, last.name_length };
	name = target_host_name(host, &port);
	if (name.length > 0 && host.length <= sizeof last.text) {
		memcpy(last.text, host.data, host.length);
		last.length = host.length;
		last.name_length = name.length;
	}
	return name;
}

/* "http://authority/path?query". Sets *authority; the path and query go into the request. */
static bool parse_absolute(struct request *request, struct slice *authority)
{
	static const struct slice scheme = {"http://", 7};
	const char *at, *end = request->target.data + request->target.length;
	const char *path_end = request->has_query ? request->query.data - 1 : end;

	if (request->target.length <= scheme.length ||
	    !slice_equal_nocase((struct slice){request->target.data, scheme.length}, scheme) ||
	    path_end < request->target.data + scheme.length)
		return false;
	authority->data = at = request->target.data + scheme.length;
	while (at < path_end && *at != '/')
		at++;
	authority->length = (size_t)(at - authority->data);
	request->path = (struct slice){at, (size_t)(path_end - at)};
	/* RFC 9112 section 3.2.4: without a path, OPTIONS asks about the server itself. */
	if (at == path_end)
		request->path = request->method == METHOD_OPTIONS && !request->has_query ? SLICE("*") : SLICE("/");
	return true;
}

static const char *judge_form(struct request *request, struct slice *authority)
{
	struct slice target = request->target;

	*authority = (struct slice){NULL, 0};
	if (target.data[0] == '/') {
		request->path = target;
		if (request->has_query)
			request->path.length = (size_t)(request->query.data - 1 - target.data);
		return NULL;
	}
	if (target.length == 1 && target.data[0] == '*') {
		request->path = target;
		return request->method == METHOD_OPTIONS ? NULL : "target * with another method than OPTIONS";
	}
	return parse_absolute(request, authority) ? NULL : "target is neither a path nor an http URI";
}

/* Checks Host and the authority of an absolute target: at least one, valid, and both equal. */
static const char *judge_host(struct request *request, struct slice authority)
{
	struct slice host = {NULL, 0}, name;
	unsigned hosts = 0, port, authority_port;

	for (size_t i = 0; i < request->fields.count; i++)
		if (request->fields.list[i].id == FIELD_HOST) {
			host = request->fields.list[i].value;
			hosts++;
		}
	if (hosts > 1)
		return "more than one Host";
	if (hosts == 0 && request->version_minor > 0)
		return "no Host";
	if (hosts == 1) {
		request->host = host;
		request->host_name = host_name_of_usual(host);
		if (request->host_name.length == 0)
			return "malformed Host";
	}
	if (authority.data == NULL)
		return NULL;
	name = target_host_name(authority, &authority_port);
	if (name.length == 0)
		return "malformed authority in the target";
	if (hosts == 1 && (target_host_name(host, &port).length == 0 || !slice_equal_nocase(name, request->host_name) ||
	                   port != authority_port))
		return "Host differs from the target";
	request->host = authority;
	request->host_name = name;
	return NULL;
}

const char *target_judge(struct request *request)
{
	struct slice authority;
	const char *why = judge_form(request, &authority);

	return why != NULL ? why : judge_host(request, authority);
}
