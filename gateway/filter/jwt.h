/* auth.jwt: lets only requests pass with a bearer token that an issuer has signed (RFC 6750). */
#ifndef GATEWAY_FILTER_JWT_H
#define GATEWAY_FILTER_JWT_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_jwt;

/* For later filters: a claim of the request's verified token as a text. It must be one of those that the route keeps
 * (jwt_settings.claims). Lasts as long as the request. data NULL: there is none. */
struct slice jwt_claim(struct filter_run *run, const char *name);

#endif
