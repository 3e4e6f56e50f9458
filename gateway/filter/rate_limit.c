#include "gateway/filter/rate_limit.h"

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/filter/jwt.h"
#include "gateway/filter/limiter.h"
#include "gateway/filter/store.h"
#include "gateway/http/lookalikes.h"

enum { LOG_GAP_MS = 10000, FIELD_MAX = 64 };
enum { STORE_MS = 5 }; /* how long a request waits for the store */

/* While the gateway asks the store. */
struct question {
	struct filter_run *run;
	struct redis_call *call;
	uint64_t key;
	bool is_answered;
	int64_t numbers[REDIS_NUMBERS];
};

struct state {
	uint64_t remaining, full_s; /* for RateLimit: the calls that are left, and the seconds until the burst is back */
	bool is_known;
	struct question question; /* last: without a store there is none */
};

static const struct filter_type local, quiet;

static const void *settings_of(const struct route *route)
{
	return route->rate_limit.enabled && route->rate_limit.key != RATE_LIMIT_JWT ? &route->rate_limit : NULL;
}

static const void *settings_of_claim(const struct route *route)
{
	return route->rate_limit.enabled && route->rate_limit.key == RATE_LIMIT_JWT ? &route->rate_limit : NULL;
}

static bool create(struct filter *filter)
{
	const struct limiter *limiter = filter->shared = limiter_use(filter->route);

	if (limiter != NULL && limiter->store == NULL)
		filter->type = filter->route->rate_limit.headers ? &local : &quiet;
	return limiter != NULL;
}

static void destroy(struct filter *filter)
{
	limiter_release(filter->shared);
}

/* ---- whose request is it? ------------------------------------------------------------------------------------ */

/* Requests without the field count together. So do requests with more than one, in any spelling, because nobody knows which
 * of them the service takes, and requests with one that is spelled otherwise (X_Api_Key), which most services ignore. A field
 * that Connection names does not reach the service, so here it is none. */
static struct slice field_value(const struct rate_limit_settings *settings, const struct request *request)
{
	const struct slice name = { settings->name, settings->name_length };
	struct slice value = { "", 0 };
	unsigned count = 0;

	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		if (!field_names_look_alike(field->name, name) || field->is_hop_by_hop)
			continue;
		if (slice_equal_nocase(field->name, name))
			value = field->value;
		count++;
	}
	return count == 1 ? value : (struct slice){ "", 0 };
}

/* The text that requests which count together have in common; tokens without the claim share one. `client` is room for it. */
static struct slice caller_of(struct filter_run *run, const struct rate_limit_settings *settings, const struct request *request,
                              struct address *client)
{
	const uint8_t *bytes;
	struct slice claim;
	size_t length;

	switch (settings->key) {
	case RATE_LIMIT_CLIENT:
		length = address_client(filter_client(run, client), &bytes);
		return (struct slice){ (const char *)bytes, length };
	case RATE_LIMIT_HEADER:
		return field_value(settings, request);
	case RATE_LIMIT_JWT:
		claim = jwt_claim(run, settings->name);
		return claim.data == NULL ? (struct slice){ "", 0 } : claim;
	case RATE_LIMIT_ROUTE:
		break;
	}
	return (struct slice){ "", 0 };
}

/* Out of line: most limits are by client, and most clients are the peer. */
static __attribute__((noinline)) uint64_t hash_other(struct filter_run *run, const struct filter *filter,
                                                     const struct request *request)
{
	const struct rate_limit_settings *settings = filter->settings;
	const struct limiter *limiter = filter->shared;
	struct address room;
	struct slice caller;

	if (settings->key == RATE_LIMIT_CLIENT)
		return client_counts_hash(limiter->seed.halves[0], filter_client(run, &room));
	caller = caller_of(run, settings, request, &room);
	return siphash(&limiter->seed, caller.data, caller.length);
}

