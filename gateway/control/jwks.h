/*
 * The keys of tokens' issuers (auth.jwt.jwks): fetched with libcurl, sent to the workers. For the control thread.
 *
 * It fetches them when a configuration first names their URL, and then every auth.jwt.refresh. A token with an unknown key
 * causes another fetch, but at most once in ISSUER_WANTED_GAP_MS for each issuer, whoever sends such tokens. While an issuer
 * is down, or its answer is not a key set, its last keys stay in use. A well-formed set counts even if it is empty: with it
 * an issuer withdraws its keys.
 *
 * An issuer in two configurations is one issuer: a reload forgets no keys. Keys of a file are read with the configuration.
 */
#ifndef GATEWAY_CONTROL_JWKS_H
#define GATEWAY_CONTROL_JWKS_H

#include "gateway/control/state.h"

enum { JWKS_SETTLE_MS = 1000 };

struct key_source;

/* Gives each auth.jwt of a configuration in preparation its source. False: `error` says why, unless memory is short. */
bool jwks_prepare(struct control *control, struct config *config, char *error, size_t size);
/* Has each issuer answered once, or had JWKS_SETTLE_MS for it? If not, view.on_settled follows. */
bool jwks_are_settled(const struct control *control);
/* control->config is in use, or stays in use: forgets issuers that it does not name. */
void jwks_commit(struct control *control);
/* Sends the present keys to workers that are about to start. */
void jwks_send_all(struct control *control);
/* A worker met a token with an unknown key of this source. Takes the reference. */
void jwks_on_wanted(struct control *control, struct key_source *source);
/* Before the memory of a configuration goes; any thread. */
void jwks_release(struct config *config);
void jwks_destroy(struct control *control);

#endif
