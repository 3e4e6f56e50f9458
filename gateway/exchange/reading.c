/* Back-pressure towards the client: it is read while there is somebody to take what it sends. */
#include "gateway/exchange/reading.h"

#include "gateway/exchange/timeouts.h"

void reading_resume(struct exchange *exchange)
{
	const struct lease *lease = exchange->attempt.lease;

	switch (exchange->state) {
	case EXCHANGE_GATHERING:
		exchange->downstream->operations->resume(exchange->downstream);
		timeouts_watch_client(exchange);
		return;
	case EXCHANGE_FILTERING:
	case EXCHANGE_WAITING:
	case EXCHANGE_CONNECTING: /* its body waits in the kernel until the upstream takes more */
		if (!exchange->upload.is_whole)
			exchange->downstream->operations->pause(exchange->downstream);
		else /* it was paused, if another request came before this one: its end must be seen */
			exchange->downstream->operations->resume(exchange->downstream);
		timeouts_watch_client(exchange); /* the gateway waits for it no longer */
		return;
	case EXCHANGE_AWAITING:
	case EXCHANGE_STREAMING:
	case EXCHANGE_TUNNEL:
		if (lease != NULL && lease->is_blocked)
			exchange->downstream->operations->pause(exchange->downstream);
		else
			exchange->downstream->operations->resume(exchange->downstream);
		if (!exchange->downstream->is_blocked) /* else its deadline continues, whatever it sends */
			timeouts_watch_client(exchange);
		return;
	case EXCHANGE_ANSWERING:
	case EXCHANGE_BREAKING_OFF:
	case EXCHANGE_ENDED:
		return;
	}
}
