/*
 * One hash table for all routes, keyed by host and prefix; each entry lists its routes in the order of the file.
 *
 *     /patient/7/history        one walk over the path, hashing as it goes
 *     ^       ^ ^       ^       borders: the only places where a prefix can end
 *
 * At each border the hash of what lies before it is at hand. Is there any prefix of just that length? Only then is
 * the table asked, once with the host and once without. The walk goes forward and keeps the last hit of either kind,
 * so nothing has to be stored, and it stops at the length of the longest prefix: a long path costs no more than that.
 * The number of routes appears nowhere.
 *
 * Entries are compared as text after their hash agrees: who finds colliding paths gains nothing but that comparison.
 *
 * The host and the prefix alone decide which entry it is; only then its methods are looked at. A path with another
 * method is "not allowed" rather than a matter for the next shorter prefix.
 */
#include "routes/route.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t NONE = UINT32_MAX; /* ends a list of routes */

struct entry {
	uint64_t hash;
	const struct route *first; /* whose host and path are the key; NULL = free */
	const struct route *any;   /* the one that takes all methods; NULL = none */
	uint32_t first_index, last_index;
};

struct route_index {
	const struct route *routes;
	struct entry *entries;
	size_t mask;        /* number of entries, a power of two, less one */
	uint64_t *lengths;  /* a bit for each length that a prefix has */
	size_t longest;
	uint32_t *next;     /* for each route the next one of its entry */
	bool has_hosts;
};

/* ---- hashing: FNV-1a for what grows byte by byte, splitmix64's end to spread it ---------------------------------- */

static const uint64_t HASH_BASIS = 0xcbf29ce484222325;

static uint64_t hash_byte(uint64_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * 0x100000001b3;
}

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static uint64_t hash_host(const char *host, size_t length)
{
	uint64_t hash = HASH_BASIS;

	for (size_t i = 0; i < length; i++)
		hash = hash_byte(hash, lower(host[i]));
	return hash | 1; /* never 0, which is "any host" */
}

