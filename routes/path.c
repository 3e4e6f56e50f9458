/*
 * One reading of a path, so that nobody behind us can read another.
 *
 * The gateway sends exactly the path that it has matched: the upstream gets the result of this function, never the raw
 * bytes. So a path need not be refused merely for being unusual; it is refused where the bytes that are left over would
 * still mean different things to different readers:
 *
 *     %2F %5C \     a separator to some, a letter to others; decoding it would change the segments
 *     %00           the end of the text to some
 *     /..;x/        servlet containers take parameters off first and then see "..", others see a name
 *     /;x/          the same: an empty segment, which is merged with the slash before it, or a name
 *     /../ at root  RFC 3986 ignores it, file systems ignore it, some rewriters do not
 *
 * Parameters ("/admin;x/secret") are left out where routes are looked for, as many services read "/admin/secret", and go on to the
 * service. An encoded semicolon is a letter to most, but some decode it first: whether both readings have one route is asked by
 * whoever looks for it.
 *
 * Decoding happens once: %252e becomes neither %2e nor a dot, its "%25" stays.
 *
 * Slashes are merged before dot segments are resolved ("/a//../b" is "/b"), as the file system and nginx have it.
 *
 * Most paths are normal already. That is found out by one look per byte, and then nothing is copied.
 */
#include "routes/path.h"

#include <stdint.h>
#include <string.h>

enum {
	HEX = 1 << 0,
	UNRESERVED = 1 << 1,
	STOPS = 1 << 2,     /* the fast check must look closer */
	FORBIDDEN = 1 << 3, /* never raw in a path */
	NEVER = FORBIDDEN | STOPS,
};

/* Bytes above 0x7F are left to the parser. */
static const uint8_t KINDS[256] = {
	[0 ... ' '] = NEVER, [0x7f] = NEVER, ['#'] = NEVER, ['?'] = NEVER, ['\\'] = NEVER,
	['%'] = STOPS, ['/'] = STOPS, [';'] = STOPS,
	['0' ... '9'] = UNRESERVED | HEX,
	['A' ... 'F'] = UNRESERVED | HEX, ['G' ... 'Z'] = UNRESERVED,
	['a' ... 'f'] = UNRESERVED | HEX, ['g' ... 'z'] = UNRESERVED,
	['-'] = UNRESERVED, ['.'] = UNRESERVED, ['_'] = UNRESERVED, ['~'] = UNRESERVED,
};

static bool is_kind(char byte, unsigned kind)
{
	return (KINDS[(unsigned char)byte] & kind) != 0;
}

static unsigned hex_value(char digit)
{
	return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
}

/* ---- the fast look -------------------------------------------------------------------------------------------- */

/* May say no for a normal path (a segment that begins with a dot, percent-encoding), but never yes for another. */
static bool is_plain(const char *path, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!is_kind(path[i], STOPS))
			continue;
		if (path[i] != '/')
			return false;
		if (i + 1 < length && (path[i + 1] == '/' || path[i + 1] == '.'))
			return false;
	}
	return true;
}

/* ---- the full reading ----------------------------------------------------------------------------------------- */

/* The written path always begins with a slash; `segment` is where the present one begins. */
struct writing {
	char *room;
	size_t length, segment;
	bool has_parameters, has_encoded_semicolon;
	const char *why; /* NULL: no error so far */
};

static size_t refuse(struct writing *writing, const char *why)
{
	writing->why = why;
	return 0;
}

/* "%XY": returns the bytes read, 0 when refused. */
static size_t copy_encoded(struct writing *writing, const char *from, size_t left)
{
	static const char DIGITS[] = "0123456789ABCDEF";
	unsigned value;

	if (left < 3 || !is_kind(from[1], HEX) || !is_kind(from[2], HEX))
		return refuse(writing, "bad percent-encoding in the path");
	value = hex_value(from[1]) << 4 | hex_value(from[2]);
	if (value == '/')
		return refuse(writing, "encoded slash in the path");
	if (value == '\\')
		return refuse(writing, "encoded backslash in the path");
	if (value == 0)
		return refuse(writing, "encoded NUL in the path");
	if (is_kind((char)value, UNRESERVED)) {
		writing->room[writing->length++] = (char)value;
		return 3;
	}
	writing->has_encoded_semicolon |= value == ';';
	writing->room[writing->length++] = '%';
	writing->room[writing->length++] = DIGITS[value >> 4];
	writing->room[writing->length++] = DIGITS[value & 15];
	return 3;
}

static size_t copy_raw(struct writing *writing, char byte)
{
	if (byte == '\\')
		return refuse(writing, "backslash in the path");
	if (byte == '#')
		return refuse(writing, "fragment in the path");
	if (is_kind(byte, FORBIDDEN))
		return refuse(writing, "byte in the path that must be encoded");
	writing->has_parameters |= byte == ';';
	writing->room[writing->length++] = byte;
	return 1;
}

