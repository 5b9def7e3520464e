/*
 * control/session/inbox.c - what a connection said and is not dealt with yet, and the credit its
 * shard gets back for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/session/internal.h"
#include "crypto/secret.h"

void session_inbox_clear(struct session *s)
{
	while (s->awake->inbox != NULL) {
		struct inbox_item *i = s->awake->inbox;

		s->awake->inbox = i->next;
		secret_wipe(i->payload, i->len); /* a password may be among them */
		free(i);
	}
	s->awake->inbox_last = &s->awake->inbox;
	s->awake->inbox_n = s->awake->inbox_bytes = 0;
}

int session_inbox_push(struct session *s, const struct link_payload *ev)
{
	struct inbox_item *i;

	if (s->awake->inbox_n >= INBOX_MAX || ev->len > INBOX_BYTES_MAX - s->awake->inbox_bytes)
		return -EBADMSG; /* more than a shard may leave unanswered */
	i = malloc(sizeof(*i) + ev->len);
	if (i == NULL)
		return -ENOMEM;
	i->next = NULL;
	i->seqnr = ev->seqnr;
	i->len = ev->len;
	memcpy(i->payload, ev + 1, ev->len);
	*s->awake->inbox_last = i;
	s->awake->inbox_last = &i->next;
	s->awake->inbox_n++;
	s->awake->inbox_bytes += i->len;
	return 0;
}

void session_inbox_pop(struct session *s)
{
	struct inbox_item *i = s->awake->inbox;

	s->awake->inbox = i->next;
	if (s->awake->inbox == NULL)
		s->awake->inbox_last = &s->awake->inbox;
	s->awake->inbox_n--;
	s->awake->inbox_bytes -= i->len;
	s->awake->owed_payloads++;
	s->awake->owed_bytes += i->len;
	s->awake->tokens_milli -= 1000;
	secret_wipe(i->payload, i->len);
	free(i);
}

/*
 * Gives the shard its credit back, unless the connection asks for more than SlowPathRate:
 * then the credit waits until the rate is met, and the shard stops reading for so long.
 */
void session_credit(struct session *s)
{
	struct session_env *env = s->table->env;
	int64_t rate = conf_global(s->awake->conf.conf)->slow_path_rate;
	uint64_t now = env->now_ms();
	struct link_answered m = {s->awake->owed_payloads, s->awake->owed_bytes};

	if (s->awake->owed_payloads == 0 || s->ended)
		return;
	if (rate > 0) {
		/* rate payloads a second are rate thousandths a millisecond; at most a second's
		 * worth is saved up. */
		s->awake->tokens_milli += (int64_t)(now - s->awake->tokens_at_ms) * rate;
		s->awake->tokens_at_ms = now;
		if (s->awake->tokens_milli > rate * 1000)
			s->awake->tokens_milli = rate * 1000;
		if (s->awake->tokens_milli < 0 &&
		    timer_set(env->timers, &s->awake->credit,
			      now + 1 + (uint64_t)(-s->awake->tokens_milli / rate)) == 0) {
			control_count(CONTROL_C_SLOW_PATH);
			return;
		}
	}
	s->awake->owed_payloads = s->awake->owed_bytes = 0;
	item_body(s, LINK_IT_ANSWERED, &m, sizeof(m));
}
