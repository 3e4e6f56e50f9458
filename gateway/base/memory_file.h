/*
 * A FILE that writes into memory and reports when there was none. glibc's open_memstream() then drops what is written without
 * setting the error, and may close with success and no text at all.
 */
#ifndef GATEWAY_BASE_MEMORY_FILE_H
#define GATEWAY_BASE_MEMORY_FILE_H

#include <stdio.h>

#include "gateway/base/buffer.h"

struct memory_file {
	FILE *file; /* NULL: out of memory, and memory_file_close() will say so */
	struct buffer text;
};

void memory_file_open(struct memory_file *memory);
/* The text, which ends with a NUL and which the caller frees; NULL: memory was short at some time. */
char *memory_file_close(struct memory_file *memory, size_t *length);

#endif
