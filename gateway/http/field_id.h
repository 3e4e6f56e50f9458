/* The names of fields that the gateway knows, as numbers. */
#ifndef GATEWAY_HTTP_FIELD_ID_H
#define GATEWAY_HTTP_FIELD_ID_H

/* The fields that the gateway itself looks at or rewrites; every other name is FIELD_OTHER. */
enum field_id {
	FIELD_OTHER,
	FIELD_HOST,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_CONNECTION,
	FIELD_KEEP_ALIVE,
	FIELD_PROXY_CONNECTION,
	FIELD_PROXY_AUTHENTICATE,
	FIELD_PROXY_AUTHORIZATION,
	FIELD_TE,
	FIELD_TRAILER,
	FIELD_UPGRADE,
	FIELD_EXPECT,
	FIELD_VIA,
	FIELD_FORWARDED,
	FIELD_X_FORWARDED, /* the other X-Forwarded-..., X-Original-..., X-Rewrite-..., and X-Real-IP */
	FIELD_X_FORWARDED_FOR,
	FIELD_X_FORWARDED_PROTO,
	FIELD_X_FORWARDED_HOST,
	FIELD_X_FORWARDED_PORT,
	FIELD_X_REQUEST_ID,
	FIELD_LOOKALIKE, /* a reader may confuse it with one of the gateway's (lookalikes.c): never forwarded */
	FIELD_FRAMING_LOOKALIKE, /* "Content_Length", "Transfer_Encoding" */
	FIELD_TRACEPARENT,
	FIELD_USER_AGENT,
	FIELD_REFERER,
	FIELD_PROXY, /* httpoxy, CVE-2016-5385 */
	FIELD_DATE,
	FIELD_MAX_FORWARDS,
	FIELD_ODD, /* any other name with more than letters, digits and '-' */
};

#endif
