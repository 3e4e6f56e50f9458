/* Tells the service manager the gateway's state (sd_notify(3) protocol), if NOTIFY_SOCKET names one; else does nothing. */
#ifndef GATEWAY_BASE_NOTIFY_H
#define GATEWAY_BASE_NOTIFY_H

void notify_ready(void);
/* Until the next notify_ready(), which also follows a failed reload, as the old configuration serves. */
void notify_reloading(void);
void notify_stopping(void);

#endif
