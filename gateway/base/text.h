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

/* Two digits, of a number below 100. */
static inline char *text_put_2(char *to, unsigned number)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
	                            "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
	                            "9899";

	return text_put_bytes(to, pairs + (size_t)2 * number, 2);
}

static inline char *text_put_number(char *to, uint64_t number)
{
	unsigned count = 1;
	char *at;

	for (uint64_t limit = 10; number >= limit && count < TEXT_NUMBER_MAX; limit *= 10)
		count++;
	for (at = to + count; number >= 100; number /= 100)
		text_put_2(at -= 2, (unsigned)(number % 100));
	if (number >= 10)
		text_put_2(to, (unsigned)number);
	else
		*to = (char)('0' + number);
	return to + count;
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
	for (int i = 14; i >= 0; i -= 2, number >>= 8) {
		to[i] = "0123456789abcdef"[number >> 4 & 15];
		to[i + 1] = "0123456789abcdef"[number & 15];
	}
	return to + 16;
}

#endif
