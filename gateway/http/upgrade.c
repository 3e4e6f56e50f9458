/*
 * Upgrades lead into a tunnel, where the gateway sees nothing any more. So it passes on no upgrade to another HTTP,
 * which would carry requests past the routes, and none to TLS, which the gateway does not speak.
 */
#include "gateway/http/upgrade.h"

#include "gateway/http/characters.h"
#include "gateway/http/fields.h"

bool upgrade_may_pass(struct slice protocols)
{
	static const struct slice not[] = {{"h2c", 3}, {"h2", 2}, {"http", 4}, {"tls", 3}};
	const char *at = protocols.data, *end = protocols.data + protocols.length, *start;
	struct slice name;

	if (at == end)
		return false;
	while (at < end) {
		while (at < end && (*at == ' ' || *at == '\t' || *at == ','))
			at++;
		for (start = at; at < end && char_is(*at, CHAR_TOKEN);)
			at++;
		name = (struct slice){start, (size_t)(at - start)};
		for (size_t i = 0; i < sizeof not / sizeof *not; i++)
			if (slice_equal_nocase(name, not[i]))
				return false;
		if (at < end && *at == '/' && name.length > 0)
			for (at++; at < end && char_is(*at, CHAR_TOKEN);)
				at++;
		if (at < end && *at != ',' && *at != ' ' && *at != '\t')
			return false;
	}
	return true;
}

bool upgrade_is_offered(struct slice offered, struct slice protocols)
{
	struct slice protocol;
	bool has_any = false;

	while (field_list_take(&protocols, &protocol)) {
		if (protocol.length == 0)
			continue;
		if (!field_list_has(offered, protocol))
			return false;
		has_any = true;
	}
	return has_any;
}
