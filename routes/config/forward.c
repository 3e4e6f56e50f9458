/* The settings of routes[].auth.forward. */
#include "routes/config/forward.h"

#include <string.h>
#include <strings.h>

/* The gateway writes these itself, or they belong to one connection. */
static const char *const OWN_NAMES[] = {"Host", "Connection", "Content-Length", "Expect", "Keep-Alive", "TE", "Trailer",
                                        "Transfer-Encoding", "Upgrade", "Via", "Forwarded", "X-Request-Id", "X-Real-IP",
                                        "Max-Forwards"};
static const char *const OWN_STARTS[] = {"Proxy-", "X-Forwarded-", "X-Original-", "X-Rewrite-"};

/* In any spelling. */
static bool looks_like(const char *name, const char *own, bool is_start)
{
	for (;; name++, own++) {
		char c = *name == '_' || *name == '.' ? '-' : *name;

		if (*own == '\0')
			return is_start || *name == '\0';
		if (strncasecmp(&c, own, 1) != 0)
			return false;
	}
}

static bool is_own(const char *name)
{
	for (size_t i = 0; i < sizeof(OWN_NAMES) / sizeof(OWN_NAMES[0]); i++)
		if (looks_like(name, OWN_NAMES[i], false))
			return true;
	for (size_t i = 0; i < sizeof(OWN_STARTS) / sizeof(OWN_STARTS[0]); i++)
		if (looks_like(name, OWN_STARTS[i], true))
			return true;
	return false;
}

static void check_names(struct reader *reader, const struct yaml_node *node, const struct texts *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_own(names->list[i]))
			reader_error(reader, node, "the gateway itself manages \"%.60s\"", names->list[i]);
}

void forward_check(struct reader *reader, const struct yaml_node *auth, const struct route *route)
{
	const struct forward_settings *forward = &route->forward;
	const struct yaml_node *node = yaml_find(auth, "forward"), *upstream;

	if (!forward->enabled || node == NULL)
		return;
	upstream = yaml_find(node, "upstream");
	if (upstream == NULL)
		reader_error(reader, node, "auth.forward has no upstream to ask");
	if (yaml_find(node, "path") == NULL)
		reader_error(reader, node, "auth.forward has no path to ask for, as in path: /verify");
	check_names(reader, yaml_find(node, "request_headers"), &forward->request_headers);
	check_names(reader, yaml_find(node, "response_headers"), &forward->response_headers);
	if (forward->upstream != NULL && forward->upstream == route->upstream)
		reader_warn(reader, upstream, "the route's own upstream says who may use it: its breaker counts both kinds of calls");
}
