/* client/known/text.c - what was found of a server's key, for a person. */
#include <stdio.h>
#include <string.h>

#include "client/known/known.h"

static void key_text(const struct key *key, char *buf, size_t size)
{
	char print[128];

	if (key_fingerprint(key, print, sizeof(print)) < 0)
		strcpy(print, "?");
	snprintf(buf, size, "%s key %s", key_log_type(key), print);
}

static void by_text(const struct known_found *f, char *buf, size_t size)
{
	static const char *const by[] = {[KNOWN_BY_KEY] = "by the key it was told to accept",
					 [KNOWN_BY_FINGERPRINT] = "by its fingerprint",
					 [KNOWN_BY_CA] = "by a certificate's authority",
					 [KNOWN_BY_X509] = "by an X.509 trust anchor",
					 [KNOWN_BY_ANY] = "because any key is accepted"};

	if (f->by == KNOWN_BY_FILE)
		snprintf(buf, size, "by %s:%lu%s", f->file, f->line,
			 f->by_authority ? ", a certificate's authority" : "");
	else
		snprintf(buf, size, "%s", by[f->by]);
}

void known_text(const struct known_found *f, const struct known_host *h, const struct key *key,
		char buf[KNOWN_TEXT_MAX])
{
	char name[KNOWN_NAME_MAX], what[192], by[KNOWN_TEXT_MAX / 2];

	if (known_name(h->host, h->port, name) < 0)
		strcpy(name, "?");
	key_text(key, what, sizeof(what));
	switch (f->verdict) {
	case KNOWN_VERDICT_OK:
		by_text(f, by, sizeof(by));
		snprintf(buf, KNOWN_TEXT_MAX, "%s has %s, known %s", name, what, by);
		break;
	case KNOWN_VERDICT_NEW:
		snprintf(buf, KNOWN_TEXT_MAX, "nobody knows %s, which has %s%s%s", name, what,
			 f->why != NULL ? "; " : "", f->why != NULL ? f->why : "");
		break;
	case KNOWN_VERDICT_CHANGED:
		snprintf(buf, KNOWN_TEXT_MAX,
			 "THE HOST KEY OF %s HAS CHANGED: it has %s, and in %.512s:%lu stands "
			 "another "
			 "%s key. Somebody may be between it and you.%s%s",
			 name, what, f->file, f->line, f->type, f->why != NULL ? " " : "",
			 f->why != NULL ? f->why : "");
		break;
	case KNOWN_VERDICT_REVOKED:
		snprintf(buf, KNOWN_TEXT_MAX,
			 "the host key of %s is REVOKED by %.512s:%lu: it has %s", name, f->file,
			 f->line, what);
		break;
	case KNOWN_VERDICT_INVALID:
		snprintf(buf, KNOWN_TEXT_MAX,
			 "the X.509 certificate of %s is not believed: %s; it has %s", name, f->why,
			 what);
		break;
	}
}
