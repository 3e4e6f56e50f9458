/*
 * Any bytes as application.yml, or, behind a first line "#properties", as .properties: never a crash, and whatever was
 * in it, what the importer prints is a gateway.yml that passes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/import/import.h"
#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_properties = size >= 11 && memcmp(data, "#properties", 11) == 0;
	struct import_file file = { is_properties ? "a.properties" : "a.yml", (const char *)data, size };
	struct complaints complaints;
	char *text = NULL, *said = NULL;
	size_t length, said_length;
	FILE *to = open_memstream(&text, &length), *verdicts = open_memstream(&said, &said_length);
	struct config *config;
	bool is_fine;

	CHECK(to != NULL && verdicts != NULL);
	is_fine = import_spring(&file, 1, NULL, to, verdicts);
	fclose(to);
	fclose(verdicts);
	CHECK(said_length > 0);
	CHECK(is_fine || length == 0);
	/* What is only a comment may make it larger than is read. */
	if (is_fine && length <= 1 << 20) {
		config = config_parse("gateway.yml", text, length, &complaints);
		CHECK(config != NULL && complaints.errors == 0);
		complaints_free(&complaints);
		config_release(config);
	}
	free(text);
	free(said);
	return 0;
}
