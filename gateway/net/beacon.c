#include "gateway/net/beacon.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PREFIX_MAX = 64 };

/* The name consists of the folder's device and inode, and of the file's name, hashed (FNV-1a) as it may be too long.
 * The file's own inode would not do, because an administrator often replaces the file by another. The folder's numbers
 * are needed because every container has a /etc/gateway/gateway.yml, on a file system of its own. */
static bool make_prefix(const char *file, char prefix[PREFIX_MAX])
{
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	char *folder = slash != NULL ? strndup(file, (size_t)(slash + 1 - file)) : strdup(".");
	bool is_there;
	struct stat about;
	uint64_t hash = 0xcbf29ce484222325;

	is_there = folder != NULL && stat(folder, &about) == 0;
	free(folder);
	if (!is_there)
		return false;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	snprintf(prefix, PREFIX_MAX, "gateway/%llx/%llx/%llx/", (unsigned long long)about.st_dev, (unsigned long long)about.st_ino,
	         (unsigned long long)hash);
	return true;
}

int beacon_light(const char *file, const struct address *address)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char prefix[PREFIX_MAX], text[ADDRESS_TEXT_MAX];
	socklen_t size;
	int fd, length;

	if (!make_prefix(file, prefix))
		return -1;
	address_format(address, text);
	/* From the second byte on: the abstract namespace. */
	length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s%s", prefix, text);
	if (length >= (int)sizeof name.sun_path - 1)
		return -1;
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The socket listens for nobody, so nobody can connect to it, and it leads nobody out of the sandbox. */
	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 0) == 0 && shutdown(fd, SHUT_RDWR) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

size_t beacon_find(const char *file, struct address *list, size_t most)
{
	char prefix[PREFIX_MAX], line[512];
	FILE *sockets = fopen("/proc/net/unix", "re");
	size_t count = 0;

	if (sockets == NULL || !make_prefix(file, prefix))
		most = 0;
	while (count < most && fgets(line, sizeof line, sockets) != NULL) {
		const char *name = strchr(line, '@');

		line[strcspn(line, "\n")] = '\0';
		if (name != NULL && strncmp(name + 1, prefix, strlen(prefix)) == 0 &&
		    address_parse(&list[count], name + 1 + strlen(prefix), 0))
			count++;
	}
	if (sockets != NULL)
		fclose(sockets);
	return count;
}
