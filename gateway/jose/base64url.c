#include "gateway/jose/base64url.h"

#include <stdint.h>

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, char *to, size_t *length)
{
	char *begin = to;
	uint32_t bits = 0;
	unsigned held = 0;

	if (text.length % 4 == 1)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		int digit = digit_of(text.data[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (char)(bits >> held & 0xff);
		}
	}
	*length = (size_t)(to - begin);
	return (bits & ((UINT32_C(1) << held) - 1)) == 0;
}
