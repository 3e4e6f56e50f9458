#include "gateway/base/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

_Thread_local size_t buffer_kept_bytes, buffer_most_bytes = SIZE_MAX / 2;

static bool grow(struct buffer *buffer, size_t wanted)
{
	char *grown;

	if (!buffer_may_keep(wanted))
		return false;
	grown = realloc(buffer->data, wanted);
	if (grown == NULL)
		return false;
	buffer_kept_bytes += wanted - buffer->size;
	buffer->data = grown;
	buffer->size = wanted;
	return true;
}

/* Uses the room of what was taken, unless that costs more than it gives. */
static void close_up(struct buffer *buffer)
{
	size_t kept = buffer->to - buffer->from;

	if (buffer->from < kept || buffer->from == 0)
		return;
	memmove(buffer->data, buffer->data + buffer->from, kept);
	buffer->from = 0;
	buffer->to = kept;
}

bool buffer_reserve(struct buffer *buffer, size_t length)
{
	size_t wanted = buffer->to + length;

	if (wanted <= buffer->size)
		return true;
	if (length > SIZE_MAX / 2 - buffer->to)
		return false;
	close_up(buffer);
	wanted = buffer->to + length;
	if (wanted <= buffer->size)
		return true;
	return grow(buffer, wanted < 2 * buffer->size ? 2 * buffer->size : wanted);
}

bool buffer_reserve_exactly(struct buffer *buffer, size_t length)
{
	return buffer->to + length <= buffer->size || (length <= SIZE_MAX / 2 - buffer->to && grow(buffer, buffer->to + length));
}

bool buffer_append(struct buffer *buffer, const char *bytes, size_t length)
{
	if (!buffer_reserve(buffer, length))
		return false;
	if (length > 0)
		memcpy(buffer->data + buffer->to, bytes, length);
	buffer->to += length;
	return true;
}

void buffer_take(struct buffer *buffer, size_t length)
{
	buffer->from += length;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->from = buffer->to = 0;
}

void buffer_free(struct buffer *buffer)
{
	buffer_kept_bytes -= buffer->size;
	free(buffer->data);
	*buffer = (struct buffer){ .data = NULL };
}
