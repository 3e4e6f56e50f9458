/*
 * Replays every committed input of the fuzz targets, so that what was once found stays found without a fuzzer. A target's
 * source is included with its entry renamed; a new target is one more paragraph and one more line in main(). (The whole
 * connection is linked in another way: test_connection.c.)
 */
#include "tests/unit/replay.h"

#define LLVMFuzzerTestOneInput fuzz_request
#include "tests/fuzz/fuzz_request.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_response
#include "tests/fuzz/fuzz_response.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_chunked
#include "tests/fuzz/fuzz_chunked.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_path
#include "tests/fuzz/fuzz_path.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_config
#include "tests/fuzz/fuzz_config.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_dns
#include "tests/fuzz/fuzz_dns.c"
#undef LLVMFuzzerTestOneInput

static void test_request(void **state)
{
	(void)state;
	replay("request", fuzz_request);
}

static void test_response(void **state)
{
	(void)state;
	replay("response", fuzz_response);
}

static void test_chunked(void **state)
{
	(void)state;
	replay("chunked", fuzz_chunked);
}

static void test_path(void **state)
{
	(void)state;
	replay("path", fuzz_path);
}

static void test_config(void **state)
{
	(void)state;
	replay("config", fuzz_config);
}

static void test_dns(void **state)
{
	(void)state;
	replay("dns", fuzz_dns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request), cmocka_unit_test(test_response), cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_path),    cmocka_unit_test(test_config),   cmocka_unit_test(test_dns),
	};

	return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
