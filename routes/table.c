/*
 * One hash table for all routes, keyed by host and path; each entry lists its routes in the order of the file.
 *
 *     /patient/7/history        one walk over the path, hashing as it goes
 *     ^       ^ ^       ^       borders: the only places where a prefix can end
 *
 * At each border the hash of what lies before it is at hand. Is there any prefix of just that length? Only then is
 * the table asked, once with the host and once without. The walk goes forward and keeps the last hit of either kind,
 * so nothing has to be stored, and it stops at the length of the longest prefix: a long path costs no more than that.
 * The number of routes appears nowhere.
 *
 * Paths with a "*" differ in which of their segments it stands for: their shape. For each shape there is a walk over the
 * segments, whose hashes were made once, with that of "*" in the places where the shape has it. So what such paths cost is a
 * matter of the shapes, of which there are few in any file and TABLE_SHAPES_MAX at most.
 *
 * Entries are compared as text after their hash agrees: an attacker who finds colliding paths gains nothing but that
 * comparison.
 */
#include "routes/table.h"

#include <stdlib.h>
#include <string.h>

/* ---- hashing: FNV-1a for what grows byte by byte, splitmix64's end to spread it ---------------------------------- */

static const uint64_t HASH_BASIS = 0xcbf29ce484222325, HASH_EXACT = 0x2545f4914f6cdd1d, HASH_STAR = 0xd6e8feb86659fd93;

static uint64_t hash_byte(uint64_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * 0x100000001b3;
}

