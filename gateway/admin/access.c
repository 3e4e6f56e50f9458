/*
 * The access rules of the admin listener, for readers and for changes.
 *
 * A page in an operator's browser is one attacker: it can send requests to everything that the browser reaches. With a name
 * of its own that it points to 127.0.0.1 (DNS rebinding) it could even read the answers. So on loopback the listener refuses
 * names other than "localhost"; an address is not a name. The page's POSTs show themselves by Origin or Sec-Fetch-Site, and
 * those of a form can't be JSON (page_body). No answer of ours grants anything to other origins.
 *
 * The other attacker comes through our own front door: a route whose upstream is this listener, by a mistake in the
 * configuration or because an attacker points a name here. A forwarded request says so in Via, which no client can remove,
 * unless the route's own edits do. The listener also knows the connections of this process's workers, whatever comes on them.
 *
 * evhttp reads the body of a POST, PUT or PATCH only, by the first Content-Length, or as chunks if Transfer-Encoding is
 * exactly that; it takes unread bytes for the next request. So the listener refuses a body that evhttp reads in its own way,
 * or not at all.
 */
#include "gateway/admin/access.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/connections.h"

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

/* The last value is that of the last proxy (RFC 9110 section 7.6.3); before it may stand values of the client's. */
static bool was_forwarded(struct page_request *request)
{
	static const char own[] = " gateway"; /* and a number */
	const struct evkeyval *at;

	for (at = evhttp_request_get_input_headers(request->http)->tqh_first; at != NULL; at = at->next.tqe_next) {
		const char *name = strrchr(at->value, ' ');

		if (strcasecmp(at->key, "Via") == 0 && name != NULL && strncmp(name, own, sizeof own - 1) == 0 &&
		    (name[sizeof own - 1] == '-' || name[sizeof own - 1] == '\0'))
			return true;
	}
	return false;
}

/* Would another reader, in front of this listener, see the end of this request elsewhere? */
static bool is_misread(struct page_request *request)
{
	enum evhttp_cmd_type command = evhttp_request_get_command(request->http);
	bool is_read = command == EVHTTP_REQ_POST || command == EVHTTP_REQ_PUT || command == EVHTTP_REQ_PATCH;
	unsigned framings = 0;
	const struct evkeyval *at;

	for (at = evhttp_request_get_input_headers(request->http)->tqh_first; at != NULL; at = at->next.tqe_next) {
		bool is_coding = strcasecmp(at->key, "Transfer-Encoding") == 0;

		if (!is_coding && strcasecmp(at->key, "Content-Length") != 0)
			continue;
		framings++;
		if (is_coding ? !is_read || strcasecmp(at->value, "chunked") != 0 : !is_read && strcmp(at->value, "0") != 0)
			return true;
	}
	return framings > 1;
}

bool access_may_ask(struct page_request *request)
{
	struct bufferevent *io = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request->http));
	const char *host = field(request, "Host");

	if (is_misread(request)) {
		page_error(request, 400, "this listener reads a body in a POST only, and with one length");
		return false;
	}
	if (connections_is_own(request->connections, io) || was_forwarded(request)) {
		page_error(request, 403, "this listener can't be reached through a gateway's routes");
		return false;
	}
	if (!request->is_local || host == NULL || is_no_name(host))
		return true;
	page_error(request, 403, "ask this listener by its address, or as localhost");
	return false;
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

/* Takes the same time wherever the two differ. */
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
	page_error(request, 401, "changes need the token of admin.token_file: Authorization: Bearer TOKEN");
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
		           "this admin listener is not on loopback, so changes need a token: set admin.token_file");
	else if (comes_from_a_page(request))
		page_error(request, 403,
		           "a browser page can't change anything here without a token: set admin.token_file");
	else
		return true;
	return false;
}
