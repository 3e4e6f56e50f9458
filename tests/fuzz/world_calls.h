/* What the gateway calls instead of the C library and libevent (world.syms); shaped like those. */
#ifndef TESTS_FUZZ_WORLD_CALLS_H
#define TESTS_FUZZ_WORLD_CALLS_H

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

int world_socket(int family, int type, int protocol);
int world_connect(int fd, const struct sockaddr *address, socklen_t size);
int world_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
ssize_t world_recv(int fd, void *to, size_t size, int flags);
ssize_t world_send(int fd, const void *data, size_t length, int flags);
ssize_t world_sendmsg(int fd, const struct msghdr *message, int flags);
long world_syscall(long number, ...);
int world_shutdown(int fd, int how);
int world_close(int fd);
int world_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int world_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
ssize_t world_splice(int from, off_t *from_offset, int to, off_t *to_offset, size_t size, unsigned flags);
int world_pipe2(int fds[2], int flags);
int world_fcntl(int fd, int command, ...);
int world_fstat(int fd, struct stat *about);
int world_eventfd(unsigned count, int flags);
ssize_t world_read(int fd, void *to, size_t size);
ssize_t world_write(int fd, const void *data, size_t size);
int world_open(const char *path, int flags, ...);
ssize_t world_read_chk(int fd, void *to, size_t size, size_t room);
ssize_t world_recv_chk(int fd, void *to, size_t size, size_t room, int flags);
int world_open_2(const char *path, int flags);
off_t world_lseek(int fd, off_t offset, int whence);

int world_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t world_getrandom(void *to, size_t size, unsigned flags);
void *world_malloc(size_t size);
void *world_calloc(size_t count, size_t size);
void *world_realloc(void *old, size_t size);
void world_free(void *block);
int world_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *), void *context);
int world_pthread_cond_signal(pthread_cond_t *condition);
int world_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int world_setpriority(int which, unsigned who, int priority);
int world_pthread_join(pthread_t thread, void **result);
int world_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

struct event_config *world_event_config_new(void);
int world_event_config_set_flag(struct event_config *config, int flag);
void world_event_config_free(struct event_config *config);
struct event_base *world_event_base_new_with_config(const struct event_config *config);
void world_event_base_free(struct event_base *base);
int world_event_base_loop(struct event_base *base, int flags);
int world_event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short what, event_callback_fn callback,
                       void *context);
int world_event_add(struct event *event, const struct timeval *wait);
int world_event_del(struct event *event);

#endif
