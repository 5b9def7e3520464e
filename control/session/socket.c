/*
 * control/session/socket.c - a UNIX socket of the gateway's for a channel: sluice-helper opens it
 * as the connection's user.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/service/call.h"
#include "control/session/internal.h"

int socket_call(struct session *s, bool listen, const char *path, uint32_t time_ms,
		const struct service_ops *ops, void *arg, struct service_call **ret)
{
	struct session_env *env = s->table->env;
	const struct helper_socket m = {
		.job = login_about(s, time_ms < HELPER_TIME_MAX ? time_ms : HELPER_TIME_MAX),
		.listen = listen,
		.path = ssh_str_c(path)};
	uint8_t *frame;
	int r = -ENOMEM;

	if (env->helper == NULL)
		return -ENXIO;
	frame = malloc(HELPER_FRAME_MAX + 4);
	if (frame != NULL)
		r = service_call(env->helper, frame, helper_socket_build(frame, &m), ops, arg, ret);
	free(frame);
	return r;
}
