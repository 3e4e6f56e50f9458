#include "gateway/filter/store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/telemetry/metrics_shape.h"

/* Microseconds since a day of 2023, so that a double keeps their fractions. A key expires when it holds no state any more. */
static const char SCRIPT[] =
	"local t = redis.call('TIME')\n"
	"local now = (t[1] - 1700000000) * 1000000 + t[2]\n"
	"local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
	"local arrival = tonumber(redis.call('GET', KEYS[1]) or now) or now\n"
	"arrival = math.min(math.max(arrival, now), now + window)\n"
	"local ahead = arrival + interval - now\n"
	"if ahead > window + 0.001 then return {0, math.ceil(arrival - now), math.ceil(ahead - window)} end\n"
	"redis.call('SET', KEYS[1], string.format('%.3f', arrival + interval), 'PX', math.ceil(ahead / 1000))\n"
	"return {1, math.ceil(ahead), 0}\n";

/* A worker's connection to a store. */
struct link {
	struct store *store;
	struct redis *redis; /* NULL: not needed yet */
	bool is_down;
};

struct store {
	struct store *next;
	char *name, *host, *user, *password;
	uint16_t port;
	struct redis_settings settings[STORE_WORKERS_MAX];
	struct link links[STORE_WORKERS_MAX]; /* each used by its worker alone */
	pthread_mutex_t mutex;
	struct address address; /* with the mutex; family 0: not known */
	_Atomic unsigned users; /* limiters: without any nobody asks it again */
	_Atomic unsigned links_down;
	_Atomic uint64_t answered, local;
};

static struct {
	struct store *first; /* the control thread's */
	_Atomic unsigned gateways;
} stores = { .gateways = 1 };

/* ---- connections --------------------------------------------------------------------------------------------- */

static bool find(void *context, struct address *address)
{
	struct store *store = ((struct link *)context)->store;

	pthread_mutex_lock(&store->mutex);
	*address = store->address;
	pthread_mutex_unlock(&store->mutex);
	return address->family != 0;
}

/* The first worker that loses the store logs it, and so does the last one that has it again. Without users it is no loss. */
static void on_down(void *context, const char *why)
{
	struct link *link = context;

	if (link->is_down || atomic_load(&link->store->users) == 0)
		return;
	link->is_down = true;
	if (atomic_fetch_add(&link->store->links_down, 1) == 0)
		log_warn("rate_limit.store %s: %s; until it answers each gateway limits by itself, to its share (1 of %u)",
		         link->store->name, why, atomic_load(&stores.gateways));
}

static void on_up(void *context)
{
	struct link *link = context;

	if (!link->is_down)
		return;
	link->is_down = false;
	if (atomic_fetch_sub(&link->store->links_down, 1) == 1)
		log_info("rate_limit.store %s: it answers again", link->store->name);
}

