/* Where the gateway listens, what it trusts and asks, and where its log goes. */
#ifndef ROUTES_CONFIG_LISTEN_H
#define ROUTES_CONFIG_LISTEN_H

#include "routes/config/reader.h"

key_read read_listen, read_admin, read_token_file, read_log_target, read_log_when, read_dns_servers, read_prefixes;

#endif
