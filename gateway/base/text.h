/* Appends to a buffer whose size was computed before: each function returns the new end. */
#ifndef GATEWAY_BASE_TEXT_H
#define GATEWAY_BASE_TEXT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/bytes.h"
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

/* A word of a table, copied with its whole array: a length that the compiler knows makes it five times as fast. */
struct text_word {
	char bytes[48];
	size_t length;
};

#define TEXT_WORD(literal) { (literal), sizeof(literal) - 1 }

static inline char *text_put_word(char *to, const struct text_word *word)
{
	memcpy(to, word->bytes, sizeof word->bytes);
	return to + word->length;
}

/* Two digits, of a number below 100. */
static inline char *text_put_2(char *to, unsigned number)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
	                            "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
	                            "9899";

	return text_put_bytes(to, pairs + (size_t)2 * number, 2);
}

/* Three, of one below 1000. */
static inline char *text_put_3(char *to, unsigned number)
{
	*to++ = (char)('0' + number / 100);
	return text_put_2(to, number % 100);
}

/* As many as it has, of one below 1000. */
static inline char *text_put_small(char *to, unsigned number)
{
	if (number >= 100)
		return text_put_3(to, number);
	if (number >= 10)
		return text_put_2(to, number);
	*to++ = (char)('0' + number);
	return to;
}

/* In text.c: of 1000 or more. */
char *text_put_large(char *to, uint64_t number);

static inline char *text_put_number(char *to, uint64_t number)
{
	return number >= 1000 ? text_put_large(to, number) : text_put_small(to, (unsigned)number);
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
	bytes16 digits = bytes_halves(htobe64(number));

	digits += '0' + ((bytes16)(digits > 9) & ('a' - '0' - 10));
	return text_put_bytes(to, (const char *)&digits, sizeof digits);
}

#endif
