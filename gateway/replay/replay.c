/* Files to calls, calls to the table. */
#include "gateway/replay/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/replay/calls.h"
#include "gateway/replay/report.h"

static bool read_log(struct calls *calls, const char *name)
{
	FILE *from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	bool is_fine;

	if (from == NULL) {
		fprintf(stderr, "gateway: %s: %s\n", name, strerror(errno));
		return false;
	}
	is_fine = calls_read(calls, from, name, stderr);
	if (from != stdin)
		fclose(from);
	return is_fine;
}

static int report(struct calls *calls)
{
	if (!calls_sort(calls) || !report_write(calls, stdout)) {
		fputs("gateway: out of memory\n", stderr);
		return 1;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("gateway: stdout");
		return 1;
	}
	if (calls->count == 0 && calls->lines > 0 && calls->unread == calls->lines)
		fputs("gateway: no line of the log is readable: --replay takes the gateway's own JSON, or a log as nginx, Apache and "
		      "Spring's Netty write it (... [29/Nov/2026:20:00:10 +0000] \"GET /patient HTTP/1.1\" 200 145 0.012), with the "
		      "duration at the end of each line\n",
		      stderr);
	else if (calls->count == 0)
		fputs("gateway: no call of an upstream of this file is in the log\n", stderr);
	return calls->count > 0 ? 0 : 2;
}

int replay_run(const struct config *config, char *const *logs, size_t count)
{
	struct calls calls;
	int status = 1;
	bool is_fine;

	if (count == 0) {
		fputs("gateway: --replay takes an access log, as in: gateway --replay access.log --config gateway.yml\n",
		      stderr);
		return 2;
	}
	is_fine = calls_begin(&calls, config);
	if (!is_fine)
		fputs("gateway: out of memory\n", stderr);
	for (size_t i = 0; i < count && is_fine; i++)
		is_fine = read_log(&calls, logs[i]);
	if (is_fine)
		status = report(&calls);
	calls_free(&calls);
	return status;
}