static uint64_t hash_key(uint64_t host_hash, uint64_t path_hash)
{
	uint64_t hash = path_hash ^ host_hash * 0x9e3779b97f4a7c15;

	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
	return hash ^ (hash >> 31);
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static bool has_host(const struct route *route, const char *host, size_t length)
{
	if (route->host == NULL || host == NULL)
		return route->host == host;
	for (size_t i = 0; i < length; i++)
		if (route->host[i] == '\0' || route->host[i] != lower(host[i]))
			return false;
	return route->host[length] == '\0';
}

/* Where the key is, or would be. `host` NULL is the key of routes for any host. */
static struct entry *find_place(const struct route_index *index, uint64_t hash, const char *host, size_t host_length,
                                const char *path, size_t path_length)
{
	for (size_t i = hash & index->mask;; i = (i + 1) & index->mask) {
		struct entry *entry = &index->entries[i];

		if (entry->first == NULL)
			return entry;
		if (entry->hash == hash && entry->first->path_length == path_length &&
		    memcmp(entry->first->path, path, path_length) == 0 && has_host(entry->first, host, host_length))
			return entry;
	}
}

static const struct entry *probe(const struct route_index *index, uint64_t hash, const char *host, size_t host_length,
                                 const char *path, size_t path_length)
{
	const struct entry *entry = find_place(index, hash, host, host_length, path, path_length);

	return entry->first != NULL ? entry : NULL;
}

/* The entry with this host, else without, that has the longest prefix of the path. NULL: none. */
static const struct entry *find_entry(const struct route_index *index, const char *host, size_t host_length,
                                      const char *path, size_t path_length)
{
	const struct entry *with_host = NULL, *without_host = NULL;
	bool asks_host = index->has_hosts && host_length > 0;
	uint64_t host_hash = asks_host ? hash_host(host, host_length) : 0;
	uint64_t path_hash = HASH_BASIS;
	size_t end = path_length < index->longest ? path_length : index->longest;

	for (size_t length = 1; length <= end; length++) {
		const struct entry *entry;

		path_hash = hash_byte(path_hash, path[length - 1]);
		/* The root is a prefix of all; others end before a slash or with the path. */
		if (length > 1 && length < path_length && path[length] != '/')
			continue;
		if ((index->lengths[length / 64] >> (length % 64) & 1) == 0)
			continue;
		entry = probe(index, hash_key(0, path_hash), NULL, 0, path, length);
		without_host = entry != NULL ? entry : without_host;
		if (!asks_host)
			continue;
		entry = probe(index, hash_key(host_hash, path_hash), host, host_length, path, length);
		with_host = entry != NULL ? entry : with_host;
	}
	return with_host != NULL ? with_host : without_host;
}

/* ---- methods --------------------------------------------------------------------------------------------------- */

static bool takes_method(const struct route *route, const char *method, size_t length)
{
	if (route->methods == NULL)
		return true;
	for (size_t i = 0; i < route->method_count; i++)
		if (strlen(route->methods[i]) == length && memcmp(route->methods[i], method, length) == 0)
			return true;
	return false;
}

static const struct route *find_by_method(const struct route_index *index, const struct entry *entry,
                                          const char *method, size_t length)
{
	for (uint32_t i = entry->first_index; i != NONE; i = index->next[i])
		if (takes_method(&index->routes[i], method, length))
			return &index->routes[i];
	return NULL;
}

/* Is `name` one of those in "GET, HEAD"? */
static bool is_listed(const char *list, size_t list_length, const char *name, size_t length)
{
	size_t at = 0;

	while (at < list_length) {
		const char *comma = memchr(list + at, ',', list_length - at);
		size_t end = comma != NULL ? (size_t)(comma - list) : list_length;

		if (end - at == length && memcmp(list + at, name, length) == 0)
			return true;
		at = end + 2;
	}
	return false;
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

struct route_match route_find(const struct config *config, const char *host, size_t host_length, const char *path,
                              size_t path_length, const char *method, size_t method_length)
{
	const struct route_index *index = config->index;
	const struct entry *entry = find_entry(index, host, host_length, path, path_length);
	const struct route *route;

	if (entry == NULL)
		return (struct route_match){.verdict = ROUTE_NOT_FOUND};
	route = find_by_method(index, entry, method, method_length);
	if (route == NULL)
		return (struct route_match){.verdict = ROUTE_METHOD_NOT_ALLOWED, .route = entry->first};
	return (struct route_match){.verdict = ROUTE_FOUND, .route = route};
}

bool route_was_escaped(const struct config *config, const char *host, size_t host_length, const char *raw,
                       size_t raw_length, const struct route *found, char *room)
{
	size_t before = path_before_dots(raw, raw_length);
	struct path_result seen;
	const struct entry *entry;
	const struct route *seemed;

	if (before == raw_length)
		return false;
	/* As the gateway reads it, so that no spelling of the prefix leads out of it more easily than another. */
	seen = path_normalise(raw, before, room);
	entry = find_entry(config->index, host, host_length, seen.path, seen.length);
	if (entry == NULL)
		return false;
	seemed = entry->first;
	if (found == NULL)
		return true;
	/* A path that stayed within the prefix has found that one or a longer one. */
	return !(seemed->path_length == 1 || (found->path_length >= seemed->path_length &&
	                                      memcmp(found->path, seemed->path, seemed->path_length) == 0 &&
	                                      (found->path_length == seemed->path_length ||
	                                       found->path[seemed->path_length] == '/')));
}

size_t route_allowed_methods(const struct config *config, const char *host, size_t host_length, const char *path,
                             size_t path_length, char *text, size_t size)
{
	const struct route_index *index = config->index;
	const struct entry *entry = find_entry(index, host, host_length, path, path_length);
	size_t written = 0;

	if (size == 0)
		return 0;
	text[0] = '\0';
	for (uint32_t i = entry != NULL ? entry->first_index : NONE; i != NONE; i = index->next[i]) {
		const struct route *route = &index->routes[i];

		for (size_t j = 0; j < route->method_count; j++) {
			size_t length = strlen(route->methods[j]), comma = written > 0 ? 2 : 0;

			if (is_listed(text, written, route->methods[j], length))
				continue;
			if (written + comma + length >= size)
				return written;
			memcpy(text + written, ", ", comma);
			memcpy(text + written + comma, route->methods[j], length + 1);
			written += comma + length;
		}
	}
	return written;
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static struct route_index *allocate(const struct route *routes, size_t count)
{
	struct route_index *index = calloc(1, sizeof(*index));
	size_t places = 8;

	if (index == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (routes[i].path_length > index->longest)
			index->longest = routes[i].path_length;
	while (places / 2 < count)
		places *= 2;
	index->routes = routes;
	index->mask = places - 1;
	index->entries = calloc(places, sizeof(index->entries[0]));
	index->lengths = calloc(index->longest / 64 + 1, sizeof(index->lengths[0]));
	index->next = calloc(count + 1, sizeof(index->next[0]));
	if (index->entries == NULL || index->lengths == NULL || index->next == NULL) {
		route_index_free(index);
		return NULL;
	}
	return index;
}

/* The route that takes the last of what `route` could match, of those before it in its entry; NULL: it can match. */
static const struct route *find_taker(const struct route_index *index, const struct entry *entry,
                                      const struct route *route)
{
	const struct route *taker = entry->any;

	if (taker != NULL || route->methods == NULL)
		return taker;
	for (size_t i = 0; i < route->method_count; i++) {
		taker = find_by_method(index, entry, route->methods[i], strlen(route->methods[i]));
		if (taker == NULL)
			return NULL;
	}
	return taker;
}

static void add(struct route_index *index, uint32_t number,
                void (*complain)(void *context, size_t route, const char *text), void *context)
{
	const struct route *route = &index->routes[number], *taker;
	size_t host_length = route->host != NULL ? strlen(route->host) : 0;
	uint64_t path_hash = HASH_BASIS, hash;
	struct entry *entry;
	char text[128];

	for (size_t i = 0; i < route->path_length; i++)
		path_hash = hash_byte(path_hash, route->path[i]);
	hash = hash_key(route->host != NULL ? hash_host(route->host, host_length) : 0, path_hash);
	entry = find_place(index, hash, route->host, host_length, route->path, route->path_length);
	index->next[number] = NONE;
	index->lengths[route->path_length / 64] |= UINT64_C(1) << (route->path_length % 64);
	index->has_hosts = index->has_hosts || route->host != NULL;
	if (entry->first == NULL) {
		*entry = (struct entry){.hash = hash, .first = route, .first_index = number, .last_index = number};
		entry->any = route->methods == NULL ? route : NULL;
		return;
	}
	taker = find_taker(index, entry, route);
	if (taker != NULL) {
		snprintf(text, sizeof(text), "can never match: the route in line %zu has the same path and takes its requests",
		         taker->line);
		complain(context, number, text);
		return; /* out of the list: a thousand copies of one route are no reason to walk a thousand */
	}
	if (route->methods == NULL)
		entry->any = route;
	index->next[entry->last_index] = number;
	entry->last_index = number;
}

struct route_index *route_index_new(const struct route *routes, size_t count,
                                    void (*complain)(void *context, size_t route, const char *text), void *context)
{
	struct route_index *index;

	if (count >= NONE)
		return NULL;
	index = allocate(routes, count);
	if (index == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		add(index, (uint32_t)i, complain, context);
	return index;
}

void route_index_free(struct route_index *index)
{
	if (index == NULL)
		return;
	free(index->entries);
	free(index->lengths);
	free(index->next);
	free(index);
}
