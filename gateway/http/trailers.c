/*
 * Trailers come after the gateway and the service have acted upon the fields before the body. A recipient that merges
 * trailers into those fields (RFC 9110 section 6.5.1 warns of it) would let them change framing, routing or the
 * client's identity, unseen by everyone who looked at the head.
 */
#include "gateway/http/trailers.h"

#include "gateway/http/characters.h"

enum { TRAILER_NAME_MAX = 32 };

/* A name is forbidden if it starts with one of these; an entry that ends in '$' must be the whole name. */
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

	if ((field->id != FIELD_OTHER && field->id != FIELD_ODD) || field->is_hop_by_hop)
		return false;
	/* See lookalikes.c. */
	for (size_t i = 0; i < length; i++)
		name[i] = !char_is(field->name.data[i], CHAR_NAME) ? '-' : char_lower(field->name.data[i]);
	for (size_t i = 0; i < sizeof not_in_trailers / sizeof *not_in_trailers; i++)
		if (has_forbidden_start(name, length, not_in_trailers[i]))
			return false;
	return true;
}
