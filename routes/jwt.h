/* A route's requirements for bearer tokens (auth.jwt in gateway.yml), and the algorithms that may sign them. */
#ifndef ROUTES_JWT_H
#define ROUTES_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

struct key_source;

/*
 * The algorithms of RFC 7518 that sign with a private key, and the key that each takes. Those that take a shared secret (HS256 ...)
 * are left out: with them a public key could be taken for the secret, and every service that checks tokens could make them.
 */
#define JWT_ALGORITHMS(X) \
	X(RS256, "RSA", NULL) \
	X(RS384, "RSA", NULL) \
	X(RS512, "RSA", NULL) \
	X(PS256, "RSA", NULL) \
	X(PS384, "RSA", NULL) \
	X(PS512, "RSA", NULL) \
	X(ES256, "EC", "P-256") \
	X(ES384, "EC", "P-384") \
	X(ES512, "EC", "P-521")

enum jwt_algorithm {
#define JWT_ALGORITHM(name, type, curve) JWT_##name,
	JWT_ALGORITHMS(JWT_ALGORITHM)
#undef JWT_ALGORITHM
	JWT_ALGORITHM_COUNT
};

#define JWT_BIT(algorithm) (UINT32_C(1) << (algorithm))

/* A claim that the service gets as a field. */
struct jwt_header {
	const char *name;
	size_t name_length;
	size_t claim; /* index in jwt_settings.claims */
};

enum { JWT_CLAIMS_MAX = 16 };

struct jwt_settings {
	uint64_t id;        /* unique in the life of the process; set when the configuration is read */
	const char *issuer; /* NULL: any */
	const char *const *audiences;
	size_t audience_count; /* 0: any */
	uint32_t algorithms;   /* JWT_BIT() of each */
	uint32_t leeway_ms, refresh_ms;
	bool forward_token;
	const char *jwks;     /* as in the file: a URL or a path */
	const char *jwks_url; /* NULL: a file */
	const char *jwks_host;
	struct address jwks_address; /* of the URL; family 0 if its host is a name, whose port still counts */
	const char *jwks_text;       /* the content of the file; NULL: a URL */
	size_t jwks_length;
	size_t line, column; /* of jwks in the file of the configuration */
	const struct jwt_header *headers;
	size_t header_count;
	const char *claims[JWT_CLAIMS_MAX]; /* the claims whose values are kept, for headers and for others */
	size_t claim_count;
	struct key_source *source; /* set by the control thread before workers see the configuration */
};

/* "RS256"; NULL: no algorithm has this number. */
const char *jwt_algorithm_name(unsigned algorithm);
/* JWT_ALGORITHM_COUNT: it is none of them. */
enum jwt_algorithm jwt_algorithm_find(const char *name);
/* JWT_BIT() of all algorithms that a key of this type and curve (NULL: it has none) verifies. */
uint32_t jwt_algorithms_of(const char *type, const char *curve);
/* The index of a claim, which the worker keeps from now on. JWT_CLAIMS_MAX: there are too many. `name` must live as long as
 * the settings. */
size_t jwt_keep_claim(struct jwt_settings *settings, const char *name);

#endif
