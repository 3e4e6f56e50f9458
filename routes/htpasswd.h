/*
 * Files of users as htpasswd(1) and mkpasswd(1) make them, and the credentials that clients send (RFC 7617). Pure text; any thread.
 *
 *   # a comment, or an empty line
 *   name:hash
 *
 * Of hashes those are taken that crypt(3) knows and that are made for passwords. Whether a password fits one is not said here: that
 * takes long on purpose.
 */
#ifndef ROUTES_HTPASSWD_H
#define ROUTES_HTPASSWD_H

#include <stdbool.h>
#include <stddef.h>

enum { HTPASSWD_NAME_MAX = 255, HTPASSWD_PASSWORD_MAX = 511, HTPASSWD_HASH_MAX = 383 };

struct htpasswd_user {
	const char *name, *hash; /* into the text of the file */
	size_t line;
};

struct htpasswd {
	const struct htpasswd_user *users; /* sorted by name */
	size_t count;
};

/* Takes the text of a file and cuts it into strings: it must live as long as the users do. `allocate` gives memory that lives
 * as long. `complain` gets a message without the hash for each wrong line. False: out of memory. */
bool htpasswd_parse(struct htpasswd *htpasswd, char *text, size_t length, void *(*allocate)(void *context, size_t size),
                    void (*complain)(void *context, size_t line, const char *name, const char *why), void *context);

/* NULL: there is no such user. */
const struct htpasswd_user *htpasswd_find(const struct htpasswd *htpasswd, const char *name);

struct basic_credentials {
	char name[HTPASSWD_NAME_MAX + 1], password[HTPASSWD_PASSWORD_MAX + 1];
};

/* Parses the value of an Authorization field. False: another scheme, or invalid by RFC 7617. Wipes what it does not use. */
bool basic_credentials_parse(struct basic_credentials *credentials, const char *value, size_t length);

#endif
