#include "gateway/admin/timeline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"

const char *timeline_kind_name(enum timeline_kind kind)
{
	static const char *const names[] = {
#define TIMELINE_KIND(name, word) [TIMELINE_##name] = (word),
		TIMELINE_KINDS(TIMELINE_KIND)
#undef TIMELINE_KIND
	};

	return names[kind];
}

/* Of a text that was cut at its end: not half a character of UTF-8. */
static void mend_end(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
		length--;
	if (length > 0 && (unsigned char)text[length - 1] >= 0xc0)
		length--;
	text[length] = '\0';
}

void timeline_add(struct timeline *timeline, enum timeline_kind kind, const char *upstream, const char *format, ...)
{
	struct timeline_event *event = &timeline->events[timeline->total % TIMELINE_EVENTS];
	va_list arguments;

	event->number = ++timeline->total;
	event->wall_ms = clock_wall_ms();
	event->kind = kind;
	snprintf(event->upstream, sizeof event->upstream, "%s", upstream == NULL ? "" : upstream);
	va_start(arguments, format);
	if (vsnprintf(event->text, sizeof event->text, format, arguments) >= (int)sizeof event->text)
		mend_end(event->text);
	va_end(arguments);
}

size_t timeline_count(const struct timeline *timeline)
{
	return timeline->total < TIMELINE_EVENTS ? timeline->total : TIMELINE_EVENTS;
}

const struct timeline_event *timeline_at(const struct timeline *timeline, size_t index)
{
	return &timeline->events[(timeline->total - timeline_count(timeline) + index) % TIMELINE_EVENTS];
}