static uint64_t hash_text(const char *text, size_t length)
{
	uint64_t hash = HASH_BASIS;

	for (size_t i = 0; i < length; i++)
		hash = hash_byte(hash, text[i]);
	return hash;
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

static uint64_t hash_segment(uint64_t hash, uint64_t segment)
{
	hash = (hash ^ segment) * 0x9e3779b97f4a7c15;
	return hash ^ (hash >> 32);
}

static bool is_star(uint64_t wild, size_t segment)
{
	return segment < 64 && (wild >> (63 - segment) & 1) != 0;
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

/* The key of a lookup: `host` NULL for the routes of any host. */
struct asker {
	const char *host;
	size_t length;
	uint64_t hash;
};

static bool has_host(const struct route *route, const struct asker *asker)
{
	if (route->host == NULL || asker->host == NULL)
		return route->host == asker->host;
	for (size_t i = 0; i < asker->length; i++)
		if (route->host[i] == '\0' || route->host[i] != lower(asker->host[i]))
			return false;
	return route->host[asker->length] == '\0';
}

/* Where the key is, or would be. Inlined for the lookup of every request, and out of line elsewhere. */
static inline __attribute__((always_inline)) struct table_entry *
find_place(const struct route_index *index, uint64_t hash, const struct asker *asker, const char *path, size_t length,
           bool is_exact)
{
	for (size_t i = hash & index->mask;; i = (i + 1) & index->mask) {
		struct table_entry *entry = &index->entries[i];

		if (entry->path == NULL)
			return entry;
		if (entry->hash == hash && entry->key == TABLE_KEY(length, is_exact) && memcmp(entry->path->text, path, length) == 0 &&
		    has_host(entry->first, asker))
			return entry;
	}
}

static inline __attribute__((always_inline)) const struct table_entry *
probe(const struct route_index *index, uint64_t path_hash, const struct asker *asker, const char *path, size_t length,
      bool is_exact)
{
	const struct table_entry *entry = find_place(index, hash_key(asker->hash, path_hash), asker, path, length, is_exact);

	return entry->path != NULL ? entry : NULL;
}

/* ---- exact paths and those with "*" ------------------------------------------------------------------------------ */

struct segment {
	const char *text;
	size_t length;
	uint64_t hash;
};

/* The entry that covers more segments; among equals the one whose path is more specific: a text before a "*", an exact path
 * before a prefix. Either may be NULL. */
static const struct table_entry *better(const struct table_entry *one, const struct table_entry *other)
{
	if (one == NULL || other == NULL)
		return one != NULL ? one : other;
	if (one->path->segments != other->path->segments)
		return one->path->segments > other->path->segments ? one : other;
	if (one->path->wild != other->path->wild)
		return one->path->wild < other->path->wild ? one : other;
	return one->first->exact ? one : other;
}

/* Of the first TABLE_SEGMENTS_MAX + 1; a path that ends with a slash has an empty last one. */
static size_t split(const char *path, size_t length, struct segment *segments)
{
	const char *at = path + 1, *end = path + length, *slash = path;
	size_t count = 0;

	for (; slash < end && count <= TABLE_SEGMENTS_MAX; at = slash + 1) {
		slash = memchr(at, '/', (size_t)(end - at));
		slash = slash != NULL ? slash : end;
		segments[count++] = (struct segment){at, (size_t)(slash - at), hash_text(at, (size_t)(slash - at))};
	}
	return count;
}

/* Does the path have these segments, except for its "*"? */
static bool has_segments(const struct route_path *path, const struct segment *segments)
{
	const char *at = path->text + 1;

	for (size_t i = 0; i < path->segments; i++) {
		size_t length = strcspn(at, "/");

		if (!is_star(path->wild, i) && (length != segments[i].length || memcmp(at, segments[i].text, length) != 0))
			return false;
		at += length + 1;
	}
	return true;
}

static const struct table_entry *probe_shape(const struct route_index *index, uint64_t path_hash, const struct asker *asker,
                                             uint64_t wild, const struct segment *segments, size_t count, bool is_exact)
{
	uint64_t hash = hash_key(asker->hash, is_exact ? path_hash ^ HASH_EXACT : path_hash);

	for (size_t i = hash & index->mask;; i = (i + 1) & index->mask) {
		const struct table_entry *entry = &index->entries[i];

		if (entry->path == NULL)
			return NULL;
		if (entry->hash == hash && entry->path->wild == wild && entry->path->segments == count &&
		    entry->first->exact == is_exact && has_host(entry->first, asker) && has_segments(entry->path, segments))
			return entry;
	}
}

/* The best path of one shape; an exact one must have all the segments. */
static const struct table_entry *find_shape(const struct route_index *index, size_t shape, const struct asker *asker,
                                            const struct segment *segments, size_t count)
{
	uint64_t wild = index->shapes[shape].wild, hash = HASH_BASIS;
	const struct table_entry *found = NULL;

	for (size_t i = 0; i < count && i < TABLE_SEGMENTS_MAX; i++) {
		if (is_star(wild, i) && segments[i].length == 0)
			break;
		hash = hash_segment(hash, is_star(wild, i) ? HASH_STAR : segments[i].hash);
		if ((index->shapes[shape].depths >> (i + 1) & 1) == 0)
			continue;
		found = better(found, probe_shape(index, hash, asker, wild, segments, i + 1, false));
		if (index->has_exact && i + 1 == count)
			found = better(found, probe_shape(index, hash, asker, wild, segments, i + 1, true));
	}
	return found;
}

/* The better one of `found` and the paths that find() does not see. */
static const struct table_entry *find_more(const struct route_index *index, const struct asker *asker, const char *path,
                                           size_t length, const struct table_entry *found)
{
	struct segment segments[TABLE_SEGMENTS_MAX + 1];
	size_t count;

	if (length == 0 || path[0] != '/')
		return found;
	if (index->has_exact)
		found = better(found, probe(index, hash_text(path, length) ^ HASH_EXACT, asker, path, length, true));
	count = index->shape_count > 0 ? split(path, length, segments) : 0;
	for (size_t i = 0; i < index->shape_count; i++)
		found = better(found, find_shape(index, i, asker, segments, count));
	return found;
}

/* Out of line, because every request would pay for its frame. */
static __attribute__((noinline)) const struct table_entry *find_more_of_both(
	const struct route_index *index, const char *host, size_t host_length, const char *path, size_t length,
	const struct table_entry *with_host, const struct table_entry *without_host)
{
	if (index->has_hosts && host_length > 0)
		with_host = find_more(index, &(struct asker){host, host_length, hash_host(host, host_length)}, path, length, with_host);
	return with_host != NULL ? with_host : find_more(index, &(struct asker){NULL, 0, 0}, path, length, without_host);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

const struct table_entry *table_find(const struct route_index *index, const char *host, size_t host_length, const char *path,
                                     size_t path_length)
{
	const struct table_entry *with_host = NULL, *without_host = NULL;
	bool asks_host = index->has_hosts && host_length > 0;
	const struct asker asker = {host, host_length, asks_host ? hash_host(host, host_length) : 0}, anybody = {NULL, 0, 0};
	uint64_t path_hash = HASH_BASIS;
	size_t end = path_length < index->longest ? path_length : index->longest;

	for (size_t length = 1; length <= end; length++) {
		const struct table_entry *entry;

		path_hash = hash_byte(path_hash, path[length - 1]);
		/* The root is a prefix of all paths; other prefixes end before a slash or with the path. */
		if (length > 1 && length < path_length && path[length] != '/')
			continue;
		if ((index->lengths[length / 64] >> (length % 64) & 1) == 0)
			continue;
		entry = probe(index, path_hash, &anybody, path, length, false);
		without_host = entry != NULL ? entry : without_host;
		if (!asks_host)
			continue;
		entry = probe(index, path_hash, &asker, path, length, false);
		with_host = entry != NULL ? entry : with_host;
	}
	if (index->has_more)
		return find_more_of_both(index, host, host_length, path, path_length, with_host, without_host);
	return with_host != NULL ? with_host : without_host;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

static uint64_t hash_path(const struct route_path *path, bool is_exact)
{
	uint64_t hash = path->wild == 0 ? hash_text(path->text, path->length) : HASH_BASIS;
	const char *at = path->text + 1;

	for (size_t i = 0; path->wild != 0 && i < path->segments; i++) {
		size_t length = strcspn(at, "/");

		hash = hash_segment(hash, is_star(path->wild, i) ? HASH_STAR : hash_text(at, length));
		at += length + 1;
	}
	return is_exact ? hash ^ HASH_EXACT : hash;
}

static struct asker asker_of(const struct route *route)
{
	size_t length = route->host != NULL ? strlen(route->host) : 0;

	return (struct asker){route->host, length, route->host != NULL ? hash_host(route->host, length) : 0};
}

const struct table_entry *table_get(const struct route_index *index, const struct route *route, const struct route_path *path)
{
	struct asker asker = asker_of(route);

	return probe(index, hash_path(path, route->exact), &asker, path->text, path->length, route->exact);
}

static bool take_shape(struct route_index *index, const struct route_path *path)
{
	size_t i = 0;

	while (i < index->shape_count && index->shapes[i].wild != path->wild)
		i++;
	if (i == TABLE_SHAPES_MAX)
		return false;
	index->shapes[i].wild = path->wild;
	index->shapes[i].depths |= UINT64_C(1) << path->segments;
	index->shape_count += i == index->shape_count;
	return true;
}

struct table_entry *table_take(struct route_index *index, const struct route *route, const struct route_path *path)
{
	struct asker asker = asker_of(route);
	uint64_t hash = hash_key(asker.hash, hash_path(path, route->exact));
	struct table_entry *entry = find_place(index, hash, &asker, path->text, path->length, route->exact);

	if (entry->path != NULL)
		return entry;
	if (path->wild != 0 && !take_shape(index, path))
		return NULL;
	*entry = (struct table_entry){.hash = hash, .key = TABLE_KEY(path->length, route->exact), .path = path, .first = route,
	                              .first_item = TABLE_NONE, .last_item = TABLE_NONE};
	index->has_hosts = index->has_hosts || route->host != NULL;
	index->has_exact = index->has_exact || route->exact;
	index->has_more = index->has_exact || index->shape_count > 0;
	if (path->wild == 0 && !route->exact)
		index->lengths[path->length / 64] |= UINT64_C(1) << (path->length % 64);
	return entry;
}

void table_append(struct route_index *index, struct table_entry *entry, const struct route *route)
{
	uint32_t number = index->item_count++;

	index->items[number] = (struct table_item){.route = route, .next = TABLE_NONE};
	if (entry->last_item == TABLE_NONE)
		entry->first_item = number;
	else
		index->items[entry->last_item].next = number;
	entry->last_item = number;
	if (route->methods == NULL)
		entry->any = route;
}

struct route_index *table_new(const struct route *routes, size_t count)
{
	struct route_index *index = calloc(1, sizeof(*index));
	size_t places = 8, paths = 0;

	if (index == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		paths += routes[i].path_count;
		for (size_t j = 0; j < routes[i].path_count && !routes[i].exact; j++)
			if (routes[i].paths[j].wild == 0 && routes[i].paths[j].length > index->longest)
				index->longest = routes[i].paths[j].length;
	}
	while (places / 2 < paths)
		places *= 2;
	index->mask = places - 1;
	index->entries = calloc(places, sizeof(index->entries[0]));
	index->lengths = calloc(index->longest / 64 + 1, sizeof(index->lengths[0]));
	index->items = calloc(paths + 1, sizeof(index->items[0]));
	if (index->entries == NULL || index->lengths == NULL || index->items == NULL) {
		table_free(index);
		return NULL;
	}
	return index;
}

void table_free(struct route_index *index)
{
	if (index == NULL)
		return;
	free(index->entries);
	free(index->lengths);
	free(index->items);
	free(index);
}