/* Under which key a request is counted here. For clients there is a hash that is made for addresses. */
static inline uint64_t key_of(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct rate_limit_settings *settings = filter->settings;
	const struct limiter *limiter = filter->shared;

	if (settings->key == RATE_LIMIT_CLIENT && run->origin.asked_for.length == 0)
		return client_counts_hash(limiter->seed.halves[0], run->origin.peer);
	return hash_other(run, filter, request);
}

/* ---- the verdict --------------------------------------------------------------------------------------------- */

static uint64_t seconds_of(uint64_t ns)
{
	return (ns + 999999999) / 1000000000;
}

/* At most one worker logs it, once in a while. */
static bool may_log(_Atomic uint64_t *logged_ms, uint64_t now_ms)
{
	uint64_t before_ms = atomic_load_explicit(logged_ms, memory_order_relaxed);

	return (before_ms == 0 || now_ms - before_ms >= LOG_GAP_MS) && atomic_compare_exchange_strong(logged_ms, &before_ms, now_ms);
}

static void count_evicted(struct filter_run *run, const struct limiter *limiter)
{
	struct worker *worker = run->origin.worker;

	atomic_fetch_add_explicit(&limiter_counts(limiter, worker->index)->evicted, 1, memory_order_relaxed);
	if (may_log(&limiter->counted->evicted_logged_ms, worker_now_ms(worker)))
		log_warn("route %s: rate_limit has more keys than it can remember: it forgets those with the fewest requests",
		         run->origin.route->id);
}

static enum filter_verdict pass_dry(struct filter_run *run, const struct limiter *limiter)
{
	struct worker *worker = run->origin.worker;

	atomic_fetch_add_explicit(&limiter_counts(limiter, worker->index)->dry_run, 1, memory_order_relaxed);
	if (may_log(&limiter->counted->dry_run_logged_ms, worker_now_ms(worker)))
		log_info("route %s: rate_limit would refuse requests now, as of %.*s; dry_run lets them through", run->origin.route->id,
		         (int)run->origin.peer_text.length, run->origin.peer_text.data);
	return FILTER_CONTINUE;
}

static enum filter_verdict refuse(struct filter_run *run, const struct filter *filter, uint64_t wait_ns)
{
	const struct rate_limit_settings *settings = filter->settings;
	char *text = filter_room(run, TEXT_NUMBER_MAX);
	enum filter_verdict verdict;

	atomic_fetch_add_explicit(&limiter_counts(filter->shared, run->origin.worker->index)->refused, 1, memory_order_relaxed);
	if (text != NULL)
		filter_set_response_field(run, SLICE("Retry-After"),
		                          (struct slice){ text, (size_t)(text_put_number(text, seconds_of(wait_ns)) - text) });
	verdict = filter_answer(run, OUTCOME_RATE_LIMITED, NULL);
	run->reply.status = settings->status;
	return verdict;
}

static void note(struct filter_run *run, const struct filter *filter, const struct rate *rate,
                 const struct rate_verdict *verdict)
{
	struct state *state = filter_state(run, filter);

	state->remaining = rate_remaining(rate, verdict);
	state->full_s = seconds_of(verdict->ahead_ns);
	state->is_known = true;
}

static inline enum filter_verdict conclude(struct filter_run *run, const struct filter *filter, const struct rate *rate,
                                           const struct rate_verdict *verdict)
{
	const struct rate_limit_settings *settings = filter->settings;
	const struct limiter *limiter = filter->shared;

	if (verdict->has_evicted)
		count_evicted(run, limiter);
	if (settings->headers)
		note(run, filter, rate, verdict);
	if (!verdict->is_allowed)
		return settings->dry_run ? pass_dry(run, limiter) : refuse(run, filter, verdict->wait_ns);
	atomic_fetch_add_explicit(&limiter_counts(limiter, run->origin.worker->index)->allowed, 1, memory_order_relaxed);
	return FILTER_CONTINUE;
}

static inline enum filter_verdict decide_here(struct filter_run *run, const struct filter *filter, const struct rate *rate,
                                              uint64_t key)
{
	const struct limiter *limiter = filter->shared;
	struct rate_verdict verdict = rate_table_take(limiter->table, rate, key, io_now_us(&run->origin.worker->io));

	return conclude(run, filter, rate, &verdict);
}

