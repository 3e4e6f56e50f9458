/* The kernel's figures about a stream's connection. */
#ifndef GATEWAY_NET_STREAM_INFO_H
#define GATEWAY_NET_STREAM_INFO_H

#include "gateway/net/stream.h"

/* Has the peer's host left our bytes unacknowledged for `silent_ms`? (RFC 9293 section 3.8.3 leaves this time to the
 * user.) A host that acknowledges but takes no more is reachable. */
bool stream_is_unreachable(const struct stream *stream, uint32_t silent_ms);
/* How many bytes the peer has acknowledged so far (it wraps). A caller that waits until nothing is pending sees by this
 * whether the peer takes anything at all: the kernel's own buffer may be megabytes, and asks for more only when a third
 * of it is free. */
uint32_t stream_taken(const struct stream *stream);
/* How long ago the peer's last bytes came. The kernel knows, even if this thread read them late. 0: it does not
 * tell. */
uint32_t stream_silent_ms(const struct stream *stream);
/* How long after them the peer's end came, if it ended in order (FIN). */
uint32_t stream_silent_until_end_ms(const struct stream *stream);
/* Has the peer's host acknowledged all that was sent to it? */
bool stream_has_taken_all(const struct stream *stream);
/* Is there nothing to read, not even an end? For a connection that is about to carry a request which must not be sent
 * twice: its end may have come in this very loop iteration. */
bool stream_is_quiet(const struct stream *stream);
/* Are at least so many bytes there to be read? */
bool stream_holds(const struct stream *stream, size_t length);

#endif
