#include "routes/cors.h"

#include <string.h>
#include <strings.h>

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_scheme_byte(char c)
{
	return is_letter_or_digit(c) || c == '+' || c == '-' || c == '.';
}

static bool is_host_byte(char c)
{
	return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The port of a scheme that has one; else 0. */
static unsigned own_port(const char *scheme, size_t length)
{
	if (length == 4 && memcmp(scheme, "http", 4) == 0)
		return 80;
	return length == 5 && memcmp(scheme, "https", 5) == 0 ? 443 : 0;
}

/* ---- an origin in its parts -------------------------------------------------------------------------------------- */

struct origin_parts {
	const char *scheme, *host;
	size_t scheme_length, host_length;
	unsigned port; /* 0: none is written */
};

/* "65535"; 0: it is not a port. */
static unsigned port_of(const char *text, size_t length)
{
	unsigned port = 0;

	if (length == 0 || length > 5 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return port <= 65535 ? port : 0;
}

/* The length of the host, without its port. 0: there is none. */
static size_t host_span(const char *text, size_t length, bool with_stars)
{
	size_t span = 0;

	if (length > 0 && text[0] == '[') { /* IPv6 */
		const char *end = memchr(text, ']', length);

		for (const char *at = text + 1; end != NULL && at < end; at++)
			if (!is_letter_or_digit(*at) && *at != ':' && *at != '.')
				return 0;
		return end == NULL ? 0 : (size_t)(end + 1 - text);
	}
	while (span < length && (is_host_byte(text[span]) || (with_stars && text[span] == '*')))
		span++;
	return span;
}

/* All of `text`, which is in small letters. */
static bool take_apart(struct origin_parts *parts, const char *text, size_t length)
{
	size_t scheme = 0, host;
	const char *rest;

	while (scheme < length && is_scheme_byte(text[scheme]))
		scheme++;
	if (scheme == 0 || length - scheme < 4 || memcmp(text + scheme, "://", 3) != 0)
		return false;
	rest = text + scheme + 3;
	host = host_span(rest, length - scheme - 3, false);
	*parts = (struct origin_parts){ text, rest, scheme, host, 0 };
	if (host == 0 || rest + host == text + length)
		return host > 0;
	if (rest[host] != ':')
		return false;
	parts->port = port_of(rest + host + 1, (size_t)(text + length - rest - host - 1));
	return parts->port != 0;
}

/* ---- as written in the file --------------------------------------------------------------------------------------- */

const char *cors_origin_read(const char *text, char *room)
{
	size_t length = strlen(text);
	struct origin_parts parts;

	for (size_t i = 0; i <= length; i++)
		room[i] = lower(text[i]);
	if (strcmp(room, "null") == 0 || strcmp(room, "*") == 0)
		return NULL;
	if (length > CORS_ORIGIN_MAX)
		return "it is too long";
	if (strchr(room, '*') != NULL)
		return "a \"*\" within an origin belongs into origin_patterns";
	if (strstr(room, "://") == NULL)
		return "an origin begins with a scheme, as in https://app.example";
	if (strchr(strstr(room, "://") + 3, '/') != NULL)
		return "an origin has no path and no slash at its end, as in https://app.example";
	if (!take_apart(&parts, room, length))
		return "an origin is a scheme, a host and maybe a port, as in https://app.example:8443";
	if (parts.port != 0 && parts.port == own_port(parts.scheme, parts.scheme_length))
		room[parts.host + parts.host_length - room] = '\0'; /* browsers leave it out */
	return NULL;
}

/* "8080", "*", "[*]", "[8080,8443]" */
static bool read_ports(struct cors_pattern *pattern, const char *text)
{
	size_t length = strlen(text);

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length == 1 && text[0] == '*') {
		pattern->any_port = true;
		return true;
	}
	while (pattern->port_count < CORS_PATTERN_PORTS_MAX) {
		const char *comma = memchr(text, ',', length);
		size_t one = comma != NULL ? (size_t)(comma - text) : length;
		unsigned port = port_of(text, one);

		if (port == 0)
			return false;
		pattern->ports[pattern->port_count++] = (uint16_t)port;
		if (comma == NULL)
			return true;
		text += one + 1;
		length -= one + 1;
	}
	return false;
}

/* Is this the last label of names that nobody can register in the public DNS? */
static bool is_private_zone(const char *zone, size_t length)
{
	static const char *const zones[] = { "localhost", "localdomain", "local", "lan", "intranet", "internal", "private", "home",
		                             "corp", "test", "example", "invalid" };

	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
		if (strlen(zones[i]) == length && memcmp(zones[i], zone, length) == 0)
			return true;
	return false;
}

/* An attacker who chooses the value of the last "*" must not be able to choose another party's host. Suffixes of two labels,
 * such as .co.uk, pass: only a list that changes every week knows them all. */
static const char *find_trap(const char *host)
{
	const char *star = strrchr(host, '*'), *rest, *dot;
	size_t length;

	if (star == NULL || strcmp(host, "*") == 0)
		return NULL;
	rest = star + 1;
	length = strlen(rest);
	length -= length > 0 && rest[length - 1] == '.'; /* the root's */
	dot = memchr(rest, '.', length);
	if (length == 0 || (dot == rest && memchr(rest + 1, '.', length - 1) == NULL && !is_private_zone(rest + 1, length - 1)))
		return "anybody could register a host that it matches; a domain of your own stands behind the \"*\", as in "
		       "https://*.example.com";
	if (dot != rest && (dot == NULL || memchr(dot + 1, '.', length - (size_t)(dot + 1 - rest)) == NULL))
		return "it matches hosts of others, too, like evilexample.com for *example.com; write https://*.example.com";
	return NULL;
}

const char *cors_pattern_read(struct cors_pattern *pattern, const char *text, char *room)
{
	static const char form[] = "a pattern is an origin with \"*\" in its host or for its port, as in https://*.example.com";
	size_t length = strlen(text), span;
	char *host;

	for (size_t i = 0; i <= length; i++)
		room[i] = lower(text[i]);
	if (strcmp(room, "*") == 0) {
		pattern->host = room;
		pattern->any_port = true;
		return NULL;
	}
	host = strstr(room, "://");
	if (host == NULL || length > CORS_ORIGIN_MAX)
		return form;
	*host = '\0';
	host += 3;
	pattern->scheme = room;
	pattern->host = host;
	for (const char *at = room; *at != '\0'; at++)
		if (!is_scheme_byte(*at))
			return form;
	span = host_span(host, strlen(host), true);
	if (span == 0 || *room == '\0' || (host[span] != '\0' && host[span] != ':'))
		return form;
	if (host[span] == ':' && !read_ports(pattern, host + span + 1))
		return "its port is a number, a list of up to 8 as in [8080,8443], or \"*\"";
	host[span] = '\0';
	if (pattern->port_count == 1 && pattern->ports[0] == own_port(room, strlen(room)))
		pattern->port_count = 0;
	return find_trap(host);
}

/* ---- as a browser sends it ---------------------------------------------------------------------------------------- */

/* A "*" is one or more bytes. */
static bool matches_host(const char *pattern, const char *host, size_t length)
{
	const char *end = host + length, *star = NULL, *held = NULL;

	while (host < end) {
		if (*pattern == '*') {
			star = pattern++;
			held = ++host;
		} else if (*pattern == *host) {
			pattern++;
			host++;
		} else if (star != NULL && held < end) {
			pattern = star + 1;
			host = ++held;
		} else {
			return false;
		}
	}
	return *pattern == '\0';
}

static bool matches_port(const struct cors_pattern *pattern, const struct origin_parts *parts)
{
	unsigned own = own_port(parts->scheme, parts->scheme_length), port = parts->port == 0 ? own : parts->port;

	if (pattern->any_port)
		return true;
	if (pattern->port_count == 0)
		return parts->port == 0;
	for (size_t i = 0; i < pattern->port_count; i++)
		if (pattern->ports[i] == port)
			return true;
	return false;
}

static bool matches(const struct cors_pattern *pattern, const struct origin_parts *parts)
{
	if (pattern->scheme != NULL && (strlen(pattern->scheme) != parts->scheme_length ||
	                                memcmp(pattern->scheme, parts->scheme, parts->scheme_length) != 0))
		return false;
	return matches_port(pattern, parts) && matches_host(pattern->host, parts->host, parts->host_length);
}

static bool has(const struct texts *texts, const char *text, size_t length)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strncmp(texts->list[i], text, length) == 0 && texts->list[i][length] == '\0')
			return true;
	return false;
}

