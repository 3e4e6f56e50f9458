/*
 * Who may ask, and who may change something.
 *
 * A page in an operator's browser is the stranger here: it can send requests to whatever the browser reaches. By a name of its
 * own that it lets point to 127.0.0.1 (DNS rebinding) it could even read the answers; so on loopback a name other than
 * "localhost" is nobody we know, while an address is no name. Its POSTs give themselves away by Origin or Sec-Fetch-Site, and
 * those of a form can't be JSON (page_body). No answer of ours allows other origins anything.
 *
 * The other stranger comes through our own front door: a route whose upstream is this listener, by a slip of the configuration
 * or because whoever rules a name lets it point here. What a gateway forwards says so in Via, which no client can take out.
 */
#include <arpa/inet.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/page.h"

static const char *field(struct page_request *request, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(request->http), name);
}

/* The host without its port and brackets is "localhost" or an address. */
static bool is_no_name(const char *host)
{
	char copy[64];
	uint8_t ip[16];
	char *end;

	if (strlen(host) >= sizeof copy)
		return false;
	strcpy(copy, host);
	if (copy[0] == '[') {
		end = strchr(copy, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		*end = '\0';
		return inet_pton(AF_INET6, copy + 1, ip) == 1;
	}
	copy[strcspn(copy, ":")] = '\0';
	return strcasecmp(copy, "localhost") == 0 || inet_pton(AF_INET, copy, ip) == 1;
}

/* The last of a field is whoever came last (RFC 9110 section 7.6.3); before ours stand the client's own. */
static bool was_forwarded(struct page_request *request)
{
	static const char own[] = " gateway";
	const struct evkeyval *at;

	for (at = evhttp_request_get_input_headers(request->http)->tqh_first; at != NULL; at = at->next.tqe_next) {
		size_t length = strlen(at->value);

		if (strcasecmp(at->key, "Via") == 0 && length >= sizeof own - 1 && strcmp(at->value + length - (sizeof own - 1), own) == 0)
			return true;
	}
	return false;
}

bool access_may_ask(struct page_request *request)
{
	const char *host = field(request, "Host");

	if (was_forwarded(request)) {
		page_error(request, 403, "this listener can't be reached through a gateway's routes");
		return false;
	}
	if (!request->is_local || host == NULL || is_no_name(host))
		return true;
	page_error(request, 403, "ask this listener by its address, or as localhost");
	return false;
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

/* Takes the same time wherever they differ. */
static bool is_same_secret(const char *given, const char *secret)
{
	size_t given_length = strlen(given), length = strlen(secret);
	volatile unsigned char differences = given_length != length;

	for (size_t i = 0; i < length; i++)
		differences |= (unsigned char)(secret[i] ^ (i < given_length ? given[i] : 0));
	return differences == 0;
}

static bool has_token(struct page_request *request, const char *token)
{
	const char *given = field(request, "Authorization");

	if (given != NULL && strncasecmp(given, "Bearer ", 7) == 0 && is_same_secret(given + 7, token))
		return true;
	page_header(request, "WWW-Authenticate", "Bearer");
	page_error(request, 401, "changing something takes the token of admin.token_file: Authorization: Bearer TOKEN");
	return false;
}

static bool comes_from_a_page(struct page_request *request)
{
	const char *site = field(request, "Sec-Fetch-Site");

	return field(request, "Origin") != NULL || (site != NULL && strcasecmp(site, "none") != 0);
}

bool access_may_change(struct page_request *request)
{
	const struct config *config = request->view->config(request->view->context);

	if (config != NULL && config->admin_token != NULL)
		return has_token(request, config->admin_token);
	if (!request->is_local)
		page_error(request, 403,
		           "this admin listener is not on loopback, so changing something takes a token: set admin.token_file");
	else if (comes_from_a_page(request))
		page_error(request, 403, "a page in a browser changes nothing here without a token: set admin.token_file");
	else
		return true;
	return false;
}
