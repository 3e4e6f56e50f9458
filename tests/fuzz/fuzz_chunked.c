/*
 * The chunk decoder and the trailer section behind it. The first byte of the input says how the rest is cut into pieces;
 * pieces must give the same data, the same end and the same verdict as the whole.
 */
#include "gateway/http/framing.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct chunked_feed {
	enum chunked_result result;
	char *data; /* room for the whole input */
	size_t length, used;
};

static void feed_pieces(struct chunked_feed *feed, const uint8_t *data, size_t size, size_t piece)
{
	struct chunked chunked = {0};
	const char *why = NULL;

	feed->result = CHUNKED_MORE;
	feed->length = feed->used = 0;
	while (feed->used < size && feed->result == CHUNKED_MORE) {
		size_t length = size - feed->used < piece ? size - feed->used : piece, decoded = 0, used = 0;
		char *bytes = page_lay(data + feed->used, length);

		feed->result = chunked_decode(&chunked, bytes, length, &decoded, &used, &why);
		CHECK(decoded <= used && used <= length);
		CHECK(feed->result != CHUNKED_MORE || used == length);
		CHECK(feed->result != CHUNKED_BAD || why != NULL);
		memcpy(feed->data + feed->length, bytes, decoded);
		feed->length += decoded;
		feed->used += used;
	}
}

static void check_trailers(const char *bytes, size_t length)
{
	struct field list[8];
	struct fields fields = { .list = list };
	const char *why = NULL;
	size_t used;
	bool is_too_large;

	if (fields_parse(bytes, length, &fields, 8, &used, &why, &is_too_large) == PARSE_DONE)
		check_fields(&fields, bytes, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunked_feed whole, pieces;
	size_t piece;

	if (size < 2 || size > PAGE_ROOM)
		return 0;
	piece = 1 + *data++ % 16;
	size--;
	whole.data = malloc(size);
	pieces.data = malloc(size);
	if (whole.data != NULL && pieces.data != NULL) {
		feed_pieces(&whole, data, size, size);
		feed_pieces(&pieces, data, size, piece);
		CHECK(whole.result == pieces.result && whole.used == pieces.used && whole.length == pieces.length);
		CHECK(memcmp(whole.data, pieces.data, whole.length) == 0);
		if (whole.result == CHUNKED_TRAILERS)
			check_trailers((const char *)data + whole.used, size - whole.used);
	}
	free(whole.data);
	free(pieces.data);
	return 0;
}
