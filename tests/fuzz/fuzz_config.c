/*
 * Any bytes as gateway.yml: never a crash, NULL exactly when there is an error, and what was accepted prints to
 * something that is accepted again and prints the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/print.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Printed text of a configuration, which is released; NULL when there is none. */
static char *print_and_release(struct config *config, struct complaints *complaints, size_t *length)
{
	char *text = NULL;
	FILE *to;

	CHECK((config == NULL) == (complaints->errors > 0));
	complaints_free(complaints);
	if (config == NULL)
		return NULL;
	to = open_memstream(&text, length);
	CHECK(to != NULL);
	config_print(config, to);
	fclose(to);
	config_release(config);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints complaints;
	size_t first_length, second_length;
	char *first, *second;

	first = print_and_release(config_parse("fuzz.yml", (const char *)data, size, &complaints), &complaints,
	                          &first_length);
	if (first == NULL)
		return 0;
	second = print_and_release(config_parse("fuzz.yml", first, first_length, &complaints), &complaints, &second_length);
	/* What is escaped grows: the print of a large file may be larger than is read. */
	CHECK(second != NULL || first_length > 1 << 20);
	CHECK(second == NULL || (first_length == second_length && memcmp(first, second, first_length) == 0));
	free(first);
	free(second);
	return 0;
}
