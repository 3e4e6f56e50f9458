/* Appending to a buffer whose size has been reckoned beforehand: each function returns the new end. */
#ifndef GATEWAY_BASE_TEXT_H
#define GATEWAY_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/slice.h"

enum { TEXT_NUMBER_MAX = 20, TEXT_HEX_MAX = 16, TEXT_HTTP_DATE = 29 };

#define text_put_literal(to, literal) text_put_bytes((to), (literal), sizeof(literal) - 1)

static inline char *text_put_bytes(char *to, const char *from, size_t length)
{
	memcpy(to, from, length);
	return to + length;
}

static inline char *text_put_slice(char *to, struct slice slice)
{
	return slice.length == 0 ? to : text_put_bytes(to, slice.data, slice.length);
}

static inline char *text_put_number(char *to, uint64_t number)
{
	char digits[TEXT_NUMBER_MAX];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	return text_put_bytes(to, digits + at, sizeof digits - at);
}

/* Lower case, no leading zeros. */
static inline char *text_put_hex(char *to, uint64_t number)
{
	char digits[TEXT_HEX_MAX];
	size_t at = sizeof digits;

	do
		digits[--at] = "0123456789abcdef"[number % 16];
	while ((number /= 16) != 0);
	return text_put_bytes(to, digits + at, sizeof digits - at);
}

/* Exactly 16 digits. */
static inline char *text_put_hex16(char *to, uint64_t number)
{
	for (int i = 15; i >= 0; i--, number >>= 4)
		to[i] = "0123456789abcdef"[number & 15];
	return to + 16;
}

/* Two digits, for dates. */
static inline char *text_put_2(char *to, unsigned number)
{
	to[0] = (char)('0' + number / 10 % 10);
	to[1] = (char)('0' + number % 10);
	return to + 2;
}

#endif
