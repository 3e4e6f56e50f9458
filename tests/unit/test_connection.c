/* The inputs of the whole-connection fuzzer (tests/fuzz/fuzz_connection.c), which the Makefile links into its world. */
#include "tests/unit/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void test_connection(void **state)
{
	(void)state;
	replay("connection", LLVMFuzzerTestOneInput);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
