/* A health check from within the container, whose image has no shell and no curl. */
#ifndef HOSPITAL_CHECK_H
#define HOSPITAL_CHECK_H

/* Asks http://address:port/path: 0 when the answer is a 2xx, else 1 with a word on stderr. */
int check(const char *url);

#endif
