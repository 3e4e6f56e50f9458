/* Responses in HTTP/1.1. */
#include "gateway/downstream/h1_response.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/downstream/forward_response.h"
#include "gateway/downstream/h1_client.h"
#include "gateway/http/chunks.h"
#include "gateway/worker/worker.h"

/* If the connection ends with it, the FIN goes in the same packet. */
static inline __attribute__((always_inline)) enum send_result send_parts(struct downstream *downstream, struct iovec *parts,
                                                                         int count, bool is_last)
{
	struct stream *stream = &client_of(downstream)->stream;
	enum send_result sent = is_last && !downstream->keeps ? stream_send_last(stream, parts, count)
	                                                      : stream_send(stream, parts, count);

	downstream->is_blocked = sent == SEND_PENDING;
	downstream->has_failed |= sent == SEND_FAILED;
	return sent;
}

static enum forward_closing closing_of(const struct downstream *downstream)
{
	if (!downstream->keeps)
		return FORWARD_CLOSE;
	return downstream->version_minor == 0 ? FORWARD_KEEP_1_0 : FORWARD_KEEP;
}

/* The first bytes for the client. If a head came in one read, its body follows it in the scratch buffer: the new head takes
 * the old one's place, and both are one piece. */
static int join(struct iovec *all, char *head, size_t length, const struct iovec *parts, int count, bool has_headroom)
{
	if (has_headroom && count == 1 && length <= IO_HEADROOM_BYTES) {
		all[0].iov_base = memcpy((char *)parts[0].iov_base - length, head, length);
		all[0].iov_len = length + parts[0].iov_len;
		return 1;
	}
	all[0] = (struct iovec){ head, length };
	for (int i = 0; i < count; i++)
		all[1 + i] = parts[i];
	return 1 + count;
}

/* Out of line: bodies of known length would pay for its frame. */
static __attribute__((noinline)) enum send_result send_chunks(struct downstream *downstream, char *head, size_t length,
                                                              const struct pieces *pieces)
{
	struct iovec all[1 + CHUNKS_PARTS];
	struct chunks chunks;
	int count;

	chunks_encode(pieces, &chunks);
	if (head == NULL)
		return send_parts(downstream, chunks.list, chunks.count, pieces->result == PIECES_END);
	count = join(all, head, length, chunks.list, chunks.count, false);
	return send_parts(downstream, all, count, pieces->result == PIECES_END);
}

enum send_result h1_response_respond(struct downstream *downstream, const struct downstream_head *head,
                                     const struct pieces *pieces)
{
	struct worker *worker = downstream->worker;
	struct iovec all[1 + PIECES_MOST];
	const struct forward_response forward = {
		.response = head->response,
		.edits = head->edits,
		.changes = head->changes,
		.to_chunked = head->to_chunked,
		.is_head_request = head->is_head_request,
		.closing = closing_of(downstream),
		.date = worker_wall(worker)->date,
	};
	size_t length = (size_t)(forward_response(worker->head, &forward) - worker->head);
	int count;

	client_of(downstream)->sends_chunks = head->to_chunked;
	if (head->to_chunked)
		return send_chunks(downstream, worker->head, length, pieces);
	count = join(all, worker->head, length, pieces->list, pieces->count, head->has_headroom);
	return send_parts(downstream, all, count, pieces->result == PIECES_END);
}

enum send_result h1_response_interim(struct downstream *downstream, const struct response *response,
                                     const struct header_edits *edits, const struct changes *changes)
{
	char *head = downstream->worker->head, *end = forward_interim(head, response, edits, changes);

	return send_parts(downstream, &(struct iovec){ head, (size_t)(end - head) }, 1, false);
}

enum send_result h1_response_reply(struct downstream *downstream, const struct downstream_reply *reply)
{
	char line[DOWNSTREAM_REPLY_ROOM], *end = reply->end, *to = line;
	struct iovec parts[3] = { { (char *)reply->prepared.data, reply->prepared.length } };

	if (reply->prepared.length == 0) {
		const char *reason = status_reason(reply->status);

		to = text_put_literal(text_put_number(text_put_literal(to, "HTTP/1.1 "), reply->status), " ");
		to = text_put_literal(text_put_bytes(to, reason, strlen(reason)), "\r\n");
		parts[0] = (struct iovec){ line, (size_t)(to - line) };
	}
	if (!downstream->keeps)
		end = text_put_literal(end, "Connection: close\r\n");
	else if (downstream->version_minor == 0)
		end = text_put_literal(end, "Connection: keep-alive\r\n");
	end = text_put_literal(end, "\r\n");
	parts[1] = (struct iovec){ reply->fields, (size_t)(end - reply->fields) };
	parts[2] = (struct iovec){ (char *)reply->body.data, reply->body.length };
	return send_parts(downstream, parts, reply->body.length > 0 ? 3 : 2, true);
}

enum send_result h1_response_body(struct downstream *downstream, const struct pieces *pieces)
{
	struct iovec parts[PIECES_MOST];

	if (client_of(downstream)->sends_chunks)
		return send_chunks(downstream, NULL, 0, pieces);
	for (int i = 0; i < pieces->count; i++)
		parts[i] = pieces->list[i];
	return send_parts(downstream, parts, pieces->count, pieces->result == PIECES_END);
}
