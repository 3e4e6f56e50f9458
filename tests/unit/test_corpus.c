/*
 * Replays every committed input of the fuzz targets, so that what was once found stays found without a fuzzer. A target's
 * source is included with its entry renamed; a new target is one more paragraph and two more lines below. (The whole
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

#define LLVMFuzzerTestOneInput fuzz_expression
#include "tests/fuzz/fuzz_expression.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_config
#include "tests/fuzz/fuzz_config.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_dns
#include "tests/fuzz/fuzz_dns.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_alerts
#include "tests/fuzz/fuzz_alerts.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_import
#include "tests/fuzz/fuzz_import.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_replay
#include "tests/fuzz/fuzz_replay.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_peer
#include "tests/fuzz/fuzz_peer.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_wish
#include "tests/fuzz/fuzz_wish.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_cluster
#include "tests/fuzz/fuzz_cluster.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_requests
#include "tests/fuzz/fuzz_requests.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_forwarded
#include "tests/fuzz/fuzz_forwarded.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_htpasswd
#include "tests/fuzz/fuzz_htpasswd.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_token
#include "tests/fuzz/fuzz_token.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_keys
#include "tests/fuzz/fuzz_keys.c"
#undef LLVMFuzzerTestOneInput

#define TARGET(name) \
	static void replay_##name(const uint8_t *data, size_t size) \
	{ \
		assert_int_equal(fuzz_##name(data, size), 0); \
	} \
	static void test_##name(void **state) \
	{ \
		(void)state; \
		replay_each(#name, replay_##name); \
	}

TARGET(request)
TARGET(response)
TARGET(chunked)
TARGET(path)
TARGET(expression)
TARGET(config)
TARGET(dns)
TARGET(alerts)
TARGET(peer)
TARGET(wish)
TARGET(cluster)
TARGET(requests)
TARGET(import)
TARGET(replay)
TARGET(forwarded)
TARGET(htpasswd)
TARGET(token)
TARGET(keys)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request), cmocka_unit_test(test_response), cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_path),    cmocka_unit_test(test_expression), cmocka_unit_test(test_config),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_alerts), cmocka_unit_test(test_peer),  cmocka_unit_test(test_import),
		cmocka_unit_test(test_replay),  cmocka_unit_test(test_wish), cmocka_unit_test(test_htpasswd),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_token),  cmocka_unit_test(test_keys), cmocka_unit_test(test_cluster),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
