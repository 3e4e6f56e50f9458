/*
 * Replays every committed input of the fuzz targets, so that what was once found stays found without a fuzzer. A target's
 * source is included with its entry renamed; a new target is one more paragraph and one more line in main().
 *
 * Runs from the top of the tree, as `make test` does.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

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

enum { INPUT_MAX = 65536 };

static void replay(const char *target, int run(const uint8_t *data, size_t size))
{
	char folder[64], path[512];
	unsigned inputs = 0;
	struct dirent *entry;
	DIR *inside;

	snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target);
	inside = opendir(folder);
	assert_non_null(inside);
	while ((entry = readdir(inside)) != NULL) {
		uint8_t *input = malloc(INPUT_MAX), *exact;
		size_t size;
		FILE *file;

		if (entry->d_name[0] == '.') {
			free(input);
			continue;
		}
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		file = fopen(path, "rb");
		assert_non_null(file);
		assert_non_null(input);
		size = fread(input, 1, INPUT_MAX, file);
		fclose(file);
		/* Exactly as large as the input, so that ASan sees who reads behind it. */
		exact = realloc(input, size > 0 ? size : 1);
		assert_non_null(exact);
		assert_int_equal(run(exact, size), 0);
		free(exact);
		inputs++;
	}
	closedir(inside);
	assert_int_not_equal(inputs, 0);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
