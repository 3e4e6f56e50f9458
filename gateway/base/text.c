#include "gateway/base/text.h"

char *text_put_large(char *to, uint64_t number)
{
	char digits[TEXT_NUMBER_MAX], *end = digits + sizeof digits, *at = end;

	for (; number >= 100; number /= 100)
		text_put_2(at -= 2, (unsigned)(number % 100));
	to = text_put_small(to, (unsigned)number);
	return text_put_bytes(to, at, (size_t)(end - at));
}
