/* IP addresses with a port, and prefixes of them. Pure text and bytes; no sockets, no names. */
#ifndef ROUTES_ADDRESS_H
#define ROUTES_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
	uint8_t family; /* 4 or 6; 0 = none */
	uint16_t port;  /* host byte order */
	uint8_t ip[16]; /* network byte order; an IPv4 address uses the first 4 */
};

enum { ADDRESS_TEXT_MAX = 56, ADDRESS_IP_MAX = 46 }; /* "[v6]:port"; the address alone; each with its NUL */

/* "1.2.3.4" or "::1" (no brackets). The port is left 0. */
bool address_parse_ip(struct address *address, const char *text);
bool address_parse_ip_part(struct address *address, const char *text, size_t length); /* the first `length` bytes */
/* "80" (any address, v4), "1.2.3.4:80", "[::1]:80"; with default_port != 0 the ":80" may be missing. */
bool address_parse(struct address *address, const char *text, uint16_t default_port);
/* "1.2.3.4:80" or "[::1]:80". Returns the length. */
size_t address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);
/* Without port and brackets. Returns the length. */
size_t address_format_ip(const struct address *address, char text[ADDRESS_IP_MAX]);
bool address_is_loopback(const struct address *address);
bool address_equal(const struct address *a, const struct address *b); /* family, ip and port */
/* Orders by family and ip, ignoring the port: below, at or above 0. */
int address_compare(const struct address *a, const struct address *b);

/* The bytes by which clients are told apart: the 4 of an IPv4 address, also of one that is written as IPv6; of IPv6 the 8 of the
 * /64, as a client that has one address of a network has all of them. Returns how many. */
size_t address_client(const struct address *address, const uint8_t **bytes);

struct prefix { /* a CIDR */
	struct address address;
	uint8_t bits;
};
/* "10.0.0.0/8", "fd00::/8" or a single address. Host bits must be zero. */
bool prefix_parse(struct prefix *prefix, const char *text);
/* An IPv4-mapped IPv6 address matches IPv4 prefixes. */
bool prefix_contains(const struct prefix *prefix, const struct address *address);

#endif
