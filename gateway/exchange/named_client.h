/* The client that a trusted proxy names. Pure: bytes in, slices of them out. */
#ifndef GATEWAY_EXCHANGE_NAMED_CLIENT_H
#define GATEWAY_EXCHANGE_NAMED_CLIENT_H

#include "gateway/http/request_head.h"
#include "routes/address.h"
#include "routes/config/config.h"

/* The address in an element of X-Forwarded-For or of Forwarded, without brackets and port, takes the place of `element`. False: the
 * element has none. */
bool named_client_read(enum field_id id, struct slice *element, struct address *address);
/* The last address in X-Forwarded-For that is not a trusted proxy itself; in Forwarded, if there is no X-Forwarded-For. Empty:
 * there is none. */
struct slice named_client_find(const struct config *config, const struct request *request);

#endif
