#include "gateway/base/inbox.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool inbox_init(struct inbox *inbox)
{
	*inbox = (struct inbox){ .descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	if (inbox->descriptor < 0)
		return false;
	if (pthread_mutex_init(&inbox->mutex, NULL) != 0) {
		close(inbox->descriptor);
		return false;
	}
	inbox->last = &inbox->first;
	return true;
}

void inbox_destroy(struct inbox *inbox)
{
	struct message *message;

	if (inbox->last == NULL)
		return;
	message = inbox_take(inbox);
	while (message != NULL) {
		struct message *next = message->next;
		free(message);
		message = next;
	}
	close(inbox->descriptor);
	pthread_mutex_destroy(&inbox->mutex);
}

bool inbox_send(struct inbox *inbox, int kind, void *subject, void *object)
{
	struct message *message = malloc(sizeof *message);
	bool was_empty;
	uint64_t one = 1;

	if (message == NULL)
		return false;
	*message = (struct message){ .kind = kind, .subject = subject, .object = object };
	pthread_mutex_lock(&inbox->mutex);
	was_empty = inbox->first == NULL;
	*inbox->last = message;
	inbox->last = &message->next;
	pthread_mutex_unlock(&inbox->mutex);
	if (was_empty)
		(void)!write(inbox->descriptor, &one, sizeof one); /* it fails only while the descriptor is readable anyway */
	return true;
}

struct message *inbox_take(struct inbox *inbox)
{
	struct message *messages;
	uint64_t count;

	if (read(inbox->descriptor, &count, sizeof count) < 0)
		count = 0; /* nothing announced; what is there is taken all the same */
	pthread_mutex_lock(&inbox->mutex);
	messages = inbox->first;
	inbox->first = NULL;
	inbox->last = &inbox->first;
	pthread_mutex_unlock(&inbox->mutex);
	return messages;
}
