/* Bytes that wait for their turn: appended at the end, taken from the front. Zero-initialised = empty, no memory. */
#ifndef GATEWAY_BASE_BUFFER_H
#define GATEWAY_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The bytes that this thread's buffers have allocated, and the sum above which no buffer may grow beyond
 * BUFFER_ALWAYS_BYTES: then large requests fail, and small ones go on. Others that keep bytes for a peer add them here,
 * and ask buffer_may_keep() first.
 */
enum { BUFFER_ALWAYS_BYTES = 8 * 1024 };
extern _Thread_local size_t buffer_kept_bytes, buffer_most_bytes;

static inline bool buffer_may_keep(size_t bytes)
{
	return bytes <= BUFFER_ALWAYS_BYTES || buffer_kept_bytes + bytes <= buffer_most_bytes;
}

struct buffer {
	char *data;
	size_t from, to; /* what waits is between them */
	size_t size;
};

static inline size_t buffer_length(const struct buffer *buffer)
{
	return buffer->to - buffer->from;
}

/* NULL: it has no memory. */
static inline char *buffer_bytes(const struct buffer *buffer)
{
	return buffer->data == NULL ? NULL : buffer->data + buffer->from;
}

/* Room for `length` bytes more. False: out of memory, nothing has changed. */
bool buffer_reserve(struct buffer *buffer, size_t length);
/* The same, and nothing on top for what may come: where many grow at once. */
bool buffer_reserve_exactly(struct buffer *buffer, size_t length);
/* False: out of memory, nothing was appended. */
bool buffer_append(struct buffer *buffer, const char *bytes, size_t length);
void buffer_take(struct buffer *buffer, size_t length);
/* Empty, but the memory stays. */
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
