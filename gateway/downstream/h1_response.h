/* Responses as HTTP/1.1 has them: for the table of operations (downstream.h). */
#ifndef GATEWAY_DOWNSTREAM_H1_RESPONSE_H
#define GATEWAY_DOWNSTREAM_H1_RESPONSE_H

#include "gateway/downstream/downstream.h"

enum send_result h1_response_respond(struct downstream *downstream, const struct downstream_head *head,
                                     const struct pieces *pieces);
enum send_result h1_response_interim(struct downstream *downstream, const struct response *response,
                                     const struct header_edits *edits, const struct changes *changes);
enum send_result h1_response_reply(struct downstream *downstream, const struct downstream_reply *reply);
enum send_result h1_response_body(struct downstream *downstream, const struct pieces *pieces);

#endif
