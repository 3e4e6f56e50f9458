/* The kernel's figures about a stream's connection, which this thread does not have. */
#include "gateway/net/stream_info.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/sanitizer.h"

/* All zero if the kernel does not tell. */
static struct tcp_info ask_kernel(const struct stream *stream)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t size = sizeof info;

	(void)getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info;
}

uint32_t stream_taken(const struct stream *stream)
{
	return (uint32_t)ask_kernel(stream).tcpi_bytes_acked;
}

uint32_t stream_silent_ms(const struct stream *stream)
{
	return ask_kernel(stream).tcpi_last_data_recv;
}

/* The last packet with an acknowledgement is the FIN, which is not data. */
uint32_t stream_silent_until_end_ms(const struct stream *stream)
{
	struct tcp_info info = ask_kernel(stream);

	return info.tcpi_last_data_recv - info.tcpi_last_ack_recv;
}

bool stream_has_taken_all(const struct stream *stream)
{
	struct tcp_info info = ask_kernel(stream);

	return !stream_is_pending(stream) && info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0;
}

bool stream_is_unreachable(const struct stream *stream, uint32_t silent_ms)
{
	struct tcp_info info = ask_kernel(stream);
	bool is_silent, has_backed_off;

	is_silent = info.tcpi_last_ack_recv >= silent_ms - silent_ms / 8;
	/* A peer that no longer receives our packets goes on repeating its last answer, and the kernel counts that as
	 * hearing from it. But the kernel doubles its time before each retransmission and starts anew when the peer
	 * acknowledges something. So the retransmission timer tells for how long the peer has acknowledged nothing: at
	 * least half of our time less one first wait. */
	has_backed_off = info.tcpi_rto - (info.tcpi_rto >> info.tcpi_backoff) >= silent_ms * UINT64_C(1000) / 3;
	/* Data that this machine itself could not send (no route, a firewall) is not unacknowledged; the kernel probes
	 * for it. One probe may be on its way to a peer that has closed its window. */
	return (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0 && (is_silent || has_backed_off)) ||
	       (info.tcpi_probes > 1 && is_silent);
}

bool stream_is_quiet(const struct stream *stream)
{
	char byte;

	return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ThreadSanitizer's recv() looks for races in the buffer: megabytes from address 0 on. With MSG_TRUNC there is no
 * buffer. */
#if HAS_THREAD_SANITIZER
#define PEEK(fd, length, flags) syscall(SYS_recvfrom, fd, NULL, length, flags, NULL, NULL)
#else
#define PEEK(fd, length, flags) recv(fd, NULL, length, flags)
#endif

bool stream_holds(const struct stream *stream, size_t length)
{
	return PEEK(stream->fd, length, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) == (ssize_t)length; /* MSG_TRUNC: no copy */
}
