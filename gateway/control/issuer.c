#include "gateway/control/issuer.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/jose/source.h"
#include "gateway/net/timer.h"

/* The pause after a failure: short if there are no keys at all, because every request then gets 503. */
enum { RETRY_WITHOUT_KEYS_MS = 1000, RETRY_MS = 30000 };

/* ---- what comes of a fetch ------------------------------------------------------------------------------------- */

/* Sets the next fetch, so long after the last one began; up to a tenth less, so that many gateways don't go on fetching
 * together. */
static void set_timer(struct issuer *issuer, uint64_t wait_ms)
{
	uint64_t now_ms = clock_now_ms(), due_ms = issuer->fetched_ms + random_shorten(&issuer->room->random, wait_ms);

	timer_set(&issuer->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

void issuer_set_timer(struct issuer *issuer)
{
	uint64_t retry_ms = issuer->keys == NULL ? RETRY_WITHOUT_KEYS_MS : RETRY_MS;

	set_timer(issuer, issuer->failures == 0 || issuer->refresh_ms < retry_ms ? issuer->refresh_ms : retry_ms);
}

static void tell(struct issuer *issuer)
{
	issuer->is_unsent = !issuer->room->on_keys(issuer->room->context, issuer);
}

/* The workers hear of a fetch that changed nothing, too, if they wait for it. */
static void settle(struct issuer *issuer)
{
	bool was_settled = issuer->is_settled;

	if (issuer->is_unsent && issuer->keys != NULL)
		tell(issuer);
	issuer->is_settled = true;
	if (!was_settled)
		issuer->room->on_settled(issuer->room->context);
}

static void fail(struct issuer *issuer, const char *before, const char *reason)
{
	if (issuer->failures++ == 0)
		log_warn("jwks: no keys from %s: %s%s; %s", issuer->url, before, reason,
		         issuer->keys == NULL ? "requests that need them get 503" : "the gateway goes on with its last keys");
	issuer_set_timer(issuer);
	settle(issuer);
}

static void take(struct issuer *issuer, struct key_set *keys)
{
	bool is_same = issuer->keys != NULL && key_set_equals(issuer->keys, keys);

	if (issuer->failures > 0)
		log_info("jwks: %s answers again", issuer->url);
	issuer->failures = 0;
	issuer_set_timer(issuer);
	if (is_same) { /* tokens that were verified with them stay remembered */
		key_set_release(keys);
	} else {
		key_set_warm_up(keys);
		key_set_release(issuer->keys);
		issuer->keys = keys;
		log_write(keys->count == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "jwks: %zu keys from %s, %zu left out%s%s", keys->count,
		          issuer->url, keys->left_out, keys->why_left_out == NULL ? "" : ": ",
		          keys->why_left_out == NULL ? "" : keys->why_left_out);
		issuer->is_unsent = true;
	}
	settle(issuer);
}

static void on_end(void *context, const struct fetch_result *result)
{
	struct issuer *issuer = context;
	struct key_set *keys;
	char status[16];
	const char *why;

	issuer->fetch = NULL;
	if (result->error != NULL) {
		fail(issuer, "", result->error);
		return;
	}
	if (result->status != 200 || result->body == NULL) {
		snprintf(status, sizeof status, "%u", result->status);
		fail(issuer, "it answers with ", status);
		return;
	}
	keys = key_set_read(result->body, result->length, &why);
	if (keys == NULL)
		fail(issuer, "its answer is no key set: ", why);
	else
		take(issuer, keys);
}

/* ---- a fetch --------------------------------------------------------------------------------------------------- */

static void fetch_from(struct issuer *issuer, const struct address *address)
{
	char connect_to[ADDRESS_TEXT_MAX + 2] = "::";
	struct fetch_order order = { .url = issuer->url, .connect_to = connect_to, .may_use_tls = true,
		                         .timeout_ms = ISSUER_TIMEOUT_MS,
		                         .body_most = KEYS_BYTES_MAX };
	struct address whole = *address;

	whole.port = issuer->address.port;
	address_format(&whole, connect_to + 2);
	issuer->fetch = fetch_start(issuer->room->fetcher, &order, on_end, issuer);
	if (issuer->fetch == NULL)
		fail(issuer, "", "out of memory");
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct issuer *issuer = context;

	issuer->query = NULL;
	if (answer->verdict == RESOLVER_ANSWER)
		fetch_from(issuer, &answer->addresses[issuer->failures % answer->count]);
	else
		fail(issuer, "its host has no address", answer->error == NULL ? "" : answer->error);
}

void issuer_fetch(struct issuer *issuer)
{
	event_del(&issuer->timer);
	issuer->fetched_ms = clock_now_ms();
	if (issuer->address.family != 0) {
		fetch_from(issuer, &issuer->address);
		return;
	}
	issuer->query = resolver_ask(issuer->room->resolver, issuer->host, on_answer, issuer);
	if (issuer->query == NULL)
		fail(issuer, "", "out of memory");
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	issuer_fetch(context);
}

void issuer_want(struct issuer *issuer)
{
	uint64_t now_ms = clock_now_ms();

	issuer->is_unsent = true;
	if (issuer->query != NULL || issuer->fetch != NULL)
		return;
	if (issuer->wanted_ms != 0 && now_ms - issuer->wanted_ms < ISSUER_WANTED_GAP_MS) {
		if (issuer->keys != NULL)
			tell(issuer);
		return;
	}
	issuer->wanted_ms = now_ms;
	issuer_fetch(issuer);
}

/* ---- birth and death ------------------------------------------------------------------------------------------- */

void issuer_free(struct issuer *issuer)
{
	if (issuer->query != NULL)
		resolver_cancel(issuer->query);
	if (issuer->fetch != NULL)
		fetch_cancel(issuer->fetch);
	if (event_initialized(&issuer->timer))
		event_del(&issuer->timer);
	if (issuer->source != NULL)
		key_source_release(issuer->source);
	key_set_release(issuer->keys);
	free(issuer->url);
	free(issuer->host);
	free(issuer);
}

struct issuer *issuer_new(struct issuer_room *room, const struct jwt_settings *settings)
{
	struct issuer *issuer = calloc(1, sizeof *issuer);
	const char *why;

	if (issuer == NULL)
		return NULL;
	issuer->room = room;
	issuer->url = strdup(settings->jwks_url);
	issuer->host = strdup(settings->jwks_host);
	issuer->address = settings->jwks_address;
	issuer->source = key_source_new(settings, &why);
	issuer->refresh_ms = settings->refresh_ms;
	if (issuer->url == NULL || issuer->host == NULL || issuer->source == NULL) {
		issuer_free(issuer);
		return NULL;
	}
	evtimer_assign(&issuer->timer, room->base, on_timer, issuer);
	return issuer;
}
