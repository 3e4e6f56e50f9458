/* Which bytes may stand where: one table of bits for all of HTTP's grammar (RFC 9110 section 5.6.2, RFC 3986 section 2). */
#ifndef GATEWAY_HTTP_CHARACTERS_H
#define GATEWAY_HTTP_CHARACTERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CHAR_TOKEN = 1,   /* names of methods and fields */
	CHAR_VALUE = 2,   /* field values and reason phrases: visible, obs-text, blank and tab */
	CHAR_TARGET = 4,  /* request targets, but for '%' and '?', which mean something */
	CHAR_HOST = 8,    /* host names: RFC 3986's unreserved ones; no percent-encoding, no sub-delimiters */
	CHAR_DIGIT = 16,
	CHAR_HEX = 32,
	CHAR_NAME = 64,   /* letters, digits and '-': what nearly all names of fields are made of */
};

extern const uint8_t char_classes[256];

static inline bool char_is(char c, unsigned classes)
{
	return (char_classes[(unsigned char)c] & classes) != 0;
}

static inline char char_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Of a CHAR_HEX byte. */
static inline unsigned char_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

#endif
