/*
 * The inputs of the whole-connection fuzzer (tests/fuzz/fuzz_connection.c), which the Makefile links into its world; or the
 * files that are named: `FUZZ_TRACE=1 build/address-undefined/unit/test_connection FILE` shows what goes over the wires.
 */
#include "tests/unit/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void test_connection(void **state)
{
	char **files = *state;

	if (*files == NULL)
		replay("connection", LLVMFuzzerTestOneInput);
	for (; *files != NULL; files++)
		replay_file(*files, LLVMFuzzerTestOneInput);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_connection, argv + (argc > 0)),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
