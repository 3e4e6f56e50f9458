/* rate_limit.store: where the server is that counts for all gateways, and who they are to it. */
#include "routes/config/store.h"

#include <stdio.h>
#include <string.h>

#include "routes/config/keys.h"
#include "routes/config/value.h"

enum { REDIS_PORT = 6379, DATABASE_MAX = 65535, WORD_MAX = 512 };

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In place. False: not percent-encoded as it should be. */
static bool decode(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		int high, low;

		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		high = hex_value(text[1]);
		low = high < 0 ? -1 : hex_value(text[2]);
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		text += 2;
	}
	*to = '\0';
	return true;
}

/* "user:password", ":password" */
static const char *parse_user(struct store_settings *store, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL)
		return "before the @ stands user:password, or :password";
	*colon = '\0';
	if (!decode(text) || !decode(colon + 1))
		return "user and password are percent-encoded";
	if (strlen(text) > WORD_MAX || strlen(colon + 1) > WORD_MAX)
		return "user and password have at most 512 bytes";
	/* ":${REDIS_PASSWORD:-}@" is none where the environment has none. */
	store->user = text[0] == '\0' || colon[1] == '\0' ? NULL : text;
	store->password = colon[1] == '\0' ? NULL : colon + 1;
	return NULL;
}

static bool parse_whole(const char *text, unsigned long most, unsigned long *number)
{
	*number = 0;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || (*number = *number * 10 + (unsigned long)(*at - '0')) > most)
			return false;
	}
	return text[0] != '\0';
}

static bool is_host_name(const char *host)
{
	size_t length = strlen(host);

	return length > 0 && length <= 253 && host[0] != '.' && host[0] != '-' &&
	       host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

/* "host", "host:6379", "[v6]:6379" */
static const char *parse_host(struct store_settings *store, char *text)
{
	char *end = text[0] == '[' ? strchr(text, ']') : NULL, *colon = strchr(end != NULL ? end : text, ':');
	unsigned long port = REDIS_PORT;

	if (text[0] == '[' && end == NULL)
		return "a \"]\" is missing";
	if (colon != NULL && (!parse_whole(colon + 1, UINT16_MAX, &port) || port == 0))
		return "the port must be between 1 and 65535";
	if (colon != NULL)
		*colon = '\0';
	store->port = (uint16_t)port;
	if (end != NULL) {
		if (end[1] != '\0')
			return "behind the \"]\" stands a port, or nothing";
		*end = '\0';
		if (!address_parse_ip(&store->address, ++text) || store->address.family != 6)
			return "the text in brackets is not an IPv6 address";
	} else if (!address_parse_ip(&store->address, strcmp(text, "localhost") == 0 ? "127.0.0.1" : text) &&
	           (!is_host_name(text) || text[strspn(text, "0123456789.")] == '\0')) {
		return "the host is not a valid name";
	}
	store->address.port = store->port;
	store->host = text;
	return NULL;
}

static const char *parse_url(struct store_settings *store, char *text)
{
	char *at, *slash;
	const char *why = NULL;
	unsigned long database = 0;

	if (strncmp(text, "rediss://", 9) == 0)
		return "TLS is not supported";
	if (strncmp(text, "redis://", 8) != 0)
		return "only redis:// is known";
	text += 8;
	if (strpbrk(text, "?#") != NULL)
		return "no query or fragment";
	at = strrchr(text, '@');
	if (at != NULL) {
		*at = '\0';
		why = parse_user(store, text);
		text = at + 1;
	}
	slash = strchr(text, '/');
	if (slash != NULL) {
		*slash = '\0';
		if (slash[1] != '\0' && !parse_whole(slash + 1, DATABASE_MAX, &database))
			return "behind the host stands the number of a database, or nothing";
	}
	store->database = (uint32_t)database;
	return why != NULL ? why : parse_host(store, text);
}

void read_store(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct rate_limit_settings *settings = &((struct route *)into)->rate_limit;
	const char *text = reader_text(reader, node, key->name), *why;
	struct store_settings *store;
	char *copy, *name;

	settings->store = NULL;
	if (text == NULL || value_is_off(text))
		return;
	store = reader_allocate(reader, sizeof(*store));
	copy = reader_copy(reader, text, strlen(text));
	name = reader_allocate(reader, strlen(text) + sizeof("[]:65535"));
	if (store == NULL || copy == NULL || name == NULL)
		return;
	why = parse_url(store, copy);
	if (why != NULL) { /* without the text: it may hold a password */
		reader_error(reader, node, "store takes off or redis://[user:password@]host[:port][/database]; %s", why);
		return;
	}
	sprintf(name, store->address.family == 6 ? "[%s]:%u" : "%s:%u", store->host, (unsigned)store->port);
	store->name = name;
	store->written = reader_copy(reader, node->text, node->length);
	settings->store = store;
}
