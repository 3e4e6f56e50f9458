#include "gateway/net/livez.h"

#include <stdio.h>
#include <string.h>

#include "gateway/net/fetch.h"

enum { TIMEOUT_MS = 3000 };

static bool is_any_address(const struct address *address)
{
	static const uint8_t zeros[16];

	return memcmp(address->ip, zeros, address->family == 4 ? 4 : 16) == 0;
}

bool livez_ask(struct address listener, const char *program)
{
	char url[ADDRESS_TEXT_MAX + 32], text[ADDRESS_TEXT_MAX], error[256] = "";
	uint16_t port = listener.port;
	unsigned status;

	if (is_any_address(&listener))
		address_parse_ip(&listener, listener.family == 4 ? "127.0.0.1" : "::1");
	listener.port = port;
	address_format(&listener, text);
	snprintf(url, sizeof url, "http://%s/livez", text);
	status = fetch_once(url, TIMEOUT_MS, error, sizeof error);
	if (status == 0)
		fprintf(stderr, "%s: %s: %s\n", program, url, error);
	else if (status != 200)
		fprintf(stderr, "%s: %s answered %u\n", program, url, status);
	return status == 200;
}
