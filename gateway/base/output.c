#include "gateway/base/output.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Opened anew rather than duplicated, because O_NONBLOCK must not reach other holders of the same descriptor, such as a
 * shell. A socket can't be opened that way; each write to it says that it must not wait. */
int output_open(int standard)
{
	const char *name = standard == STDOUT_FILENO ? "/proc/self/fd/1" : "/proc/self/fd/2";
	int fd = open(name, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

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
