/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Who the client is: its name, whether it is a user of this host, whether it is in mynetworks. */
#ifndef MTASMTP_CLIENT_H
#define MTASMTP_CLIENT_H
#include "session.h"

/* Fills name, client, local and uid from s->peer. Host names are looked up, and believed only when the name leads
 * back to the address (smtpd_peername_lookup). */
void client_identify(struct session *s);
/* 1 the address is in mynetworks, or the client is local; 0 not; -1 a table failed (logged). */
int client_in_networks(struct session *s);
struct matchlist;
/* Whether the client's address is in a list; false when the list cannot be searched. */
bool client_listed(struct session *s, struct matchlist *list);
/* 1 when the client may do what strangers may not: local, in mynetworks or authenticated; 0; -1 as above. */
int client_trusted(struct session *s);
/* After the handshake: keeps its description and logs it. */
void client_tls_started(struct session *s);
#endif
