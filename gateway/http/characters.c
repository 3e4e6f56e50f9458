/*
 * The table of gateway/http/characters.h.
 *
 * Targets are a little wider than RFC 3986: browsers leave "[]{}|^`" unencoded in queries and some in paths, and no
 * two readers of a request line disagree about them. '"', '<', '>', '\', '#' and everything outside ASCII stay out:
 * the first three for whoever prints them, '\' because some servers read it as '/', '#' because some cut there.
 */
#include "gateway/http/characters.h"

enum {
	V = CHAR_VALUE,
	S = CHAR_VALUE | CHAR_TARGET,                                               /* delimiters of a target */
	T = CHAR_VALUE | CHAR_TARGET | CHAR_TOKEN,                                  /* delimiters that tokens may hold */
	P = CHAR_VALUE | CHAR_TARGET | CHAR_TOKEN | CHAR_HOST,                      /* "._~" */
	H = CHAR_VALUE | CHAR_TARGET | CHAR_TOKEN | CHAR_HOST | CHAR_NAME,          /* letters and '-' */
	X = CHAR_VALUE | CHAR_TARGET | CHAR_TOKEN | CHAR_HOST | CHAR_NAME | CHAR_HEX, /* a to f */
	D = CHAR_VALUE | CHAR_TARGET | CHAR_TOKEN | CHAR_HOST | CHAR_NAME | CHAR_HEX | CHAR_DIGIT,
};

const uint8_t char_classes[256] = {
	['\t'] = V, [' '] = V, ['"'] = V, ['<'] = V, ['>'] = V, ['?'] = V, ['\\'] = V,
	['#'] = CHAR_VALUE | CHAR_TOKEN, ['%'] = CHAR_VALUE | CHAR_TOKEN,
	[','] = S, ['/'] = S, [':'] = S, ['@'] = S, ['['] = S, [']'] = S, ['{'] = S, ['}'] = S,
	['('] = S, [')'] = S, [';'] = S, ['='] = S,
	['^'] = T, ['`'] = T, ['|'] = T,
	['!'] = T, ['$'] = T, ['&'] = T, ['\''] = T, ['*'] = T, ['+'] = T,
	['-'] = H, ['.'] = P, ['_'] = P, ['~'] = P,
	['0' ... '9'] = D,
	['A' ... 'F'] = X, ['G' ... 'Z'] = H,
	['a' ... 'f'] = X, ['g' ... 'z'] = H,
	[0x80 ... 0xff] = V,
};
