/*
 * gateway.yml to a struct config, or every complaint about it.
 *
 *     text --yaml.c--> tree --section_read(), table of keys.h--> config --checks--> done
 *
 * The order is that of need, not of the file: plain keys, what they get wrong together, `defaults`, `upstreams`,
 * `routes`. Nothing stops at a mistake but broken YAML and want of memory. The configuration with all that hangs on it
 * lies in one arena; config_release() of the last reference frees it in one go.
 */
#include "routes/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/keys.h"
#include "routes/config/kinds.h"
#include "routes/config/reader.h"
#include "routes/config/route.h"
#include "routes/config/section.h"
#include "routes/config/upstream.h"
#include "routes/config/value.h"
#include "routes/route.h"

enum { SWARM_GRACE_MS = 10000 };

/* ---- what only the whole can show -------------------------------------------------------------------------------- */

/* May both be bound? "Any address" takes the port from all of its family. */
static bool overlap(const struct address *a, const struct address *b)
{
	static const uint8_t ANY[sizeof(a->ip)] = {0};

	if (a->family != b->family || a->port != b->port)
		return false;
	return address_equal(a, b) || memcmp(a->ip, ANY, sizeof(ANY)) == 0 || memcmp(b->ip, ANY, sizeof(ANY)) == 0;
}

static void check_listeners(struct reader *reader)
{
	const struct config *config = reader->config;
	const struct yaml_node *node = yaml_find(reader->root, "admin");

	if (node == NULL)
		node = yaml_find(reader->root, "listen");
	for (size_t i = 0; i < config->listen_count; i++)
		if (config->admin.family != 0 && overlap(&config->listen[i], &config->admin))
			reader_error(reader, node, "admin and listen can't have the same port");
}

static void check_drain(struct reader *reader)
{
	const struct config *config = reader->config;
	const struct yaml_node *node = yaml_find(reader->root, "drain");

	if ((uint64_t)config->drain_delay_ms + config->drain_timeout_ms > SWARM_GRACE_MS)
		reader_warn(reader, node != NULL ? node->key : NULL,
		            "drain.delay and drain.timeout together are longer than the 10s that a swarm gives a task to stop; "
		            "set stop_grace_period above their sum");
}

static void check_peers(struct reader *reader)
{
	const struct yaml_node *node = yaml_find(reader->root, "cluster");

	if (reader->config->peers.written != NULL && reader->config->admin.family == 0)
		reader_error(reader, node, "cluster.peers needs an admin listener: the gateways ask each other there");
}

static void find_slow(struct config *config)
{
	config->slow_ms = CONFIG_SLOW_MS;
	for (size_t i = 0; i < config->upstream_count; i++) {
		uint32_t slow_ms = config->upstreams[i].breaker.slow_call_ms;

		if (slow_ms != 0 && slow_ms < config->slow_ms)
			config->slow_ms = slow_ms;
	}
}

static void read_root(struct reader *reader)
{
	struct upstream_settings defaults = {0};

	section_read(reader, reader->root, SCOPE_ROOT, "the file", reader->config);
	if (reader->root->kind != YAML_MAPPING && !reader_is_empty(reader->root))
		return;
	check_listeners(reader);
	check_drain(reader);
	check_peers(reader);
	defaults_read(reader, &defaults);
	if (!reader->is_memory_short)
		upstreams_read(reader, &defaults);
	find_slow(reader->config);
	if (!reader->is_memory_short)
		routes_read(reader);
}

/* ---- one reading ------------------------------------------------------------------------------------------------- */

static bool begin(struct reader *reader, const char *file)
{
	reader->memory = arena_new();
	reader->scratch = arena_new();
	if (reader->memory == NULL || reader->scratch == NULL)
		return false;
	reader->config = reader_allocate(reader, sizeof(*reader->config));
	if (reader->config == NULL)
		return false;
	atomic_init(&reader->config->references, 1);
	reader->config->memory = reader->memory;
	reader->config->file = reader_copy(reader, file, strlen(file));
	section_defaults(reader, SCOPE_ROOT, reader->config);
	return reader->config->file != NULL;
}

/* With errors it is what could be read in spite of them. */
static struct config *parse(const char *file, const char *text, size_t length, struct complaints *complaints)
{
	struct reader reader = {.readers = kinds_readers, .file = file, .complaints = complaints};
	struct yaml_reading reading = {
		.allocate = reader_allocate_scratch, .complain = reader_complain_at, .context = &reader};

	*complaints = (struct complaints){0};
	if (!begin(&reader, file))
		reader.is_memory_short = true;
	else
		reader.root = yaml_read(text, length, &reading);
	if (reader.root != NULL)
		read_root(&reader);
	if (reader.is_memory_short)
		complaints_add(complaints, 0, 0, false, "out of memory");
	complaints_sort(complaints);
	arena_free(reader.scratch);
	if (reader.config == NULL)
		arena_free(reader.memory);
	return reader.config;
}

static struct config *without_errors(struct config *config, const struct complaints *complaints)
{
	if (complaints->errors == 0)
		return config;
	config_release(config);
	return NULL;
}

struct config *config_parse(const char *file, const char *text, size_t length, struct complaints *complaints)
{
	return without_errors(parse(file, text, length, complaints), complaints);
}

/* NULL after a complaint. */
static char *load(const char *file, size_t *length, struct complaints *complaints)
{
	FILE *from = fopen(file, "re");
	char *text = from != NULL ? malloc(YAML_TEXT_MAX + 1) : NULL;
	char words[120];

	/* One byte more than is allowed tells that there is more. */
	if (from != NULL && text != NULL)
		*length = fread(text, 1, YAML_TEXT_MAX + 1, from);
	if (from == NULL || text == NULL || ferror(from)) {
		snprintf(words, sizeof(words), "can't read the file: %.80s", strerror(errno));
		complaints_add(complaints, 0, 0, false, words);
		free(text);
		text = NULL;
	}
	if (from != NULL)
		fclose(from);
	return text;
}

struct config *config_read_anyway(const char *file, struct complaints *complaints)
{
	struct config *config;
	size_t length;
	char *text;

	*complaints = (struct complaints){0};
	text = load(file, &length, complaints);
	if (text == NULL)
		return NULL;
	config = parse(file, text, length, complaints);
	free(text);
	return config;
}

struct config *config_read(const char *file, struct complaints *complaints)
{
	return without_errors(config_read_anyway(file, complaints), complaints);
}

/* ---- what is asked of it ----------------------------------------------------------------------------------------- */

bool config_trusts(const struct config *config, const struct address *peer)
{
	for (size_t i = 0; i < config->trusted_proxy_count; i++)
		if (prefix_contains(&config->trusted_proxies[i], peer))
			return true;
	return false;
}

const struct upstream_settings *config_find_upstream(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->upstream_count; i++)
		if (strcmp(config->upstreams[i].name, name) == 0)
			return &config->upstreams[i];
	return NULL;
}

/* ---- its life ---------------------------------------------------------------------------------------------------- */

struct config *config_reference(struct config *config)
{
	atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
	return config;
}

void config_release(struct config *config)
{
	if (config == NULL || atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) != 1)
		return;
	if (config->on_free != NULL)
		config->on_free(config);
	if (config->admin_token != NULL)
		explicit_bzero(config->admin_token, strlen(config->admin_token));
	route_index_free((struct route_index *)config->index);
	arena_free(config->memory);
}