static size_t write_us(char text[TEXT_NUMBER_MAX + 8], uint64_t ns)
{
	return (size_t)sprintf(text, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

struct redis_call *store_ask(struct store *store, struct worker *worker, struct slice key, const struct rate *rate,
                             redis_on_answer *on_answer, void *context)
{
	struct link *link = &store->links[worker->index];
	char interval[TEXT_NUMBER_MAX + 8], window[TEXT_NUMBER_MAX + 8];
	struct slice arguments[REDIS_ARGUMENTS] = { { interval, 0 }, { window, 0 } };

	if (link->redis == NULL) {
		link->redis = redis_new(&worker->io, &store->settings[worker->index]);
		if (link->redis == NULL)
			return NULL;
	}
	arguments[0].length = write_us(interval, rate->interval_ns);
	arguments[1].length = write_us(window, rate->window_ns);
	return redis_call(link->redis, key, arguments, on_answer, context);
}

void stores_leave(const struct worker *workers, unsigned count)
{
	for (struct store *store = stores.first; store != NULL; store = store->next) {
		for (unsigned i = 0; i < count; i++) {
			struct link *link = &store->links[workers[i].index];

			if (link->redis != NULL)
				redis_free(link->redis);
			link->redis = NULL;
		}
	}
}

/* ---- decisions ----------------------------------------------------------------------------------------------- */

static uint64_t ns_of(int64_t us)
{
	return us <= 0 ? 0 : (uint64_t)us > RATE_WINDOW_MAX_NS / 1000 ? RATE_WINDOW_MAX_NS : (uint64_t)us * 1000;
}

struct rate_verdict store_verdict(const int64_t numbers[REDIS_NUMBERS])
{
	return (struct rate_verdict){ .is_allowed = numbers[0] != 0, .ahead_ns = ns_of(numbers[1]), .wait_ns = ns_of(numbers[2]) };
}

void store_count_answer(struct store *store)
{
	atomic_fetch_add_explicit(&store->answered, 1, memory_order_relaxed);
}

struct rate store_count_local(struct store *store, const struct rate *rate)
{
	atomic_fetch_add_explicit(&store->local, 1, memory_order_relaxed);
	return rate_share(rate, atomic_load_explicit(&stores.gateways, memory_order_relaxed));
}

/* ---- the control thread -------------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_like(const struct store *store, const struct store_settings *settings)
{
	return strcmp(store->name, settings->name) == 0 && is_same_text(store->user, settings->user) &&
	       is_same_text(store->password, settings->password) && store->settings[0].database == settings->database;
}

static bool copy(char **to, const char *text)
{
	*to = text == NULL ? NULL : strdup(text);
	return text == NULL || *to != NULL;
}

static struct store *make(const struct store_settings *settings)
{
	struct store *store = calloc(1, sizeof *store);

	if (store == NULL)
		return NULL;
	if (!copy(&store->name, settings->name) || !copy(&store->host, settings->host) || !copy(&store->user, settings->user) ||
	    !copy(&store->password, settings->password)) {
		free(store->name);
		free(store->host);
		free(store->user);
		free(store->password);
		free(store);
		return NULL;
	}
	store->port = settings->port;
	store->address = settings->address;
	pthread_mutex_init(&store->mutex, NULL);
	for (size_t i = 0; i < STORE_WORKERS_MAX; i++) {
		store->links[i].store = store;
		store->settings[i] = (struct redis_settings){ .user = store->user, .password = store->password,
			                                      .database = settings->database, .script = SCRIPT, .find = find,
			                                      .on_up = on_up, .on_down = on_down, .context = &store->links[i] };
	}
	store->next = stores.first;
	stores.first = store;
	return store;
}

struct store *store_use(const struct store_settings *settings, char *error, size_t size)
{
	struct store *store = stores.first;

	if (!redis_reader_load(error, size))
		return NULL;
	while (store != NULL && !is_like(store, settings))
		store = store->next;
	if (store == NULL)
		store = make(settings);
	if (store == NULL)
		snprintf(error, size, "out of memory");
	return store;
}

void store_hold(struct store *store)
{
	atomic_fetch_add(&store->users, 1);
}

void store_release(struct store *store)
{
	atomic_fetch_sub(&store->users, 1);
}

/* An existing connection keeps its address; the next one uses the new address. */
void stores_take_addresses(const char *host, const struct address *addresses, size_t count)
{
	for (struct store *store = stores.first; store != NULL; store = store->next) {
		if (strcmp(store->host, host) != 0 || count == 0)
			continue;
		pthread_mutex_lock(&store->mutex);
		store->address = addresses[0];
		store->address.port = store->port;
		pthread_mutex_unlock(&store->mutex);
	}
}

void stores_set_gateways(size_t count)
{
	atomic_store(&stores.gateways, count == 0 ? 1 : (unsigned)count);
}

/* Stores that differ only in password or database have one name, and so one series. */
struct named {
	bool is_used, is_up;
	uint64_t answered, local;
};

static struct named sum_of_name(const char *name)
{
	struct named sum = { .is_up = true };

	for (const struct store *store = stores.first; store != NULL; store = store->next) {
		bool is_used = atomic_load(&store->users) > 0;

		if (strcmp(store->name, name) != 0)
			continue;
		sum.is_used |= is_used;
		sum.is_up &= !is_used || atomic_load(&store->links_down) == 0;
		sum.answered += atomic_load(&store->answered);
		sum.local += atomic_load(&store->local);
	}
	return sum;
}

static bool is_first_of_name(const struct store *store)
{
	const struct store *first = stores.first;

	while (strcmp(first->name, store->name) != 0)
		first = first->next;
	return first == store;
}

static void write_line(FILE *to, const char *name, const struct store *store, const char *by, uint64_t value)
{
	fprintf(to, "%s{", name);
	metrics_label(to, "store", store->name);
	if (by != NULL)
		fprintf(to, ",result=\"%s\"", by);
	fprintf(to, "} %" PRIu64 "\n", value);
}

void stores_write_metrics(FILE *to)
{
	static const char up[] = "gateway_rate_limit_store_up", decisions[] = "gateway_rate_limit_store_decisions_total";

	if (stores.first == NULL)
		return;
	metrics_head(to, up, "gauge", "whether the store of rate limits answers all workers that asked it");
	for (const struct store *store = stores.first; store != NULL; store = store->next)
		if (is_first_of_name(store) && sum_of_name(store->name).is_used)
			write_line(to, up, store, NULL, sum_of_name(store->name).is_up);
	metrics_head(to, decisions, "counter", "who decided: the store, or this gateway by itself, to its share");
	for (const struct store *store = stores.first; store != NULL; store = store->next) {
		if (!is_first_of_name(store))
			continue;
		write_line(to, decisions, store, "store", sum_of_name(store->name).answered);
		write_line(to, decisions, store, "local", sum_of_name(store->name).local);
	}
}
