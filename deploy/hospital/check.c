#include "deploy/hospital/check.h"

#include <errno.h>
#include <event2/http.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "deploy/hospital/fail.h"

enum { CHECK_TIMEOUT_S = 2 };

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found;
	struct timeval timeout = { CHECK_TIMEOUT_S, 0 };
	int error = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found), fd;

	if (error != 0)
		fail(host, gai_strerror(error));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
	    connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		fail(host, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

int check(const char *url)
{
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	const char *host = uri != NULL ? evhttp_uri_get_host(uri) : NULL, *path, *query;
	char port[8], text[1024];
	ssize_t got, length = 0;
	int fd;

	if (host == NULL)
		fail(url, "http://address:port/path is wanted");
	path = evhttp_uri_get_path(uri);
	snprintf(port, sizeof port, "%d", evhttp_uri_get_port(uri) < 0 ? 80 : evhttp_uri_get_port(uri));
	fd = connect_to(host, port);
	query = evhttp_uri_get_query(uri);
	got = snprintf(text, sizeof text, "GET %s%s%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n",
	               path == NULL || *path == '\0' ? "/" : path, query != NULL ? "?" : "", query != NULL ? query : "", host,
	               port);
	if (got >= (ssize_t)sizeof text || send(fd, text, (size_t)got, MSG_NOSIGNAL) != got)
		fail(url, "could not ask");
	while (length < 12 && (got = recv(fd, text + length, sizeof text - (size_t)length, 0)) > 0)
		length += got;
	close(fd);
	evhttp_uri_free(uri);
	if (length >= 12 && memcmp(text, "HTTP/1.", 7) == 0 && text[8] == ' ' && text[9] == '2')
		return 0;
	fprintf(stderr, "service: %s: %.*s\n", url, length < 12 ? 9 : 12, length < 12 ? "no answer" : text);
	return 1;
}

