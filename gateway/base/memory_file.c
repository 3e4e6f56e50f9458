#include "gateway/base/memory_file.h"

#include <stdbool.h>

static ssize_t on_write(void *memory, const char *bytes, size_t length)
{
	return buffer_append(memory, bytes, length) ? (ssize_t)length : 0; /* 0: stdio sets the stream's error */
}

void memory_file_open(struct memory_file *memory)
{
	*memory = (struct memory_file){ .file = NULL };
	memory->file = fopencookie(&memory->text, "w", (cookie_io_functions_t){ .write = on_write });
}

char *memory_file_close(struct memory_file *memory, size_t *length)
{
	bool is_short = memory->file == NULL || fputc('\0', memory->file) == EOF || fflush(memory->file) != 0 ||
	                ferror(memory->file) != 0;

	if (memory->file != NULL)
		fclose(memory->file);
	memory->file = NULL;
	if (is_short)
		buffer_free(&memory->text);
	*length = is_short ? 0 : buffer_length(&memory->text) - 1;
	return memory->text.data;
}
