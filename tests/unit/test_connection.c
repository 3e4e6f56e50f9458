/*
 * The inputs of the whole-connection fuzzer (tests/fuzz/fuzz_connection.c), which the Makefile links into its world; or the
 * files that are named: `FUZZ_TRACE=1 build/address-undefined/unit/test_connection FILE` shows what goes over the wires.
 *
 * Each input is also run with one more step at each place: so at each step of each of these stories, each of the next
 * allocations fails, there is no descriptor, a call is interrupted, or everything ends.
 */
#include "tests/unit/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size)
{
	assert_int_equal(LLVMFuzzerTestOneInput(data, size), 0);
}

static void run_with(const uint8_t *data, size_t size, size_t at, const char *step)
{
	size_t length = strlen(step);
	uint8_t *longer = malloc(size + length);

	assert_non_null(longer);
	memcpy(longer, data, at);
	memcpy(longer + at, step, length);
	memcpy(longer + at + length, data + at, size - at);
	run(longer, size + length);
	free(longer);
}

static void run_disturbed(const uint8_t *data, size_t size)
{
	static const char *const steps[] = { "m1\n", "m2\n", "m3\n", "m4\n", "m5\n", "m6\n", "f1\n", "f9\n",
		                             "i1\n", "i2\n", "i3\n", "r1\n", "o1\n", "q\n",  "Q\n" };

	for (size_t at = 0; at < size; at++)
		for (size_t i = 0; (at == 0 || data[at - 1] == '\n') && i < sizeof steps / sizeof *steps; i++)
			run_with(data, size, at, steps[i]);
}

static void test_inputs(void **state)
{
	char **files = *state;

	if (*files == NULL)
		replay_each("connection", run);
	for (; *files != NULL; files++) {
		size_t size;
		uint8_t *data = replay_read(*files, &size);

		run(data, size);
		free(data);
	}
}

static void test_disturbed_inputs(void **state)
{
	char **files = *state;

	if (*files == NULL)
		replay_each("connection", run_disturbed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_inputs, argv + (argc > 0)),
		cmocka_unit_test_prestate(test_disturbed_inputs, argv + (argc > 0)),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
