#include "routes/config/reader.h"

#include <stdarg.h>
#include <string.h>

#include "routes/config/arena.h"

void *reader_allocate(struct reader *reader, size_t size)
{
	void *bytes = arena_allocate(reader->memory, size);

	reader->is_memory_short = reader->is_memory_short || bytes == NULL;
	return bytes;
}

char *reader_copy(struct reader *reader, const char *text, size_t length)
{
	char *copy = reader_allocate(reader, length + 1);

	if (copy != NULL)
		memcpy(copy, text, length);
	return copy;
}

void *reader_allocate_scratch(void *context, size_t size)
{
	struct reader *reader = context;
	void *bytes = arena_allocate(reader->scratch, size);

	reader->is_memory_short = reader->is_memory_short || bytes == NULL;
	return bytes;
}

static void complain(struct reader *reader, const struct yaml_node *node, bool is_warning, const char *format,
                     va_list values)
{
	char text[sizeof(((struct complaint *)NULL)->text)];

	vsnprintf(text, sizeof(text), format, values);
	complaints_add(reader->complaints, node != NULL ? node->line : 0, node != NULL ? node->column : 0, is_warning,
	               text);
}

void reader_error(struct reader *reader, const struct yaml_node *node, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(reader, node, false, format, values);
	va_end(values);
}

void reader_warn(struct reader *reader, const struct yaml_node *node, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(reader, node, true, format, values);
	va_end(values);
}

void reader_complain_at(void *reader, size_t line, size_t column, const char *text)
{
	complaints_add(((struct reader *)reader)->complaints, line, column, false, text);
}
