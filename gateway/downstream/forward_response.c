/* Responses on their way through; forward_request.c has the requests. */
#include "gateway/downstream/forward_response.h"

#include "gateway/exchange/forward_parts.h"
#include "gateway/http/upgrade.h"

static struct passing pass_status_line(char *to, const struct response *response)
{
	const struct slice ours = SLICE("HTTP/1.1 "), reason = response->reason;

	if (reason.length > 0) {
		const char *line = reason.data - sizeof "200" - ours.length;

		if (memcmp(line, ours.data, ours.length) == 0)
			return (struct passing){ .to = to, .from = line, .until = reason.data + reason.length + 2 };
	}
	to = text_put_number(text_put_slice(to, ours), response->status);
	*to++ = ' ';
	return passing_begin(text_put_literal(text_put_slice(to, reason), "\r\n"));
}

static bool response_field_goes_on(const struct field *field, const struct forward_response *forward)
{
	if (field->is_hop_by_hop || field->id == FIELD_TRANSFER_ENCODING || field->id == FIELD_UPGRADE)
		return false;
	/* Without a body, the length tells what a GET would get; a 204 may have none (RFC 9110 section 8.6). */
	if (field->id == FIELD_CONTENT_LENGTH)
		return forward->response->status == 304 || (forward->is_head_request && forward->response->status != 204);
	return true;
}

static bool is_taken_out(const struct field *field, const struct forward_response *forward)
{
	return is_edited(forward->edits, field->name) || (forward->changes != NULL && changes_remove(forward->changes, field));
}

/* The protocols that the response changes to or advertises (RFC 9110 section 7.8), and whether the connection stays. A 426
 * must name the protocol that it wants, whatever that is; other responses need not advertise what would not pass. */
static char *put_connection(char *to, const struct forward_response *forward)
{
	static const struct slice closings[] = {
		[FORWARD_KEEP] = {"", 0}, [FORWARD_KEEP_1_0] = {"keep-alive", 10}, [FORWARD_CLOSE] = {"close", 5},
	};
	const struct response *response = forward->response;
	struct slice closing = closings[response->status == 101 ? FORWARD_KEEP : forward->closing];
	bool is_any = response->status == 101 || response->status == 426, has_upgrade = false;
	size_t count = fields_have(&response->fields, FIELD_BIT(FIELD_UPGRADE)) ? response->fields.count : 0;

	for (size_t i = 0; i < count; i++) {
		const struct field *field = &response->fields.list[i];

		if (field->id != FIELD_UPGRADE || !(is_any || upgrade_may_pass(field->value)))
			continue;
		to = put_field(to, SLICE("Upgrade"), field->value);
		has_upgrade = true;
	}
	if (closing.length == 0 && !has_upgrade)
		return to;
	to = text_put_slice(text_put_literal(to, "Connection: "), closing);
	if (has_upgrade)
		to = text_put_slice(to, closing.length > 0 ? SLICE(", upgrade") : SLICE("upgrade"));
	return text_put_literal(to, "\r\n");
}

char *forward_response(char *to, const struct forward_response *forward)
{
	const struct response *response = forward->response;
	struct passing passing = pass_status_line(to, response);
	bool has_edits = forward->edits->count > 0 || (forward->changes != NULL && forward->changes->removals > 0);

	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (response_field_goes_on(field, forward) && !(has_edits && is_taken_out(field, forward)))
			pass_field(&passing, field);
	}
	to = passing_end(&passing);
	if (!fields_have(&response->fields, FIELD_BIT(FIELD_DATE)) && !is_edited(forward->edits, SLICE("Date")))
		to = put_field(to, SLICE("Date"), (struct slice){ forward->date, TEXT_HTTP_DATE });
	if (!is_edited(forward->edits, SLICE("Via")))
		to = put_field(to, SLICE("Via"), response->version_minor == 0 ? SLICE("1.0 gateway") : SLICE("1.1 gateway"));
	if (forward->changes != NULL)
		to = put_changes(to, forward->changes, forward->edits);
	to = put_edits(to, forward->edits);
	if (forward->to_chunked) {
		to = text_put_literal(to, "Transfer-Encoding: chunked\r\n");
	} else if (response->body.kind == BODY_LENGTH) {
		to = text_put_literal(to, "Content-Length: ");
		to = text_put_number(to, response->body.length);
		to = text_put_literal(to, "\r\n");
	}
	if (forward->closing != FORWARD_KEEP || fields_have(&response->fields, FIELD_BIT(FIELD_UPGRADE)))
		to = put_connection(to, forward);
	return text_put_literal(to, "\r\n");
}

char *forward_interim(char *to, const struct response *response, const struct header_edits *edits, const struct changes *changes)
{
	struct passing passing = pass_status_line(to, response);

	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (!field->is_hop_by_hop && field->id != FIELD_TRANSFER_ENCODING && field->id != FIELD_CONTENT_LENGTH &&
		    field->id != FIELD_UPGRADE && !is_edited(edits, field->name) && (changes == NULL || !changes_remove(changes, field)))
			pass_field(&passing, field);
	}
	return text_put_literal(passing_end(&passing), "\r\n");
}
