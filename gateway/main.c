/*
 * The command line. Exit status: 0 fine, 1 could not run, 2 wrong usage or configuration.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/control.h"
#include "gateway/net/beacon.h"
#include "gateway/net/fetch.h"
#include "routes/config.h"

enum { EXIT_FINE = 0, EXIT_CANNOT_RUN = 1, EXIT_USAGE = 2 };
enum { HEALTHCHECK_TIMEOUT_MS = 3000, BEACONS_MOST = 8 };

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_HEALTHCHECK };

static void print_usage(FILE *to)
{
	fputs("gateway " GATEWAY_VERSION ", an API gateway with circuit breakers\n"
	      "\n"
	      "usage: gateway [--config FILE]                  run\n"
	      "       gateway --check [--config FILE]          read the file, print every error and warning\n"
	      "       gateway --print-config [--config FILE]   the effective configuration, defaults included\n"
	      "       gateway --healthcheck [--config FILE]    ask the running gateway's /livez\n"
	      "       gateway --version | --help\n"
	      "\n"
	      "Without --config: ./gateway.yml, then /etc/gateway/gateway.yml.\n"
	      "Signals: TERM and INT drain (twice: end at once), HUP reloads, USR1 reopens logs.\n"
	      "Exit status: 0 fine, 1 could not run, 2 wrong usage or configuration.\n",
	      to);
}

static const char *default_file(void)
{
	if (access("gateway.yml", F_OK) == 0)
		return "gateway.yml";
	if (access("/etc/gateway/gateway.yml", F_OK) != 0)
		fputs("gateway: there is no gateway.yml here and none in /etc/gateway; --config FILE names another\n", stderr);
	return "/etc/gateway/gateway.yml";
}

/* Prints what there is to complain of. A gateway that runs doesn't fail its health check because its file was broken since. */
static struct config *read_config(enum action action, const char *file)
{
	struct complaints complaints;
	struct config *config = action == ACTION_HEALTHCHECK ? config_read_anyway(file, &complaints)
	                                                     : config_read(file, &complaints);

	complaints_print(&complaints, file, stderr);
	complaints_free(&complaints);
	return config;
}

static bool is_any_address(const struct address *address)
{
	static const uint8_t zeros[16];

	return memcmp(address->ip, zeros, address->family == 4 ? 4 : 16) == 0;
}

static bool is_alive(struct address admin)
{
	char url[ADDRESS_TEXT_MAX + 32], text[ADDRESS_TEXT_MAX], error[256] = "";
	uint16_t port = admin.port;
	unsigned status;

	if (is_any_address(&admin))
		address_parse_ip(&admin, admin.family == 4 ? "127.0.0.1" : "::1");
	admin.port = port;
	address_format(&admin, text);
	snprintf(url, sizeof url, "http://%s/livez", text);
	status = fetch_once(url, HEALTHCHECK_TIMEOUT_MS, error, sizeof error);
	if (status == 0)
		fprintf(stderr, "gateway: %s: %s\n", url, error);
	else if (status != 200)
		fprintf(stderr, "gateway: %s answered %u\n", url, status);
	return status == 200;
}

/* Asks the gateway that runs with this file, wherever it is; the file, which may be NULL, is the second choice. Of several it is
 * the one that the file, filled in from this environment, means. */
static int check_health(const char *file, const struct config *config)
{
	struct address found[BEACONS_MOST];
	size_t count = beacon_find(file, found, BEACONS_MOST);

	if (config == NULL && count == 0)
		return EXIT_CANNOT_RUN;
	if (count == 0 && config->admin.family == 0) {
		fputs("gateway: there is no admin listener to ask (admin: off)\n", stderr);
		return EXIT_CANNOT_RUN;
	}
	for (size_t i = 0; config != NULL && i < count; i++)
		if (address_equal(&found[i], &config->admin))
			count = 0;
	if (count == 0)
		found[count++] = config->admin;
	for (size_t i = 0; i < count; i++)
		if (is_alive(found[i]))
			return EXIT_FINE;
	return EXIT_CANNOT_RUN;
}

/* What was started without them would else log into its own sockets and pipes: the lowest free number is taken. */
static bool have_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int act(enum action action, const char *file)
{
	struct config *config = read_config(action, file);
	int status = EXIT_FINE;

	if (config == NULL && action != ACTION_HEALTHCHECK)
		return EXIT_USAGE;
	switch (action) {
	case ACTION_RUN:
		return control_run(config);
	case ACTION_CHECK:
		fprintf(stderr, "%s: fine, %zu routes, %zu upstreams\n", file, config->route_count, config->upstream_count);
		break;
	case ACTION_PRINT:
		config_print(config, stdout);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			perror("gateway: stdout");
			status = EXIT_CANNOT_RUN;
		}
		break;
	case ACTION_HEALTHCHECK:
		status = check_health(file, config);
		break;
	}
	config_release(config);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },  { "check", no_argument, NULL, 't' },
		{ "print-config", no_argument, NULL, 'p' },  { "healthcheck", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'v' },       { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	enum action action = ACTION_RUN;
	const char *file = NULL;
	int option;

	if (!have_standard_descriptors())
		return EXIT_CANNOT_RUN;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
			action = ACTION_CHECK;
			break;
		case 'p':
			action = ACTION_PRINT;
			break;
		case 'k':
			action = ACTION_HEALTHCHECK;
			break;
		case 'v':
			puts("gateway " GATEWAY_VERSION);
			return EXIT_FINE;
		case 'h':
			print_usage(stdout);
			return EXIT_FINE;
		default:
			fputs("try: gateway --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gateway: unexpected argument '%s'; try: gateway --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return act(action, file != NULL ? file : default_file());
}
