/* The head of a request in HTTP/1.1: its line, and the fields that differ between protocols. */
#ifndef GATEWAY_UPSTREAM_H1_HEAD_H
#define GATEWAY_UPSTREAM_H1_HEAD_H

#include "gateway/upstream/lease.h"

enum {
	H1_HEAD_ROOM = sizeof "  HTTP/1.1\r\nhost: []:65535\r\ntransfer-encoding: chunked\r\ncontent-length: 18446744073709551615\r\n"
	                      "connection: close\r\nexpect: 100-continue\r\nconnection: upgrade\r\nupgrade: \r\n/?\r\n"
};

char *h1_head_begin(char *to, const struct upstream_head *head);
char *h1_head_end(char *to, const struct upstream_head *head);

#endif
