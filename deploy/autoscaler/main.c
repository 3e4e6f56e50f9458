/*
 * The autoscaler of the lab: takes alerts, asks the Docker Engine for more replicas. A program of its own, so that the gateway
 * never needs the engine's socket. Exit status: 0 fine, 1 could not run, 2 wrong usage.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/autoscaler/options.h"
#include "deploy/autoscaler/web.h"
#include "gateway/base/log.h"
#include "gateway/net/livez.h"

#ifndef GATEWAY_COMMIT
#define GATEWAY_COMMIT "" /* the Makefile knows it */
#endif

enum { EXIT_FINE = 0, EXIT_CANNOT_RUN = 1, EXIT_USAGE = 2 };

struct options {
	const char *listen, *docker;
	bool is_dry_run, is_healthcheck;
};

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)what;
	log_info("signal %d: ending", (int)number);
	event_base_loopbreak(context);
}

static int run(const struct options *options, const struct address *address)
{
	struct event_base *base = event_base_new();
	struct scaler *scaler = base == NULL ? NULL : scaler_new(options->docker, options->is_dry_run);
	struct event *term, *interrupt;
	char error[200] = "out of memory", text[ADDRESS_TEXT_MAX];
	struct web *web;

	if (scaler == NULL) {
		log_error("can't begin: is --docker %s a unix://, tcp:// or http:// address?", options->docker);
		if (base != NULL)
			event_base_free(base);
		return EXIT_USAGE;
	}
	web = web_new(base, address, scaler, options->is_dry_run, error, sizeof error);
	term = evsignal_new(base, SIGTERM, on_signal, base);
	interrupt = evsignal_new(base, SIGINT, on_signal, base);
	if (web != NULL && term != NULL && interrupt != NULL && event_add(term, NULL) == 0 && event_add(interrupt, NULL) == 0) {
		address_format(address, text);
		log_always("ready: listening on %s; engine %s%s; autoscaler " GATEWAY_VERSION, text, options->docker,
		           options->is_dry_run ? "; dry run" : "");
		event_base_dispatch(base);
	} else {
		log_error("%s", error);
	}
	web_free(web);
	scaler_free(scaler);
	if (term != NULL)
		event_free(term);
	if (interrupt != NULL)
		event_free(interrupt);
	event_base_free(base);
	return web != NULL ? EXIT_FINE : EXIT_CANNOT_RUN;
}

int main(int argc, char **argv)
{
	struct options options = { .listen = DEFAULT_LISTEN, .docker = DEFAULT_DOCKER };
	struct address address;
	int option;

	while ((option = usage_next(&AUTOSCALER_USAGE, argc, argv)) != -1) {
		switch (option) {
		case AUTOSCALER_LISTEN:
			options.listen = optarg;
			break;
		case AUTOSCALER_DOCKER:
			options.docker = optarg;
			break;
		case AUTOSCALER_DRY_RUN:
			options.is_dry_run = true;
			break;
		case AUTOSCALER_HEALTHCHECK:
			options.is_healthcheck = true;
			break;
		case AUTOSCALER_VERSION:
			puts("autoscaler " GATEWAY_VERSION GATEWAY_COMMIT);
			return EXIT_FINE;
		case AUTOSCALER_HELP:
			usage_print(&AUTOSCALER_USAGE, stdout);
			return EXIT_FINE;
		default:
			fputs("try: autoscaler --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || !address_parse(&address, options.listen, 0)) {
		fprintf(stderr, "autoscaler: '%s' is not understood; try: autoscaler --help\n",
		        optind < argc ? argv[optind] : options.listen);
		return EXIT_USAGE;
	}
	if (options.is_healthcheck)
		return livez_ask(address, "autoscaler") ? EXIT_FINE : EXIT_CANNOT_RUN;
	signal(SIGPIPE, SIG_IGN);
	log_begin();
	return run(&options, &address);
}
