/*
 * Which system calls a thread may still make (seccomp(2)). The room of libseccomp, which knows the calls of every architecture by
 * name and turns a list into the kernel's filter program.
 *
 * A filter is built once and then put on by each thread that it is for; a thread can never take it off again.
 */
#ifndef GATEWAY_BASE_FILTER_H
#define GATEWAY_BASE_FILTER_H

#include <stdbool.h>

struct filter {
	unsigned short length; /* 0: none could be built */
	struct sock_filter *program;
};

/*
 * For threads that serve clients: nothing but what serving takes. No file can be opened, no process started, no socket made that
 * is not TCP, no memory made executable. An unlisted call fails with ENOSYS, as on a kernel that does not have it: libraries know
 * that answer and fall back, so an updated libc that tries something new costs no traffic.
 */
struct filter filter_for_serving(void);
/* For the control thread, whose libraries open files and make threads: everything but what starts a process or reaches for
 * other processes or the system. */
struct filter filter_for_control(void);
/* Both kill the process at calls that no honest thread here ever makes: to execute a program, trace or read a process, mount,
 * load a module, a kernel or BPF. */

/* The calling thread, from now on, and those it starts. Needs no_new_privs. False: errno; ENOSYS, EINVAL: not in this kernel. */
bool filter_put_on(const struct filter *filter);
void filter_free(struct filter *filter);

#endif
