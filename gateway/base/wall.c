#include "gateway/base/wall.h"

#include "gateway/base/clock.h"

static char *put_time(char *to, const struct tm *tm)
{
	to = text_put_literal(text_put_2(to, (unsigned)tm->tm_hour), ":");
	to = text_put_literal(text_put_2(to, (unsigned)tm->tm_min), ":");
	return text_put_2(to, (unsigned)tm->tm_sec);
}

static void write_date(char *to, const struct tm *tm)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	to = text_put_literal(text_put_bytes(to, days + (size_t)3 * tm->tm_wday, 3), ", ");
	to = text_put_literal(text_put_2(to, (unsigned)tm->tm_mday), " ");
	to = text_put_literal(text_put_bytes(to, months + (size_t)3 * tm->tm_mon, 3), " ");
	to = text_put_literal(text_put_number(to, (uint64_t)tm->tm_year + 1900), " ");
	text_put_literal(put_time(to, tm), " GMT");
}

static void write_iso(char *to, const struct tm *tm)
{
	to = text_put_literal(text_put_number(to, (uint64_t)tm->tm_year + 1900), "-");
	to = text_put_literal(text_put_2(to, (unsigned)tm->tm_mon + 1), "-");
	to = text_put_literal(text_put_2(to, (unsigned)tm->tm_mday), "T");
	text_put_literal(put_time(to, tm), ".");
}

void wall_read(struct wall *wall)
{
	uint64_t now_ms = clock_wall_ms();
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;

	wall->ms = (unsigned)(now_ms % 1000);
	if (wall->s == now_ms / 1000)
		return;
	wall->s = now_ms / 1000;
	gmtime_r(&seconds, &tm);
	write_date(wall->date, &tm);
	write_iso(wall->iso, &tm);
}
