/* An issuer of tokens. Its keys are fetched by a look-up of its host, then a GET. For the control thread. */
#ifndef GATEWAY_CONTROL_ISSUER_H
#define GATEWAY_CONTROL_ISSUER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "gateway/base/random.h"
#include "gateway/jose/source.h"
#include "gateway/net/fetch.h"
#include "gateway/net/resolver.h"

enum { ISSUER_WANTED_GAP_MS = 60000, ISSUER_TIMEOUT_MS = 5000 };

struct issuer;

/* The state that all issuers share. */
struct issuer_room {
	struct event_base *base;
	struct fetcher *fetcher;
	struct resolver *resolver;
	struct random random;
	/* issuer->keys are new, or a token wanted newer ones and there are none; false: again after the next fetch */
	bool (*on_keys)(void *context, const struct issuer *issuer);
	void (*on_settled)(void *context); /* an issuer's first fetch has ended, well or not */
	void *context;
};

struct issuer {
	struct issuer *next;
	struct issuer_room *room;
	char *url, *host;
	struct address address; /* family 0: the host is a name; only the port counts */
	struct key_source *source;
	struct key_set *keys; /* NULL: it has never had any */
	struct event timer;   /* the next fetch */
	struct resolver_query *query;
	struct fetch *fetch;
	uint32_t refresh_ms;
	unsigned failures;    /* in a row */
	uint64_t fetched_ms;  /* when the last fetch began */
	uint64_t wanted_ms;   /* when a token last caused a fetch; 0: never */
	bool is_settled;
	bool is_unsent; /* on_keys is called after the next fetch, also for the same keys */
};

/* Has no keys yet. NULL: memory is short. */
struct issuer *issuer_new(struct issuer_room *room, const struct jwt_settings *settings);
void issuer_free(struct issuer *issuer);
/* Fetches now; no fetch may be under way. */
void issuer_fetch(struct issuer *issuer);
/* A token named an unknown key: on_keys() tells at once or after a fetch how things stand; not while there are no keys. */
void issuer_want(struct issuer *issuer);
/* Sets the time of the next fetch, by refresh_ms and by how the last fetch ended. */
void issuer_set_timer(struct issuer *issuer);

#endif