bool cors_allows_origin(const struct cors *cors, const char *origin, size_t length)
{
	struct origin_parts parts;

	if (length == 0 || length > CORS_ORIGIN_MAX)
		return false;
	if (cors->any_origin || has(&cors->origins, origin, length))
		return true;
	if (cors->pattern_count == 0 || !take_apart(&parts, origin, length))
		return false;
	for (size_t i = 0; i < cors->pattern_count; i++)
		if (matches(&cors->patterns[i], &parts))
			return true;
	return false;
}

bool cors_allows_method(const struct cors *cors, const char *method, size_t length)
{
	return length > 0 && (cors->any_method || has(&cors->methods, method, length));
}

bool cors_allows_header(const struct cors *cors, const char *name, size_t length)
{
	if (cors->any_header)
		return true;
	for (size_t i = 0; i < cors->headers.count; i++)
		if (strncasecmp(cors->headers.list[i], name, length) == 0 && cors->headers.list[i][length] == '\0')
			return true;
	return false;
}

/* The port of the schemes of web pages, and of those of WebSocket, by which some proxies call a page's request; else 0. */
static unsigned page_port(const char *scheme, size_t length)
{
	if ((length == 4 && strncasecmp(scheme, "http", 4) == 0) || (length == 2 && strncasecmp(scheme, "ws", 2) == 0))
		return 80;
	if ((length == 5 && strncasecmp(scheme, "https", 5) == 0) || (length == 3 && strncasecmp(scheme, "wss", 3) == 0))
		return 443;
	return 0;
}

bool cors_is_same_origin(const char *origin, size_t length, const struct cors_own_origin *own)
{
	struct origin_parts parts;
	unsigned usual, port;
	size_t span;

	if (!take_apart(&parts, origin, length))
		return false;
	usual = own_port(parts.scheme, parts.scheme_length);
	if (usual == 0 || (own->scheme_length > 0 && page_port(own->scheme, own->scheme_length) != usual))
		return false;
	span = own->host_length;
	if (own->host_length > parts.host_length)
		span = parts.host_length;
	if (span != parts.host_length || strncasecmp(parts.host, own->host, span) != 0)
		return false;
	if (span < own->host_length && own->host[span] != ':')
		return false;
	if (own->port_length > 0)
		port = port_of(own->port, own->port_length);
	else
		port = span < own->host_length ? port_of(own->host + span + 1, own->host_length - span - 1) : usual;
	return port == (parts.port == 0 ? usual : parts.port);
}
