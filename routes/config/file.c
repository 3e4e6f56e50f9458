/* Files that gateway.yml names. */
#include "routes/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "routes/config/complaints.h"
#include "routes/config/keys.h"

/* Relative to the folder of the configuration. */
static char *locate(struct reader *reader, const char *file)
{
	const char *slash = strrchr(reader->file, '/');
	size_t folder = file[0] != '/' && slash != NULL ? (size_t)(slash + 1 - reader->file) : 0;
	char *path = reader_allocate_scratch(reader, folder + strlen(file) + 1);

	if (path != NULL) {
		memcpy(path, reader->file, folder);
		memcpy(path + folder, file, strlen(file) + 1);
	}
	return path;
}

/* Up to `size` bytes; fewer only at the end of the file. -1 with errno. */
static ssize_t read_whole(int descriptor, char *bytes, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(descriptor, bytes + length, size - length);

		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
char *reader_file(struct reader *reader, const struct yaml_node *node, const char *file, size_t most_bytes, size_t *read_bytes)
{
	char *path = locate(reader, file), *bytes = NULL;
	int descriptor = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat status;
	ssize_t length = -1;

	if (path == NULL)
		return NULL;
	if (descriptor < 0 || fstat(descriptor, &status) != 0) {
		reader_error(reader, node, "can't read \"%.100s\": %s", path, strerror(errno));
	} else if (!S_ISREG(status.st_mode) || (size_t)status.st_size > most_bytes) {
		reader_error(reader, node, "\"%.100s\" is not a regular file of up to %zu %s", path,
		             most_bytes < MIB ? most_bytes / KIB : most_bytes / MIB, most_bytes < MIB ? "KiB" : "MiB");
	} else {
		bytes = reader_allocate(reader, (size_t)status.st_size + 1);
		if (bytes != NULL && (length = read_whole(descriptor, bytes, (size_t)status.st_size)) < 0)
			reader_error(reader, node, "can't read \"%.100s\": %s", path, strerror(errno));
	}
	if (descriptor >= 0)
		close(descriptor);
	*read_bytes = length > 0 ? (size_t)length : 0;
	return length >= 0 ? bytes : NULL;
}
