/* The gateway's command line. */
#ifndef GATEWAY_OPTIONS_H
#define GATEWAY_OPTIONS_H

#include "gateway/base/usage.h"

/* The Makefile's sysconfdir; other compilations (analysis, tests) don't know it. */
#ifndef GATEWAY_SYSCONFDIR
#define GATEWAY_SYSCONFDIR "/etc"
#endif
#define SYSTEM_FILE GATEWAY_SYSCONFDIR "/gateway/gateway.yml"

enum gateway_option {
	OPTION_CONFIG = 'c',
	OPTION_CHECK = 't',
	OPTION_PRINT_CONFIG = 'p',
	OPTION_HEALTHCHECK = 'k',
	OPTION_IMPORT = 'i',
	OPTION_REPLAY = 'r',
	OPTION_VERSION = 'v',
	OPTION_HELP = 'h',
};

extern const struct usage GATEWAY_USAGE;

#endif
