/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See bounce_meaning.h. */
#include "mail/bounce_meaning.h"

#include <string.h>

/* The longest beginning counts. */
static const struct bounce_meaning meanings[] = {
	{ "1.1", "There is no mailbox with this address.", "Check the address for a mistake in writing, or ask the recipient in another way for the new one." },
	{ "1.2", "The part behind the @ is not a mail domain that can be found.", "Check the address for a mistake in writing." },
	{ "1.3", "The address is not well formed.", "Check the address for a mistake in writing." },
	{ "1.6", "The recipient has moved.", "Use the new address, if one is given below." },
	{ "1.10", "The domain does not accept any mail.", "Check the part of the address behind the @." },
	{ "1", "There is something wrong with the address.", "Check the address for a mistake in writing." },
	{ "2.1", "The mailbox is disabled.", "Reach the recipient in another way." },
	{ "2.2", "The mailbox is full.", "Send the message again later, or reach the recipient in another way." },
	{ "2.3", "The message is too large for this mailbox.", "Send less, or send it in parts." },
	{ "2", "The mailbox cannot take the message.", "Send the message again later, or reach the recipient in another way." },
	{ "3.4", "The message is too large for the recipient's mail system.", "Send less, or send it in parts." },
	{ "3", "The recipient's mail system had a problem.", "Send the message again later; tell the recipient if it goes on." },
	{ "4.6", "The message went round in a loop between mail systems.", "Tell the administrator of the recipient's mail system." },
	{ "4", "The recipient's mail system could not be reached.", "Check the part of the address behind the @, and send the message again later." },
	{ "5", "The mail systems did not understand each other.", "Tell your administrator, and include this report." },
	{ "6", "The recipient's mail system cannot process this kind of message.", "Send the message in another form." },
	{ "7", "The recipient's mail system refused the message by its rules.", "Read what it said below; your administrator may be able to help." },
	{ "", "The message could not be delivered.", "Read what was said below; your administrator may be able to help." },
};

const struct bounce_meaning *
bounce_meaning(const char *dsn)
{
	const struct bounce_meaning *best = &meanings[sizeof meanings / sizeof *meanings - 1];
	const char *code = strlen(dsn) > 2 ? dsn + 2 : "";

	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
		size_t n = strlen(meanings[i].code);

		if (strncmp(code, meanings[i].code, n) == 0 && (!code[n] || code[n] == '.') && n > strlen(best->code))
			best = &meanings[i];
	}
	return best;
}
