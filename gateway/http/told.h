/*
 * A request as its client sent it, by the word of a proxy in front of the gateway. The caller asks only about requests of trusted
 * proxies. Pure; allocates nothing.
 */
#ifndef GATEWAY_HTTP_TOLD_H
#define GATEWAY_HTTP_TOLD_H

#include "gateway/http/request_head.h"

/* A request without one of these says nothing. */
#define TOLD_FIELDS \
	(FIELD_BIT(FIELD_FORWARDED) | FIELD_BIT(FIELD_X_FORWARDED_FOR) | FIELD_BIT(FIELD_X_FORWARDED_PROTO) | \
	 FIELD_BIT(FIELD_X_FORWARDED_HOST) | FIELD_BIT(FIELD_X_FORWARDED_PORT))

/* As the proxy wrote them; empty: it did not. Of a list this is the first element, which the proxy next to the client wrote.
 * Spring takes that one, too; Tomcat understands no list of hosts. Scheme and host come from Forwarded if the proxy wrote them
 * there only, and no X-Forwarded-For: a proxy that writes that one may pass on a Forwarded of its client's. */
struct told {
	struct slice scheme, host, port;
};
struct told told_read(const struct request *request);

/* The port that the client used: as told, as written in `host`, or the scheme's own. Empty: it is not known. */
struct slice told_port(const struct told *told, struct slice host);
/* 80 or 443, as text; empty: the scheme is none of HTTP's. */
struct slice told_own_port(struct slice scheme);
/* RFC 3986 section 3.1. */
bool told_is_scheme(struct slice text);

#endif
