/*
 * Upstreams: the keys that they inherit, their url, and errors that two keys of one upstream make together.
 *
 * `defaults` is read into a structure of settings; each upstream begins as a copy of it and reads its own keys over that.
 * Merging key by key needs no further code: a key that is not written stays as inherited.
 */
#include "routes/config/upstream.h"

#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/section.h"
#include "routes/config/value.h"

/* ---- url --------------------------------------------------------------------------------------------------------- */

static bool is_host_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
}

/* A DNS name, lower case; labels of 1 to 63 bytes. Swarm service names may have an underscore. */
static bool is_host_name(const char *text)
{
	size_t label = 0, length = strlen(text);

	if (length == 0 || length > 253)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_host_byte(text[i]) || (text[i] == '.' && label == 0))
			return false;
		label = text[i] == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return true;
}

/* "1.2.3" is not a name, whatever inet_aton() makes of it. */
static bool is_numeric(const char *host)
{
	return host[strspn(host, "0123456789.")] == '\0';
}

static bool parse_port(const char *text, uint16_t *port)
{
	struct address address;

	if (!address_parse(&address, text, 0) || strchr(text, ':') != NULL)
		return false;
	*port = address.port;
	return true;
}

const char *upstream_parse_authority(struct upstream_settings *settings, char *host)
{
	char *colon;

	settings->port = 80;
	if (host[0] == '[') {
		char *end = strchr(host, ']');

		if (end == NULL)
			return "a \"]\" is missing";
		if (end[1] != '\0' && (end[1] != ':' || !parse_port(end + 2, &settings->port)))
			return "the port must be between 1 and 65535";
		*end = '\0';
		if (!address_parse_ip(&settings->address, host + 1) || settings->address.family != 6)
			return "the text in brackets is not an IPv6 address";
		settings->address.port = settings->port;
		settings->host = host + 1;
		return NULL;
	}
	colon = strchr(host, ':');
	if (colon != NULL && strchr(colon + 1, ':') != NULL)
		return "an IPv6 address needs brackets, as in [fd00::1]:8080";
	if (colon != NULL && !parse_port(colon + 1, &settings->port))
		return "the port must be between 1 and 65535";
	if (colon != NULL)
		*colon = '\0';
	for (char *at = host; *at != '\0'; at++)
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
	if (!is_host_name(host))
		return "the host is not a valid name";
	/* RFC 6761 section 6.3: localhost is no question for DNS. */
	if (address_parse_ip(&settings->address, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host))
		settings->address.port = settings->port;
	else if (is_numeric(host))
		return "the host is not a valid IPv4 address";
	settings->host = host;
	return NULL;
}

static bool is_any_address(const struct address *address)
{
	static const uint8_t any[sizeof address->ip];

	return address->family != 0 && memcmp(address->ip, any, sizeof any) == 0;
}

/* Does a connection to one address reach the listener at the other, on this host? */
static bool leads_to(const struct address *url, const struct address *listener)
{
	return address_equal(url, listener) ||
	       (url->family == listener->family && url->port == listener->port &&
	        ((is_any_address(listener) && (address_is_loopback(url) || is_any_address(url))) ||
	         (is_any_address(url) && address_is_loopback(listener))));
}

static void check_loop(struct reader *reader, const struct yaml_node *node, const struct address *url)
{
	const struct config *config = reader->config;

	for (size_t i = 0; i < config->listen_count; i++)
		if (leads_to(url, &config->listen[i])) {
			reader_warn(reader, node,
			            "url leads back to this gateway's own listener: the gateway answers such requests with 508");
			return;
		}
	if (leads_to(url, &config->admin))
		reader_warn(reader, node,
		            "url leads to this gateway's admin listener, which refuses forwarded requests");
}

static void refuse_scheme(struct reader *reader, const struct yaml_node *node, const char *text)
{
	if (strncmp(text, "https://", 8) == 0)
		reader_error(reader, node, "url: https is not supported towards upstreams, only http://host:port");
	else if (strncmp(text, "lb://", 5) == 0)
		reader_error(reader, node, "url takes http://host:port, not \"%.60s\": write http://tasks.%.60s:PORT, with the port on "
		             "which its containers listen", text, text + 5);
	else if (strstr(text, ":/") == NULL)
		reader_error(reader, node, "url takes http://host:port, not \"%.60s\": http:// is missing", text);
	else
		reader_error(reader, node, "url takes http://host:port, not \"%.60s\"", text);
}

