#include "gateway/control/jwks.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/control/issuer.h"
#include "gateway/jose/signature.h"
#include "gateway/net/timer.h"

struct jwks {
	struct issuer_room room;
	struct issuer *issuers;
	struct event settle_timer;
};

static struct issuer *first_of(const struct control *control)
{
	return control->jwks == NULL ? NULL : control->jwks->issuers;
}

/* ---- workers --------------------------------------------------------------------------------------------------- */

/* False: a worker does not get them. */
static bool send_keys(struct control *control, const struct issuer *issuer)
{
	bool is_sent = true;

	for (unsigned i = 0; i < control->worker_count; i++) {
		struct key_set *keys = key_set_reference(issuer->keys);

		if (inbox_send(&control->workers[i].inbox, WORKER_KEYS, key_source_reference(issuer->source), keys))
			continue;
		log_error("out of memory: worker %u does not get the keys of %s", i, issuer->url);
		key_source_release(issuer->source);
		key_set_release(keys);
		is_sent = false;
	}
	return is_sent;
}

void jwks_send_all(struct control *control)
{
	for (const struct issuer *issuer = first_of(control); issuer != NULL; issuer = issuer->next)
		if (issuer->keys != NULL)
			send_keys(control, issuer);
}

void jwks_on_wanted(struct control *control, struct key_source *source)
{
	struct issuer *issuer = first_of(control);

	while (issuer != NULL && issuer->source != source)
		issuer = issuer->next;
	key_source_release(source);
	if (issuer != NULL)
		issuer_want(issuer);
}

/* ---- configurations -------------------------------------------------------------------------------------------- */

bool jwks_are_settled(const struct control *control)
{
	for (const struct issuer *issuer = first_of(control); issuer != NULL; issuer = issuer->next)
		if (!issuer->is_settled)
			return false;
	return true;
}

static void on_settle_timer(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd, (void)what;
	for (struct issuer *issuer = control->jwks->issuers; issuer != NULL; issuer = issuer->next)
		issuer->is_settled = true;
	control->view.on_settled(control);
}

static struct issuer *find_or_add(struct jwks *jwks, const struct jwt_settings *settings)
{
	struct issuer *issuer = jwks->issuers;

	while (issuer != NULL && strcmp(issuer->url, settings->jwks_url) != 0)
		issuer = issuer->next;
	if (issuer != NULL || (issuer = issuer_new(&jwks->room, settings)) == NULL)
		return issuer;
	issuer->next = jwks->issuers;
	jwks->issuers = issuer;
	return issuer;
}

static bool on_keys(void *context, const struct issuer *issuer)
{
	return send_keys(context, issuer);
}

static void on_settled(void *context)
{
	const struct control *control = context;

	if (jwks_are_settled(control))
		control->view.on_settled(context);
}

static bool make_room(struct control *control)
{
	struct jwks *jwks = control->jwks;

	if (jwks != NULL)
		return true;
	jwks = control->jwks = calloc(1, sizeof *jwks);
	if (jwks == NULL)
		return false;
	jwks->room = (struct issuer_room){ .base = control->base, .on_keys = on_keys, .on_settled = on_settled, .context = control };
	random_seed(&jwks->room.random);
	evtimer_assign(&jwks->settle_timer, control->base, on_settle_timer, control);
	return true;
}

/* Repeats look-ups under way by the configuration's settings. */
static bool renew_resolver(struct jwks *jwks, const struct config *config, char *error, size_t size)
{
	struct resolver_settings how = { .servers = config->dns_servers, .server_count = config->dns_server_count,
		                             .timeout_ms = config->dns_timeout_ms };
	struct resolver *resolver = resolver_new(jwks->room.base, &how, error, size), *old = jwks->room.resolver;

	if (resolver == NULL)
		return false;
	jwks->room.resolver = resolver;
	for (struct issuer *issuer = jwks->issuers; issuer != NULL; issuer = issuer->next) {
		if (issuer->query == NULL)
			continue;
		resolver_cancel(issuer->query);
		issuer->query = NULL;
		issuer_fetch(issuer);
	}
	if (old != NULL)
		resolver_free(old);
	return true;
}

/* Prepares for fetching, which a file of keys does not need. */
static bool begin(struct control *control, const struct config *config, char *error, size_t size)
{
	struct issuer_room *room;

	if (!make_room(control))
		return false;
	room = &control->jwks->room;
	if (room->fetcher == NULL)
		room->fetcher = fetcher_new(control->base, error, size);
	return room->fetcher != NULL && renew_resolver(control->jwks, config, error, size);
}

