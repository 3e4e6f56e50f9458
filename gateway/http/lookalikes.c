/*
 * Names that some reader behind the gateway confuses. A server that hands fields to programs as variables (CGI, WSGI,
 * PHP) writes '_' for '-', and often for every byte that is not a letter or digit. To its program "X.Forwarded.For" is
 * X-Forwarded-For. So a name looks like another if both have the same letters and digits, whatever stands between,
 * before or behind them.
 *
 * This file only looks at names with more than letters, digits and '-'; hardly any name is like that.
 */
#include "gateway/http/lookalikes.h"

#include "gateway/http/characters.h"

enum { SKELETON_MAX = 24 };

/* The fields that the gateway sets, removes or acts upon, as letters and digits; '*': followed by any letters. */
static const char *const guarded[] = {
	"xforwarded*", "xoriginal*", "xrewrite*", "xrealip", "xrequestid", "forwarded", "via", "host", "proxy", "expect", "upgrade",
	"connection", "keepalive", "proxyconnection", "proxyauthenticate", "proxyauthorization", "te", "trailer", "maxforwards",
	"contentlength", "transferencoding",
};

/* The letters and digits of a name, in lower case; cut at SKELETON_MAX. */
static size_t reduce(struct slice name, char skeleton[SKELETON_MAX])
{
	size_t length = 0;

	for (size_t i = 0; i < name.length && length < SKELETON_MAX; i++)
		if (name.data[i] != '-' && char_is(name.data[i], CHAR_NAME))
			skeleton[length++] = char_lower(name.data[i]);
	return length;
}

static bool is_pattern_of(const char *pattern, const char *skeleton, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (pattern[i] == '*')
			return true;
		if (pattern[i] != skeleton[i])
			return false;
	}
	return pattern[length] == '\0' || pattern[length] == '*';
}

/* Does the name have another byte for every '-' of `known`, and equal it otherwise? */
static bool is_disguised(struct slice name, struct slice known)
{
	if (name.length != known.length)
		return false;
	for (size_t i = 0; i < name.length; i++)
		if (known.data[i] == '-' ? char_is(name.data[i], CHAR_NAME) && name.data[i] != '-'
		                         : char_lower(name.data[i]) != known.data[i])
			return false;
	return true;
}

enum field_id field_identify_odd(struct slice name)
{
	char skeleton[SKELETON_MAX];
	size_t length = reduce(name, skeleton);

	if (is_disguised(name, SLICE("content-length")) || is_disguised(name, SLICE("transfer-encoding")))
		return FIELD_FRAMING_LOOKALIKE;
	for (size_t i = 0; i < sizeof guarded / sizeof guarded[0]; i++)
		if (is_pattern_of(guarded[i], skeleton, length))
			return FIELD_LOOKALIKE;
	return FIELD_ODD;
}

bool field_names_look_alike(struct slice a, struct slice b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.length && (a.data[i] == '-' || !char_is(a.data[i], CHAR_NAME)))
			i++;
		while (j < b.length && (b.data[j] == '-' || !char_is(b.data[j], CHAR_NAME)))
			j++;
		if (i == a.length || j == b.length)
			return i == a.length && j == b.length;
		if (char_lower(a.data[i++]) != char_lower(b.data[j++]))
			return false;
	}
}