void read_url(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct upstream_settings *settings = into;
	const char *text, *why;
	char *host;

	if (node->kind == YAML_SEQUENCE) {
		reader_error(reader, node, "url takes a single value, not a list: every address of its DNS name is an endpoint");
		return;
	}
	text = reader_text(reader, node, key->name);
	if (text == NULL)
		return;
	if (strncmp(text, "http://", 7) != 0) {
		refuse_scheme(reader, node, text);
		return;
	}
	if (text[7 + strcspn(text + 7, "/?#@")] != '\0') {
		reader_error(reader, node, "url takes http://host:port only, without a path, query or user; for a path see "
		                           "rewrite.add_prefix of the route");
		return;
	}
	settings->address = (struct address){0};
	settings->url = reader_copy(reader, text, strlen(text));
	host = reader_copy(reader, text + 7, strlen(text + 7));
	if (settings->url == NULL || host == NULL)
		return;
	why = upstream_parse_authority(settings, host);
	if (why != NULL)
		reader_error(reader, node, "url: %s: \"%.80s\"", why, text);
	else if (settings->address.family != 0)
		check_loop(reader, node, &settings->address);
	else if (strchr(host, '.') == NULL)
		reader_warn(reader, node, "in a swarm the name \"%.63s\" is one virtual address that hides the replicas; "
		                          "tasks.%.63s names each of them", host, host);
}

/* ---- the other gateways ------------------------------------------------------------------------------------------ */

void read_peers(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;
	const char *text = reader_text(reader, node, key->name), *why;
	struct upstream_settings where = {0};
	char *host;

	if (text == NULL)
		return;
	config->peers.written = NULL;
	if (value_is_off(text))
		return;
	config->peers.written = reader_copy(reader, text, strlen(text));
	host = reader_copy(reader, text, strlen(text));
	if (config->peers.written == NULL || host == NULL)
		return;
	why = text[strcspn(text, "/?#@")] != '\0' ? "no path, query or user" : upstream_parse_authority(&where, host);
	if (why == NULL && (strchr(text, ':') == NULL || text[strlen(text) - 1] == ']'))
		why = "the port of the admin listeners is missing";
	if (why != NULL)
		reader_error(reader, node, "peers takes name:port, as in tasks.gateway:8081; %s: \"%.80s\"", why, text);
	config->peers.host = where.host;
	config->peers.port = where.port;
	config->peers.address = where.address;
}

/* ---- window ------------------------------------------------------------------------------------------------------ */

/* "10s" or "100 calls": as a number of one of two kinds. */
void read_window(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct upstream_settings *settings = into;
	const char *text = reader_text(reader, node, key->name);
	size_t length = text != NULL ? strlen(text) : 0, suffix = strlen(" calls");
	bool is_count = length > suffix && strcmp(text + length - suffix, " calls") == 0;
	struct key number = *key;
	struct yaml_node value = *node;
	uint32_t size = 0;

	if (text == NULL)
		return;
	number.kind = is_count ? KIND_COUNT : KIND_DURATION;
	number.least = is_count ? 1 : SECOND;
	number.most = is_count ? 1000000 : HOUR;
	number.offset = 0;
	number.size = sizeof(size);
	if (is_count)
		text = reader_copy(reader, text, length - suffix);
	if (text == NULL)
		return;
	if (text[0] < '0' || text[0] > '9' || (!is_count && text[strspn(text, "0123456789")] == '\0')) {
		reader_error(reader, node,
		             "window takes a duration or a number of calls, as in 10s or 100 calls, not \"%.40s\"",
		             text);
		return;
	}
	/* The text has been through the environment already. */
	value.text = text;
	value.length = strlen(text);
	read_number(reader, &number, &value, &size);
	if (size == 0)
		return;
	settings->breaker.window = is_count ? BREAKER_WINDOW_COUNT : BREAKER_WINDOW_TIME;
	settings->breaker.window_size = size;
}

/* ---- what keys can get wrong together ---------------------------------------------------------------------------- */

/* Where section.key of this upstream was written: there, in defaults, or nowhere (NULL). */
static const struct yaml_node *written(const struct reader *reader, const struct yaml_node *node, const char *section,
                                       const char *key)
{
	const struct yaml_node *value = yaml_find(yaml_find(node, section), key);

	return value != NULL ? value : yaml_find(yaml_find(yaml_find(reader->root, "defaults"), section), key);
}

static const struct yaml_node *either(const struct yaml_node *first, const struct yaml_node *second)
{
	return first != NULL ? first : second;
}

/* One try may take as long as it likes, unless the file asks for less. */
static void stretch_total(const struct reader *reader, const struct yaml_node *node, struct upstream_settings *settings)
{
	uint32_t one_try_ms = settings->connect_timeout_ms + settings->response_timeout_ms, most_ms = 24 * HOUR;

	if (written(reader, node, "timeouts", "total") == NULL && settings->total_timeout_ms < one_try_ms)
		settings->total_timeout_ms = one_try_ms < most_ms ? one_try_ms : most_ms;
}

