/* base64url without padding (RFC 7515 section 2). The same bytes have one text only, so no other form is accepted. */
#ifndef GATEWAY_JOSE_BASE64URL_H
#define GATEWAY_JOSE_BASE64URL_H

#include "gateway/base/slice.h"

/* At most so many bytes. */
#define BASE64URL_BYTES(length) ((length) / 4 * 3 + 2)

/* `to` has room for BASE64URL_BYTES(). False: another byte, padding, a length that can't be, or bits at the end that are not 0. */
bool base64url_decode(struct slice text, char *to, size_t *length);

#endif
