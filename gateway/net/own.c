#include "gateway/net/own.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/net/socket.h"

enum { KNOWN_MS = 60 * 1000 };

static uint16_t watched;                   /* 0: none */
static _Atomic uint32_t opened_ms[65536]; /* by port, modulo 2^32; 0: never. Takes no memory until it is used */

void own_watch(uint16_t port)
{
	watched = port;
}

static bool ask(int (*question)(int fd, struct sockaddr *to, socklen_t *size), int fd, struct address *address)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof storage;

	if (question(fd, (struct sockaddr *)&storage, &size) != 0)
		return false;
	socket_address_from(address, &storage);
	return true;
}

void own_note(int fd, uint16_t port, uint64_t now_ms)
{
	struct address here;

	if (port == watched && ask(getsockname, fd, &here))
		atomic_store(&opened_ms[here.port], (uint32_t)now_ms | 1);
}

static bool is_this_host(const struct address *peer, const struct address *here)
{
	return address_is_loopback(peer) || (peer->family == here->family && memcmp(peer->ip, here->ip, sizeof peer->ip) == 0);
}

bool own_is_peer(int fd, uint64_t accepted_ms)
{
	struct address peer, here;
	uint32_t opened;

	if (!ask(getpeername, fd, &peer) || !ask(getsockname, fd, &here) || !is_this_host(&peer, &here))
		return false;
	opened = atomic_load(&opened_ms[peer.port]);
	return opened != 0 && (int32_t)(opened - ((uint32_t)accepted_ms - KNOWN_MS)) >= 0;
}
