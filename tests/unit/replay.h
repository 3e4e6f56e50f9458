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
#include <string.h>

#include <cmocka.h>

enum { REPLAY_INPUT_MAX = 65536 };

/* The bytes of the file, in a block that is exactly as large, so that ASan sees who reads behind it. */
static inline uint8_t *replay_read(const char *path, size_t *size)
{
	uint8_t *input = malloc(REPLAY_INPUT_MAX), *exact;
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_non_null(input);
	*size = fread(input, 1, REPLAY_INPUT_MAX, file);
	fclose(file);
	exact = realloc(input, *size > 0 ? *size : 1);
	assert_non_null(exact);
	return exact;
}

/* Calls `each` with every committed input of the target. */
static inline void replay_each(const char *target, void each(const uint8_t *data, size_t size))
{
	char folder[64], path[512];
	unsigned inputs = 0;
	struct dirent *entry;
	DIR *inside;

	snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target);
	inside = opendir(folder);
	assert_non_null(inside);
	while ((entry = readdir(inside)) != NULL) {
		uint8_t *input;
		size_t size;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		input = replay_read(path, &size);
		each(input, size);
		free(input);
		inputs++;
	}
	closedir(inside);
	assert_int_not_equal(inputs, 0);
}

#endif
