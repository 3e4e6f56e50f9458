/* Every committed input of a fuzz target, through the target, without a fuzzer. Runs from the top of the tree. */
#ifndef TESTS_UNIT_REPLAY_H
#define TESTS_UNIT_REPLAY_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REPLAY_INPUT_MAX = 65536 };

static inline void replay_file(const char *path, int run(const uint8_t *data, size_t size))
{
	uint8_t *input = malloc(REPLAY_INPUT_MAX), *exact;
	FILE *file = fopen(path, "rb");
	size_t size;

	assert_non_null(file);
	assert_non_null(input);
	size = fread(input, 1, REPLAY_INPUT_MAX, file);
	fclose(file);
	/* Exactly as large as the input, so that ASan sees who reads behind it. */
	exact = realloc(input, size > 0 ? size : 1);
	assert_non_null(exact);
	assert_int_equal(run(exact, size), 0);
	free(exact);
}

static inline void replay(const char *target, int run(const uint8_t *data, size_t size))
{
	char folder[64], path[512];
	unsigned inputs = 0;
	struct dirent *entry;
	DIR *inside;

	snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target);
	inside = opendir(folder);
	assert_non_null(inside);
	while ((entry = readdir(inside)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		replay_file(path, run);
		inputs++;
	}
	closedir(inside);
	assert_int_not_equal(inputs, 0);
}

#endif
