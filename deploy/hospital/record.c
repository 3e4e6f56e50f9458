#include "deploy/hospital/fail.h"
#include "deploy/hospital/service.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void record(struct service *service, const char *what, int what_length)
{
	struct timespec now;
	char line[128];
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	length = snprintf(line, sizeof line, "%.*s %ld.%06ld\n", what_length, what, (long)now.tv_sec, now.tv_nsec / 1000);
	if (length >= (int)sizeof line || write(service->record, line, (size_t)length) != length)
		fail("--record", strerror(errno));
}

/* Bytes have come. evhttp takes them out at once, so those of a new request find the buffer empty. */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
	struct service *service = context;
	char head[4096];
	const char *id;
	ev_ssize_t length;

	if (change->n_added == 0 || change->orig_size != 0)
		return;
	length = evbuffer_copyout(input, head, sizeof head - 1);
	head[length > 0 ? length : 0] = '\0';
	if ((id = strstr(head, "\r\nX-Load-Id: ")) != NULL) {
		id += strlen("\r\nX-Load-Id: ");
		record(service, id, (int)strcspn(id, "\r"));
	}
}

struct bufferevent *record_accept(struct event_base *base, void *context)
{
	struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);

	if (connection == NULL || evbuffer_add_cb(bufferevent_get_input(connection), on_input, context) == NULL)
		fail("memory", strerror(ENOMEM));
	return connection;
}

void record_open(struct service *service, const char *folder)
{
	char path[1024];

	snprintf(path, sizeof path, "%s/%s", folder, service->replica);
	if ((service->record = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
		fail(path, strerror(errno));
}
