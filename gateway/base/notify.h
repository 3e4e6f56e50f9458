/* Tells the service manager how we are (sd_notify(3) protocol), where NOTIFY_SOCKET names one; else does nothing. */
#ifndef GATEWAY_BASE_NOTIFY_H
#define GATEWAY_BASE_NOTIFY_H

void notify_ready(void);
void notify_stopping(void);

#endif
