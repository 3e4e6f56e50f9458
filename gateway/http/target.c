/*
 * The forms of a target (RFC 9112 section 3.2) and the host a request is for.
 *
 * A host name is judged narrower than RFC 3986: no percent-encoding, which one reader decodes and the next does not, and
 * no comma, as the text goes on into X-Forwarded-Host, a list. An empty port is the default one (RFC 3986 section 6.2.3).
 */
#include "gateway/http/target.h"

#include <arpa/inet.h>

#include "gateway/http/characters.h"

enum { HOST_NAME_MAX_BYTES = 255, IPV6_TEXT_MAX = 45 };

/* Behind the "[::1]" that `host` begins with; NULL when it is no address. Out of line, as few need it, and all would pay for its
 * frame. */
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

/* `host` without its port; an empty slice when it is no authority, or one with userinfo (RFC 3986 section 3.2). */
static struct slice host_name_of(struct slice host, unsigned *port)
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
			return (struct slice){host.data, (size_t)(name_end - host.data)};
		for (*port = 0; at < end && char_is(*at, CHAR_DIGIT); at++)
			*port = *port * 10 + (unsigned)(*at - '0');
		if (at < end || *port == 0 || *port > 65535)
			return none;
	}
	return (struct slice){host.data, (size_t)(name_end - host.data)};
}

/* "http://authority/path?query". *authority is set; the path and query go into the request. */
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

/* Host and the authority of an absolute target: one valid and, where there are two, the same. */
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
		request->host_name = host_name_of(host, &port);
		if (request->host_name.length == 0)
			return "malformed Host";
	}
	if (authority.data == NULL)
		return NULL;
	name = host_name_of(authority, &authority_port);
	if (name.length == 0)
		return "malformed authority in the target";
	if (hosts == 1 && (!slice_equal_nocase(name, request->host_name) || port != authority_port))
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
