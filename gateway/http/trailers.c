/*
 * Trailers come when the fields before the body have been acted upon. Whoever merges them into those (RFC 9110 section 6.5.1 warns
 * of it) would let them change framing, routing or who is asking, behind the back of all who looked at the head.
 */
#include "gateway/http/fields.h"

#include "gateway/http/characters.h"

enum { TRAILER_NAME_MAX = 32 };

/* A name is forbidden when it starts with one of these; one that ends in '$' must be the whole name. */
static const char *const not_in_trailers[] = {
	"accept", "access-control-", "age$", "allow$", "alt-", "authentication-info$", "authorization$", "cache-control$",
	"cdn-loop$", "content-disposition$", "content-encoding$", "content-language$", "content-length$",
	"content-location$", "content-range$", "content-security-policy", "content-type$", "cookie", "cross-origin-",
	"early-data$", "expires$", "host$", "if-", "location$", "max-forwards$", "origin",
	"pragma$", "prefer", "proxy-", "range$", "retry-after$",
	"sec-", "server$", "set-cookie", "strict-transport-security$", "transfer-encoding$", "vary$", "www-authenticate$",
	"x-forwarded", "x-http-method", "x-method-override$", "x-original-", "x-rewrite-",
};

static bool has_forbidden_start(const char *name, size_t length, const char *start)
{
	size_t i;

	for (i = 0; start[i] != '\0' && start[i] != '$'; i++)
		if (i >= length || name[i] != start[i])
			return false;
	return start[i] == '\0' || i == length;
}

bool field_may_be_trailer(const struct field *field)
{
	char name[TRAILER_NAME_MAX];
	size_t length = field->name.length < sizeof name ? field->name.length : sizeof name;

	if (field->id != FIELD_OTHER || field->is_hop_by_hop)
		return false;
	/* Servers that hand fields to programs as variables take '_' for '-'. */
	for (size_t i = 0; i < length; i++)
		name[i] = field->name.data[i] == '_' ? '-' : char_lower(field->name.data[i]);
	for (size_t i = 0; i < sizeof not_in_trailers / sizeof *not_in_trailers; i++)
		if (has_forbidden_start(name, length, not_in_trailers[i]))
			return false;
	return true;
}
