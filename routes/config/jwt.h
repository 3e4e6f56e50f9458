/* A route's auth.jwt, as gateway.yml has it. */
#ifndef ROUTES_CONFIG_JWT_H
#define ROUTES_CONFIG_JWT_H

#include "routes/config/reader.h"

/* When the whole route is read: what it asks for besides; the claim by which its rates are limited is kept. */
void jwt_check(struct reader *reader, const struct yaml_node *auth, struct route *route);

key_read read_jwt, read_audiences, read_jwks, read_algorithms, read_claims;

#endif
