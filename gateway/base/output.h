/*
 * Standard output and standard error, written without waiting for their reader: a write that can't happen at once fails with
 * EAGAIN.
 */
#ifndef GATEWAY_BASE_OUTPUT_H
#define GATEWAY_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A descriptor of our own for STDOUT_FILENO or STDERR_FILENO. -1 with errno. */
int output_open(int standard);
/* A journal is one; output_put() has to know. */
bool output_is_socket(int fd);
/* As write(2). */
ssize_t output_put(int fd, bool is_socket, const char *bytes, size_t length);

#endif