/* ---- the store's verdict ------------------------------------------------------------------------------------- */

static enum filter_verdict decide_to_share(struct filter_run *run, const struct filter *filter, uint64_t key)
{
	const struct limiter *limiter = filter->shared;
	struct rate share = store_count_local(limiter->store, &limiter->rate);

	return decide_here(run, filter, &share, key);
}

static void on_answer(void *context, const int64_t numbers[REDIS_NUMBERS])
{
	struct question *question = context;

	question->is_answered = numbers != NULL;
	if (numbers != NULL)
		memcpy(question->numbers, numbers, sizeof question->numbers);
	filter_resume(question->run);
}

static enum filter_verdict ask_store(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct limiter *limiter = filter->shared;
	struct state *state = filter_state(run, filter);
	struct question *question = &state->question;
	struct address client;
	struct slice caller = caller_of(run, filter->settings, request, &client);
	char name[LIMITER_PREFIX_MAX + 2 * TEXT_HEX_MAX], *end = stpcpy(name, limiter->prefix);

	for (size_t i = 0; i < 2; i++)
		end = text_put_hex16(end, siphash(&limiter->shared_seeds[i], caller.data, caller.length));
	question->key = siphash(&limiter->seed, caller.data, caller.length);
	question->run = run;
	question->call = store_ask(limiter->store, run->origin.worker, (struct slice){ name, (size_t)(end - name) }, &limiter->rate,
	                           on_answer, question);
	return question->call == NULL ? decide_to_share(run, filter, question->key) : filter_wait(run, STORE_MS);
}

static enum filter_verdict on_resume(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct limiter *limiter = filter->shared;
	const struct state *state = filter_state(run, filter);
	struct rate_verdict verdict;

	(void)request;
	if (!state->question.is_answered)
		return decide_to_share(run, filter, state->question.key);
	store_count_answer(limiter->store);
	verdict = store_verdict(state->question.numbers);
	return conclude(run, filter, &limiter->rate, &verdict);
}

static void on_give_up(struct filter_run *run, const struct filter *filter, bool is_late)
{
	redis_give_up(((struct state *)filter_state(run, filter))->question.call, is_late);
}

/* ---- hooks --------------------------------------------------------------------------------------------------- */

static enum filter_verdict on_request(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct limiter *limiter = filter->shared;

	return decide_here(run, filter, &limiter->rate, key_of(run, filter, request));
}

/* draft-ietf-httpapi-ratelimit-headers-10: r calls are left, and the quota is back after t seconds. */
static void on_response(struct filter_run *run, const struct filter *filter, const struct response *response)
{
	const struct limiter *limiter = filter->shared;
	const struct state *state = filter_state(run, filter);
	char *text, *end;

	(void)response;
	if (!state->is_known)
		return;
	text = filter_room(run, FIELD_MAX);
	if (text == NULL)
		return;
	end = text_put_number(text_put_literal(text, "\"default\";r="), state->remaining);
	end = text_put_number(text_put_literal(end, ";t="), state->full_s);
	filter_set_response_field(run, SLICE("RateLimit-Policy"), (struct slice){ limiter->policy, strlen(limiter->policy) });
	filter_set_response_field(run, SLICE("RateLimit"), (struct slice){ text, (size_t)(end - text) });
}

#define RATE_LIMIT .name = "rate_limit", .create = create, .destroy = destroy
#define STORED \
	.state_size = sizeof(struct state), .on_request = ask_store, .on_resume = on_resume, .on_response = on_response, \
	.on_give_up = on_give_up

const struct filter_type filter_rate_limit = { RATE_LIMIT, STORED, .settings_of = settings_of },
                         filter_rate_limit_by_claim = { RATE_LIMIT, STORED, .settings_of = settings_of_claim };

/* Without a store, and without fields of its own in responses. */
static const struct filter_type local = { RATE_LIMIT, .state_size = offsetof(struct state, question), .on_request = on_request,
	                                      .on_response = on_response },
                                quiet = { RATE_LIMIT, .on_request = on_request };
