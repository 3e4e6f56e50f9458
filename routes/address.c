/*
 * IP addresses as text and back.
 *
 * An IPv4 address keeps its four bytes at the front of ip[] and zeros behind, so that two addresses are equal when
 * their bytes are. An IPv4-mapped IPv6 address (::ffff:10.0.0.1, what a dual-stack socket reports) stays IPv6 here;
 * only address_client() and prefix_contains() see through it. Zone ids (fe80::1%eth0) are refused: they mean something on
 * one machine only.
 */
#include "routes/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_parse_ip(struct address *address, const char *text)
{
	*address = (struct address){0};
	if (inet_pton(AF_INET, text, address->ip) == 1)
		address->family = 4;
	else if (inet_pton(AF_INET6, text, address->ip) == 1)
		address->family = 6;
	else
		memset(address->ip, 0, sizeof(address->ip));
	return address->family != 0;
}

/* A whole decimal number up to `most`, without sign or spaces. */
static bool parse_decimal(const char *text, unsigned most, unsigned *value)
{
	unsigned parsed = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		parsed = parsed * 10 + (unsigned)(*text - '0');
		if (parsed > most)
			return false;
	}
	*value = parsed;
	return true;
}

static bool parse_port(struct address *address, const char *text)
{
	unsigned port;

	if (!parse_decimal(text, UINT16_MAX, &port) || port == 0)
		return false;
	address->port = (uint16_t)port;
	return true;
}

bool address_parse_ip_part(struct address *address, const char *text, size_t length)
{
	char ip[ADDRESS_TEXT_MAX];

	if (length >= sizeof(ip))
		return false;
	memcpy(ip, text, length);
	ip[length] = '\0';
	return address_parse_ip(address, ip);
}

static bool parse_bracketed(struct address *address, const char *text, uint16_t default_port)
{
	const char *end = strchr(text, ']');

	if (end == NULL || !address_parse_ip_part(address, text + 1, (size_t)(end - text - 1)) || address->family != 6)
		return false;
	address->port = default_port;
	if (end[1] == '\0')
		return default_port != 0;
	return end[1] == ':' && parse_port(address, end + 2);
}

bool address_parse(struct address *address, const char *text, uint16_t default_port)
{
	const char *colon = strrchr(text, ':');

	*address = (struct address){0};
	if (text[0] == '[')
		return parse_bracketed(address, text, default_port);
	if (default_port != 0 && address_parse_ip(address, text)) {
		address->port = default_port;
		return true;
	}
	*address = (struct address){.family = 4};
	if (colon == NULL)
		return default_port == 0 && parse_port(address, text);
	return address_parse_ip_part(address, text, (size_t)(colon - text)) && address->family == 4 &&
	       parse_port(address, colon + 1);
}

size_t address_format_ip(const struct address *address, char text[ADDRESS_IP_MAX])
{
	if (address->family == 0 ||
	    inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->ip, text, ADDRESS_IP_MAX) == NULL)
		text[0] = '\0';
	return strlen(text);
}

size_t address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	char ip[ADDRESS_IP_MAX];

	address_format_ip(address, ip);
	/* The longest is 45 bytes of address, brackets, colon, five digits: 53. */
	return (size_t)snprintf(text, ADDRESS_TEXT_MAX, address->family == 6 ? "[%.46s]:%u" : "%.46s:%u", ip,
	                        (unsigned)address->port);
}

bool address_is_loopback(const struct address *address)
{
	static const uint8_t SIX[16] = {[15] = 1};

	return address->family == 4 ? address->ip[0] == 127 : address->family == 6 && memcmp(address->ip, SIX, 16) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16);
}

/* ---- prefixes --------------------------------------------------------------------------------------------------- */

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool has_host_bits(const struct prefix *prefix)
{
	unsigned size = prefix->address.family == 4 ? 32 : 128;

	for (unsigned bit = prefix->bits; bit < size; bit++)
		if (prefix->address.ip[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	return false;
}

size_t address_client(const struct address *address, const uint8_t **bytes)
{
	bool is_mapped = address->family == 6 && memcmp(address->ip, MAPPED, sizeof MAPPED) == 0;

	*bytes = address->ip + (is_mapped ? sizeof MAPPED : 0);
	return address->family == 4 || is_mapped ? 4 : 8;
}

bool prefix_parse(struct prefix *prefix, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned bits;

	*prefix = (struct prefix){0};
	if (!address_parse_ip_part(&prefix->address, text, length))
		return false;
	bits = prefix->address.family == 4 ? 32 : 128;
	if (slash != NULL && !parse_decimal(slash + 1, bits, &bits))
		return false;
	prefix->bits = (uint8_t)bits;
	return !has_host_bits(prefix);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	const uint8_t *ip = address->ip;
	unsigned family = address->family;

	if (family == 6 && prefix->address.family == 4 && memcmp(ip, MAPPED, sizeof(MAPPED)) == 0) {
		ip += sizeof(MAPPED);
		family = 4;
	}
	return family != 0 && family == prefix->address.family && bits_equal(prefix->address.ip, ip, prefix->bits);
}
