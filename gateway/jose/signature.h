/*
 * Signatures. This is the room of José (libjose), which is loaded when a configuration first has a route with auth.jwt: it
 * brings OpenSSL, which other gateways need not pay for.
 *
 * José gets a key that holds only what its type needs, and an algorithm that token.c has compared with the key: it has
 * nothing to choose.
 */
#ifndef GATEWAY_JOSE_SIGNATURE_H
#define GATEWAY_JOSE_SIGNATURE_H

#include <jansson.h>

#include "gateway/base/slice.h"

/* The control thread, before any other function here. False: `error` says why. */
bool signature_load(char *error, size_t size);
enum signature_verdict { SIGNATURE_WRONG, SIGNATURE_RIGHT, SIGNATURE_NO_MEMORY };

/* Is it this key's? All three as they stand in the token. Any thread. Where José itself has no memory, it is wrong. */
enum signature_verdict signature_verify(const json_t *jwk, struct slice header, struct slice payload, struct slice signature);

/* Has OpenSSL do now what it does once for all threads, such as reading its configuration: it takes ten milliseconds, and a
 * worker may open no file. */
void signature_warm_up(const json_t *jwk, const char *algorithm);

#endif
