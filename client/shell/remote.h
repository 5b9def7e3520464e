/*
 * client/shell/remote.h - what the server listens at for us (-R), and where who connects there
 * goes: to one target, or, by SOCKS, to where he wants, as PermitRemoteOpen lets him.
 */
#ifndef SLUICE_CLIENT_SHELL_REMOTE_H
#define SLUICE_CLIENT_SHELL_REMOTE_H

#include "client/config/config.h"
#include "client/shell/relays.h"

struct remote {
	struct forward f;
	uint16_t port; /* it listens at */
	bool answered, ok, cancelled;
};

struct remotes {
	struct remote *v; /* CONFIG_FORWARDS_MAX at most */
	size_t n, answered;
	const struct conf_strs *permit;
	struct relays *relays;
	/* A listener is there; or, ok false, is not. */
	void (*told)(void *arg, const struct remote *m);
	void *arg;
};

/* Was each answered? */
bool remotes_done(const struct remotes *m);
/* That are not there, of those answered. */
size_t remotes_refused(const struct remotes *m);
/* Asks for those again. */
void remotes_again(struct remotes *m);
/* Asks for it; told() says what came of it. 0, or an error, said. */
int remotes_ask(struct remotes *m, const struct forward *f);
/* One that is asked for by the same words, and not refused; NULL: there is none. */
const struct remote *remotes_find(const struct remotes *m, const struct forward *f);
/* The server listens there no more. False: it did not. */
bool remotes_cancel(struct remotes *m, const struct forward *f);
/*
 * The same, named by where it listens in truth: a port that the server chose is one, too. *ret:
 * what was asked for.
 */
bool remotes_cancel_at(struct remotes *m, const struct forward_end *listen, struct forward *ret);
/* For on_requested and on_channel_open_request. */
void remotes_answered(struct remotes *m, const char *type, int err, const void *data, size_t len);
void remotes_fini(struct remotes *m);
int remotes_opened(struct remotes *m, struct sluice_channel *c, const struct sluice_open *open);

#endif
