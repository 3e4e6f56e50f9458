#include "deploy/autoscaler/options.h"

static const struct usage_option OPTIONS[] = {
	{ AUTOSCALER_LISTEN, "", "listen", "ADDRESS:PORT", "where alerts come in; " DEFAULT_LISTEN " unless given" },
	{ AUTOSCALER_DOCKER, "", "docker", "URL", "the engine of a manager; " DEFAULT_DOCKER " unless given" },
	{ AUTOSCALER_DRY_RUN, "", "dry-run", NULL, "decide and tell, but change nothing" },
	{ AUTOSCALER_HEALTHCHECK, "", "healthcheck", NULL, "ask the running one's /livez, at the port of --listen" },
	{ AUTOSCALER_VERSION, "v", "version", NULL, "print the version and the commit it was built from" },
	{ AUTOSCALER_HELP, "h", "help", NULL, "print this" },
	{ 0, NULL, NULL, NULL, NULL },
};

static const struct usage_note NOTES[] = {
	{ "Services", "An alert names a service by its label `scale`. The service's own labels bound what is done:\n"
	  "autoscale.max (required), autoscale.min 1, autoscale.step 1, autoscale.cooldown 30s, autoscale.down off." },
	{ "Exit status", "0 fine, 1 could not run or is not alive, 2 wrong usage." },
	{ NULL, NULL },
};

const struct usage AUTOSCALER_USAGE = {
	.program = "autoscaler",
	.summary = "scales swarm services when Prometheus' alerts ask for it",
	.arguments = "[OPTION...]",
	.options = OPTIONS,
	.notes = NOTES,
};
