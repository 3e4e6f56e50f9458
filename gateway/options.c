#include "gateway/options.h"

static const struct usage_option OPTIONS[] = {
	{ OPTION_CONFIG, "cf", "config", "FILE", "the configuration; the same as FILE alone" },
	{ OPTION_CHECK, "t", "check", NULL, "read the file, print every error and warning, and exit" },
	{ OPTION_PRINT_CONFIG, "", "print-config", NULL, "print the effective configuration, defaults included" },
	{ OPTION_HEALTHCHECK, "", "healthcheck", NULL, "ask the running gateway's /livez" },
	{ OPTION_IMPORT, "", "import", NULL, "print Spring's FILEs (application.yml) as gateway.yml; verdicts on stderr" },
	{ OPTION_REPLAY, "", "replay", NULL, "send the calls of access logs (FILE...) through the configuration's breakers" },
	{ OPTION_VERSION, "v", "version", NULL, "print the version and the commit it was built from" },
	{ OPTION_HELP, "h", "help", NULL, "print this help" },
	{ 0, NULL, NULL, NULL, NULL },
};

static const struct usage_note NOTES[] = {
	{ "Files", "Without FILE: ./gateway.yml, then " SYSTEM_FILE "." },
	{ "Signals", "TERM and INT drain (twice: end at once), HUP reloads, USR1 reopens logs." },
	{ "Exit status", "0 fine, 1 could not run or is not alive, 2 wrong usage or configuration." },
	{ "Environment", "Values of the configuration may name variables (${NAME}, ${NAME:-default}). Where NOTIFY_SOCKET is set,\n"
	  "the gateway tells the service manager READY, RELOADING and STOPPING." },
	{ NULL, NULL },
};

const struct usage GATEWAY_USAGE = {
	.program = "gateway",
	.summary = "an API gateway with circuit breakers",
	.arguments = "[OPTION...] [FILE...]",
	.options = OPTIONS,
	.notes = NOTES,
};
