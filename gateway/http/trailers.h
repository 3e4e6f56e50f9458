/* Fields behind a body. */
#ifndef GATEWAY_HTTP_TRAILERS_H
#define GATEWAY_HTTP_TRAILERS_H

#include "gateway/http/fields.h"

/* May this field stand in a trailer that is forwarded (RFC 9110 section 6.5.1)? Framing, routing, authentication,
 * request modifiers and everything hop-by-hop may not. */
bool field_may_be_trailer(const struct field *field);

#endif