/* The length of the semicolon that `path` begins with: 1 raw, 3 encoded; 0: it begins with none. `path` is normalised. */
static size_t semicolon_length(const char *path, size_t length)
{
	if (length > 0 && path[0] == ';')
		return 1;
	return length >= 3 && memcmp(path, "%3B", 3) == 0 ? 3 : 0;
}

/* The error of a segment that is empty, or one or two dots, apart from its parameters. */
static const char *complain_of_parameters(const char *segment, size_t length, bool is_last)
{
	size_t dots = 0;

	while (dots < length && dots < 3 && segment[dots] == '.')
		dots++;
	if (dots > 2 || semicolon_length(segment + dots, length - dots) == 0)
		return NULL;
	if (dots > 0)
		return "dot segment with parameters in the path";
	return is_last ? NULL : "parameters of an empty segment in the path";
}

/* The last segment is complete: keeps it, or removes it, and with ".." also the one before. */
static void end_segment(struct writing *writing, bool is_last)
{
	const char *segment = writing->room + writing->segment;
	size_t length = writing->length - writing->segment;

	if (length == 1 && segment[0] == '.') {
		writing->length = writing->segment;
	} else if (length == 2 && segment[0] == '.' && segment[1] == '.') {
		if (writing->segment == 1) {
			writing->why = "dot segments above the root of the path";
			return;
		}
		writing->length = writing->segment - 1;
		while (writing->room[writing->length - 1] != '/')
			writing->length--;
	} else {
		writing->why = complain_of_parameters(segment, length, is_last);
	}
}

static bool is_two_dots(const char *segment, size_t length)
{
	size_t dots = 0, used;

	for (; length > 0; segment += used, length -= used, dots++) {
		used = segment[0] == '.' ? 1 : length >= 3 && segment[0] == '%' && segment[1] == '2' && (segment[2] | 0x20) == 'e' ? 3 : 0;
		if (used == 0)
			return false;
	}
	return dots == 2;
}

size_t path_before_dots(const char *path, size_t length)
{
	size_t begin = 1;

	for (size_t at = 1; at <= length; at++) {
		if (at < length && path[at] != '/')
			continue;
		if (is_two_dots(path + begin, at - begin))
			return begin;
		begin = at + 1;
	}
	return length;
}

static struct path_result refused(const char *why)
{
	return (struct path_result){.verdict = PATH_REFUSED, .why = why};
}

/* Out of line, because few paths need it and all would pay for its frame. */
static __attribute__((noinline)) struct path_result rewrite(const char *path, size_t length, char *room)
{
	struct writing writing = {.room = room, .length = 1, .segment = 1};
	struct path_result result = {.verdict = PATH_UNCHANGED, .path = path, .length = length};

	room[0] = '/';
	for (size_t i = 1; i < length && writing.why == NULL;) {
		if (path[i] == '%') {
			i += copy_encoded(&writing, path + i, length - i);
		} else if (path[i] == '/') {
			end_segment(&writing, false);
			if (room[writing.length - 1] != '/')
				room[writing.length++] = '/';
			writing.segment = writing.length;
			i++;
		} else {
			i += copy_raw(&writing, path[i]);
		}
	}
	if (writing.why == NULL)
		end_segment(&writing, true);
	if (writing.why != NULL)
		return refused(writing.why);
	if (writing.length != length || memcmp(room, path, length) != 0)
		result = (struct path_result){.verdict = PATH_NORMALISED, .path = room, .length = writing.length};
	result.has_parameters = writing.has_parameters;
	result.has_encoded_semicolon = writing.has_encoded_semicolon;
	return result;
}

size_t path_strip_parameters(const char *path, size_t length, bool with_encoded, char *room)
{
	bool is_in_parameters = false;
	size_t written = 0;

	for (size_t i = 0; i < length; i++) {
		size_t semicolon = semicolon_length(path + i, length - i);

		is_in_parameters = path[i] != '/' && (is_in_parameters || semicolon == 1 || (semicolon == 3 && with_encoded));
		if (!is_in_parameters)
			room[written++] = path[i];
	}
	return written;
}

bool path_begins_with(const char *path, size_t length, const char *segments, size_t segments_length)
{
	size_t at = 0;

	for (size_t i = 0; i <= segments_length; i++, at++) {
		if (at < length && path[at] == ';')
			while (at < length && path[at] != '/')
				at++;
		if (i == segments_length)
			return at == length || path[at] == '/';
		if (at == length || path[at] != segments[i])
			return false;
	}
	return false; /* not reached */
}

size_t path_skip(const char *path, size_t length, unsigned segments)
{
	const char *at = path;

	for (; segments > 0; segments--) {
		at = memchr(at + 1, '/', (size_t)(path + length - at - 1));
		if (at == NULL)
			return length;
	}
	return (size_t)(at - path);
}

struct path_result path_normalise(const char *path, size_t length, char *room)
{
	if (length == 0 || path[0] != '/')
		return refused("path without a slash at its beginning");
	if (is_plain(path, length))
		return (struct path_result){.verdict = PATH_UNCHANGED, .path = path, .length = length};
	return rewrite(path, length, room);
}
