/*
 * The chunk decoder (gateway/http/framing.c): one call on any bytes, up to CHUNKED_BYTES of them, from any state it can be left
 * in. It reads and writes nothing but those bytes; uses no more than there are, and all of them as long as it wants more;
 * gives out no more than it used; and leaves itself in a state from which that holds again. So it holds for a body of any
 * length, however it is cut.
 */
#include "tests/prove/prove.h"

/* Byte by byte: cbmc's own, for blocks of any length, costs a hundred times as much. */
static void *move(void *to, const void *from, size_t length)
{
	for (size_t i = 0; i < length; i++) /* always to the front here */
		((char *)to)[i] = ((const char *)from)[i];
	PROVE((char *)to <= (const char *)from);
	return to;
}

#include <string.h>
#define memmove move
#include "gateway/http/framing.c"
#include "char_classes.h"
#undef memmove

enum { CHUNKED_BYTES = 5 };

/* What is true of it between two calls. */
static bool is_sound(const struct chunked *chunked)
{
	if (chunked->digits > SIZE_DIGITS_MAX || chunked->remaining > INT64_MAX ||
	    chunked->line_bytes > EXTENSION_LINE_MAX || chunked->excess_bytes > EXTENSION_EXCESS_MAX || chunked->state > BAD)
		return chunked->state == BAD;
	if (chunked->state == DATA)
		return chunked->remaining > 0 && chunked->digits == 0;
	if (chunked->state == DATA_CR || chunked->state == DATA_LF || chunked->state == TRAILERS)
		return chunked->remaining == 0 && chunked->digits == 0;
	return chunked->state != SIZE || chunked->digits > 0 || chunked->remaining == 0;
}

static void prove_length(size_t length)
{
	struct chunked chunked = { nondet_u64(), nondet_u32(), nondet_u16(), nondet_u8(), nondet_u8() };
	size_t data = nondet_size(), used = nondet_size();
	enum chunked_result result;
	const char *why = NULL;
	uint64_t remaining = chunked.remaining;
	bool is_in_data = chunked.state == DATA;
	char *bytes = malloc(length); /* any bytes, and not one more */

	ASSUME(is_sound(&chunked) && bytes != NULL);
	result = chunked_decode(&chunked, bytes, length, &data, &used, &why);
	PROVE(is_sound(&chunked));
	PROVE(used <= length && data <= used);
	PROVE(result != CHUNKED_MORE || used == length);
	PROVE((result == CHUNKED_BAD) == (chunked.state == BAD));
	PROVE(result != CHUNKED_BAD || why != NULL);
	PROVE((result == CHUNKED_TRAILERS) == (chunked.state == TRAILERS));
	/* Inside a chunk everything is data, to its last byte and not beyond. */
	if (is_in_data && length <= remaining)
		PROVE(data == length && result == CHUNKED_MORE && chunked.remaining == remaining - length);
	if (is_in_data)
		PROVE(data >= (length < remaining ? length : remaining));
}

void prove_decode(void)
{
	for (size_t length = 0; length <= CHUNKED_BYTES; length++)
		prove_length(length);
}

void prove_born(void)
{
	struct chunked chunked = { 0 };

	PROVE(is_sound(&chunked));
}
