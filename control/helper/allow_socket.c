/*
 * control/helper/allow_socket.c - may this user have a channel from, or to, this UNIX socket?
 */
#include "control/helper/allow.h"
#include "control/policy/policy.h"

/* A key for a forced command alone may forward, as with sshd, unless it says otherwise. */
const char *allow_socket(const struct allow *a, const struct helper_socket *m, const char *path)
{
	if (!policy_socket_permitted(&a->conf, m->listen, path))
		return m->listen ? "PermitStreamLocalListen does not name it"
				 : "PermitStreamLocal does not name it";
	return allow_login(a, &m->job, true);
}
