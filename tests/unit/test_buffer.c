/* Bytes that are kept for later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/buffer.h"

enum { MOST = 1 << 16, ROUNDS = 10000 };

/* A client that always has a part of its next request here, or a download that the client reads as fast as it comes. */
static void room_is_used_again_though_it_never_is_empty(void **state)
{
	struct buffer buffer = { .data = NULL };
	unsigned char wrote = 0, wanted = 0;
	char bytes[997];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t length = 1 + (size_t)(round * 31 % (int)sizeof bytes);

		for (size_t i = 0; i < length; i++)
			bytes[i] = (char)wrote++;
		assert_true(buffer_append(&buffer, bytes, length));
		while (buffer_length(&buffer) > 600) {
			assert_int_equal((unsigned char)*buffer_bytes(&buffer), wanted++);
			buffer_take(&buffer, 1);
		}
		assert_true(buffer.size < MOST);
	}
	buffer_free(&buffer);
	assert_int_equal(buffer_kept_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(room_is_used_again_though_it_never_is_empty) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