static bool has_client_errors(const struct upstream_settings *settings)
{
	for (unsigned status = 400; status < 500; status++)
		if (upstream_settings_is_failure_status(settings, status))
			return true;
	return false;
}

static void check_upstream(struct reader *reader, const struct yaml_node *node,
                           const struct upstream_settings *settings)
{
	const struct breaker_settings *breaker = &settings->breaker;

	if (breaker->enabled && breaker->open_for_ms > breaker->open_for_max_ms)
		reader_error(reader, either(written(reader, node, "breaker", "open_for"),
		                            written(reader, node, "breaker", "open_for_max")),
		             "breaker.open_for is longer than breaker.open_for_max");
	if (breaker->enabled && breaker->slow_call_ms >= settings->response_timeout_ms)
		reader_warn(reader, written(reader, node, "breaker", "slow_call"),
		            "no call can be slow: breaker.slow_call is not below timeouts.response, which ends the call first");
	if (breaker->enabled && has_client_errors(settings))
		reader_warn(reader, written(reader, node, "breaker", "failure_statuses"),
		            "breaker.failure_statuses contains a 4xx: a client that provokes it can open the breaker for all others");
	if (settings->response_timeout_ms > settings->total_timeout_ms &&
	    written(reader, node, "timeouts", "response") != NULL)
		reader_warn(reader, written(reader, node, "timeouts", "response"),
		            "timeouts.response is longer than timeouts.total, which ends the request first");
	if (breaker->window == BREAKER_WINDOW_COUNT && breaker->minimum_calls > breaker->window_size &&
	    written(reader, node, "breaker", "minimum_calls") != NULL)
		reader_warn(reader, written(reader, node, "breaker", "minimum_calls"),
		            "breaker.minimum_calls is more than breaker.window holds: the breaker can open after %u calls",
		            breaker->window_size);
	if (settings->ejection.enabled && settings->ejection.for_ms > settings->ejection.for_max_ms)
		reader_error(reader, either(written(reader, node, "ejection", "for"),
		                            written(reader, node, "ejection", "for_max")),
		             "ejection.for is longer than ejection.for_max");
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

void defaults_read(struct reader *reader, struct upstream_settings *defaults)
{
	const struct yaml_node *node = yaml_find(reader->root, "defaults");

	section_defaults(reader, SCOPE_UPSTREAM, defaults);
	if (node != NULL && !node->is_refused)
		section_read(reader, node, SCOPE_DEFAULTS, "defaults", defaults);
}

/* It becomes a label of metrics and a part of admin paths. */
static bool is_upstream_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return length > 0 && length <= 64 && name[length] == '\0' && name[0] != '.';
}

static void read_upstream(struct reader *reader, const struct yaml_node *node, struct upstream_settings *settings)
{
	settings->name = reader_copy(reader, node->key->text, node->key->length);
	if (!is_upstream_name(node->key->text))
		reader_error(reader, node->key,
		             "an upstream's name has at most 64 letters, digits, \"_\", \"-\" and \".\": \"%.70s\"",
		             node->key->text);
	if (node->kind == YAML_SCALAR && !reader_is_empty(node)) {
		reader_error(reader, node, "an upstream takes a mapping, as in { url: \"http://tasks.%.40s:8080\" }",
		             node->key->text);
		return;
	}
	section_read(reader, node, SCOPE_UPSTREAM, node->key->text, settings);
	if (node->kind != YAML_SEQUENCE && yaml_find(node, "url") == NULL)
		reader_error(reader, node->key, "upstream \"%.64s\" has no url", node->key->text);
	stretch_total(reader, node, settings);
	check_upstream(reader, node, settings);
}

void upstreams_read(struct reader *reader, const struct upstream_settings *defaults)
{
	const struct yaml_node *node = yaml_find(reader->root, "upstreams");
	struct config *config = reader->config;

	if (node == NULL || reader_is_empty(node) || (node->kind == YAML_MAPPING && node->count == 0)) {
		reader_error(reader, either(node, reader->root), "upstreams is %s, so there is nothing to forward to",
		             node != NULL ? "empty" : "missing");
		return;
	}
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "upstreams takes a mapping of names, as in { NAME: { url: ... } }");
		return;
	}
	if (node->count > CONFIG_UPSTREAMS_MAX) {
		reader_error(reader, node, "more than %d upstreams", CONFIG_UPSTREAMS_MAX);
		return;
	}
	config->upstreams = reader_allocate(reader, node->count * sizeof(*config->upstreams));
	for (node = node->first; node != NULL && config->upstreams != NULL; node = node->next) {
		if (node->is_refused)
			continue;
		config->upstreams[config->upstream_count] = *defaults;
		read_upstream(reader, node, &config->upstreams[config->upstream_count++]);
	}
}
