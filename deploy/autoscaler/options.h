/* The autoscaler's command line. */
#ifndef DEPLOY_AUTOSCALER_OPTIONS_H
#define DEPLOY_AUTOSCALER_OPTIONS_H

#include "gateway/base/usage.h"

enum autoscaler_option {
	AUTOSCALER_LISTEN = 'l',
	AUTOSCALER_DOCKER = 'd',
	AUTOSCALER_DRY_RUN = 'n',
	AUTOSCALER_HEALTHCHECK = 'k',
	AUTOSCALER_VERSION = 'v',
	AUTOSCALER_HELP = 'h',
};

#define DEFAULT_LISTEN "0.0.0.0:9093"
#define DEFAULT_DOCKER "unix:///var/run/docker.sock"

extern const struct usage AUTOSCALER_USAGE;

#endif
