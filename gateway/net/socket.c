#include "gateway/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* Backlog: the kernel allows at most net.core.somaxconn. DEFER_ACCEPT: the kernel wakes us with the request, not with
 * the handshake. If a client sends nothing, the kernel hands it over after that time, and it counts as idle. */
enum { BACKLOG = 65535, DEFER_ACCEPT_S = 1 };
/* An overlay network forgets a silent connection after 900 s; keep-alive finds a dead peer long before. */
enum { KEEPALIVE_IDLE_S = 120, KEEPALIVE_INTERVAL_S = 15, KEEPALIVE_PROBES = 4 };

/* Returns the size of what was written. */
static socklen_t put_address(const struct address *address, struct sockaddr_storage *storage)
{
	memset(storage, 0, sizeof *storage);
	if (address->family == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)storage;

		v4->sin_family = AF_INET;
		v4->sin_port = htons(address->port);
		memcpy(&v4->sin_addr, address->ip, 4);
		return sizeof *v4;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(address->port);
	memcpy(&v6->sin6_addr, address->ip, 16);
	return sizeof *v6;
}

void socket_address_from(struct address *address, const struct sockaddr_storage *storage)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;

	memset(address, 0, sizeof *address);
	if (storage->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;

		address->family = 4;
		address->port = ntohs(v4->sin_port);
		memcpy(address->ip, &v4->sin_addr, 4);
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		address->family = 4; /* a dual-stack listener's client is still an IPv4 client to trusted_proxies and the log */
		address->port = ntohs(v6->sin6_port);
		memcpy(address->ip, v6->sin6_addr.s6_addr + 12, 4);
	} else {
		address->family = 6;
		address->port = ntohs(v6->sin6_port);
		memcpy(address->ip, &v6->sin6_addr, 16);
	}
}

static int socket_open(const struct address *address)
{
	return socket(address->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value);
}

static void set_common_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

static int close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

bool socket_is_free(const struct address *address)
{
	struct sockaddr_storage storage;
	socklen_t size = put_address(address, &storage);
	int fd = socket_open(address);
	bool is_free;

	if (fd < 0)
		return false;
	/* Remains of old connections don't prevent it, as with socket_listen(). */
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	is_free = bind(fd, (struct sockaddr *)&storage, size) == 0;
	close_keeping_errno(fd);
	return is_free;
}

int socket_listen(const struct address *address, bool *may_repeat)
{
	struct sockaddr_storage storage;
	socklen_t size = put_address(address, &storage);
	int fd = socket_open(address), one = 1;

	if (fd < 0)
		return -1;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_common_options(fd);
	set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S);
	*may_repeat = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0;
	if (bind(fd, (struct sockaddr *)&storage, size) < 0 || listen(fd, BACKLOG) < 0)
		return close_keeping_errno(fd);
	return fd;
}

void socket_accept_at_once(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
}

static void set_least_hops(int fd, int family, int least)
{
	set_option(fd, IPPROTO_IP, IP_MINTTL, least); /* of an IPv6 socket, too: IPv4 clients may reach it */
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, least);
}

void socket_drop_packets(int fd, const struct address *address)
{
	set_least_hops(fd, address->family == 4 ? AF_INET : AF_INET6, 255);
}

void socket_take_packets(int fd)
{
	set_least_hops(fd, AF_INET6, 0);
}

int socket_connect(const struct address *address)
{
	struct sockaddr_storage storage;
	socklen_t size = put_address(address, &storage);
	int fd = socket_open(address);

	if (fd < 0)
		return -1;
	set_common_options(fd);
	if (connect(fd, (struct sockaddr *)&storage, size) < 0 && errno != EINPROGRESS)
		return close_keeping_errno(fd);
	return fd;
}
