#include "gateway/base/output.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_file(int fd)
{
	struct stat about;

	return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/* The position in a file is shared with whoever else writes there, such as a script that goes on when the gateway has ended;
 * with one of our own, the script would write over our lines. To append also helps when a rotation cuts the file. */
static int share(int standard)
{
	int fd = fcntl(standard, F_DUPFD_CLOEXEC, 3), flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_APPEND) == 0)
		fcntl(fd, F_SETFL, flags | O_APPEND);
	return fd;
}

/* Opened anew rather than duplicated, because O_NONBLOCK must not reach other holders of the same descriptor, such as a
 * shell. A socket can't be opened that way; each write to it says that it must not wait. */
int output_open(int standard)
{
	const char *name = standard == STDOUT_FILENO ? "/proc/self/fd/1" : "/proc/self/fd/2";
	int fd;

	if (is_file(standard))
		return share(standard);
	fd = open(name, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : fcntl(standard, F_DUPFD_CLOEXEC, 3);
}

bool output_is_socket(int fd)
{
	int type;
	socklen_t size = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

ssize_t output_put(int fd, bool is_socket, const char *bytes, size_t length)
{
	return is_socket ? send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, bytes, length);
}