/* False: *why. */
static bool give_source(struct control *control, struct jwt_settings *settings, const char **why)
{
	struct issuer *issuer;

	if (settings->jwks_url == NULL) {
		settings->source = key_source_new(settings, why);
		return settings->source != NULL;
	}
	*why = "out of memory";
	issuer = find_or_add(control->jwks, settings);
	if (issuer == NULL)
		return false;
	settings->source = key_source_reference(issuer->source);
	return true;
}

/* Fetches the keys of new issuers. */
static void start_fetching(struct jwks *jwks)
{
	for (struct issuer *issuer = jwks->issuers; issuer != NULL; issuer = issuer->next)
		if (issuer->keys == NULL && issuer->query == NULL && issuer->fetch == NULL)
			issuer_fetch(issuer);
	timer_set(&jwks->settle_timer, JWKS_SETTLE_MS);
}

/* Of the routes whose keys are in files, or of those whose keys are fetched. */
static bool give_sources(struct control *control, const struct config *config, bool is_fetched, char *error, size_t size)
{
	bool is_begun = false;

	for (size_t i = 0; i < config->route_count; i++) {
		struct jwt_settings *settings = config->routes[i].jwt;
		const char *why;

		if (settings == NULL || settings->source != NULL || (settings->jwks_url != NULL) != is_fetched)
			continue;
		if (!signature_load(error, size) || (is_fetched && !is_begun && !begin(control, config, error, size)))
			return false;
		is_begun = is_fetched;
		if (!give_source(control, settings, &why)) {
			snprintf(error, size, "auth.jwt: can't use %s: %s", settings->jwks, why);
			return false;
		}
	}
	if (is_begun)
		start_fetching(control->jwks);
	return true;
}

bool jwks_prepare(struct control *control, struct config *config, char *error, size_t size)
{
	/* Files first: one that is no good must not have changed how the issuers in use are looked up. */
	return give_sources(control, config, false, error, size) && give_sources(control, config, true, error, size);
}

/* The shortest `refresh` of the routes that use its keys; 0: none does. */
static uint32_t refresh_of(const struct config *config, const struct issuer *issuer)
{
	uint32_t refresh_ms = 0;

	for (size_t i = 0; i < config->route_count; i++) {
		const struct jwt_settings *settings = config->routes[i].jwt;

		if (settings != NULL && settings->source == issuer->source && (refresh_ms == 0 || settings->refresh_ms < refresh_ms))
			refresh_ms = settings->refresh_ms;
	}
	return refresh_ms;
}

/* The next fetch may be due sooner than before. */
static void set_refresh(struct issuer *issuer, uint32_t refresh_ms)
{
	if (issuer->refresh_ms == refresh_ms)
		return;
	issuer->refresh_ms = refresh_ms;
	if (issuer->query == NULL && issuer->fetch == NULL)
		issuer_set_timer(issuer);
}

void jwks_commit(struct control *control)
{
	struct issuer **link = control->jwks == NULL ? NULL : &control->jwks->issuers;

	while (link != NULL && *link != NULL) {
		struct issuer *issuer = *link;
		uint32_t refresh_ms = refresh_of(control->config, issuer);

		if (refresh_ms > 0) {
			set_refresh(issuer, refresh_ms);
			link = &issuer->next;
			continue;
		}
		*link = issuer->next;
		issuer_free(issuer);
	}
}

void jwks_release(struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		struct jwt_settings *settings = config->routes[i].jwt;

		if (settings == NULL || settings->source == NULL)
			continue;
		key_source_release(settings->source);
		settings->source = NULL; /* other routes have the same */
	}
}

void jwks_destroy(struct control *control)
{
	struct jwks *jwks = control->jwks;

	if (jwks == NULL)
		return;
	while (jwks->issuers != NULL) {
		struct issuer *issuer = jwks->issuers;

		jwks->issuers = issuer->next;
		issuer_free(issuer);
	}
	event_del(&jwks->settle_timer);
	if (jwks->room.fetcher != NULL)
		fetcher_free(jwks->room.fetcher);
	if (jwks->room.resolver != NULL)
		resolver_free(jwks->room.resolver);
	free(jwks);
	control->jwks = NULL;
}
