#include "gateway/upstream/h1_head.h"

#include <string.h>

#include "gateway/base/text.h"

static char *put_host(char *to, const struct upstream_head *head)
{
	const struct upstream_settings *upstream = head->settings;

	to = text_put_literal(to, "Host: ");
	if (head->request->host.length > 0)
		return text_put_literal(text_put_slice(to, head->request->host), "\r\n");
	/* HTTP/1.0 may leave the field out, HTTP/1.1 may not. */
	to = text_put_slice(to, upstream->address.family == 6 ? SLICE("[") : SLICE(""));
	to = text_put_bytes(to, upstream->host, strlen(upstream->host));
	to = text_put_slice(to, upstream->address.family == 6 ? SLICE("]:") : SLICE(":"));
	to = text_put_number(to, upstream->port);
	return text_put_literal(to, "\r\n");
}

char *h1_head_begin(char *to, const struct upstream_head *head)
{
	const struct request *request = head->request;

	to = text_put_slice(to, request->method_text);
	*to++ = ' ';
	if (head->prefix.length > 0)
		to = text_put_slice(to, head->prefix);
	if (head->path.length == 0 || head->path.data[0] != '/')
		*to++ = '/';
	to = text_put_slice(to, head->path);
	if (request->has_query) {
		*to++ = '?';
		to = text_put_slice(to, request->query);
	}
	to = text_put_literal(to, " HTTP/1.1\r\n");
	return head->has_host_field ? to : put_host(to, head);
}

char *h1_head_end(char *to, const struct upstream_head *head)
{
	const struct request *request = head->request;

	if (request->body.kind == BODY_CHUNKED) {
		to = text_put_literal(to, "Transfer-Encoding: chunked\r\n");
	} else if (request->body.kind == BODY_LENGTH) {
		to = text_put_literal(to, "Content-Length: ");
		to = text_put_number(to, request->body.length);
		to = text_put_literal(to, "\r\n");
	}
	/* So a part that the upstream leaves unread never becomes its next request. */
	if (head->is_body_odd)
		to = text_put_literal(to, "Connection: close\r\n");
	if (request->expects_continue)
		to = text_put_literal(to, "Expect: 100-continue\r\n");
	if (request->wants_upgrade) {
		to = text_put_literal(to, "Connection: upgrade\r\nUpgrade: ");
		to = text_put_slice(to, request->upgrade);
		to = text_put_literal(to, "\r\n");
	}
	return text_put_literal(to, "\r\n");
}
