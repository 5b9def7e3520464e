/*
 * control/session/socket.c - what sluice-helper opens for a connection's user: a UNIX socket of the
 * gateway's, as him; a port below 1024 of its kernel's.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/service/call.h"
#include "control/session/internal.h"

static struct helper_job job_of(const struct session *s, uint32_t time_ms)
{
	return login_about(s, time_ms < HELPER_TIME_MAX ? time_ms : HELPER_TIME_MAX);
}

int socket_call(struct session *s, bool listen, const char *path, uint32_t time_ms,
		const struct service_ops *ops, void *arg, struct service_call **ret)
{
	struct session_env *env = s->table->env;
	const struct helper_socket m = {
		.job = job_of(s, time_ms), .listen = listen, .path = ssh_str_c(path)};
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

int port_call(struct session *s, const char *host, uint16_t port, uint32_t time_ms,
	      const struct service_ops *ops, void *arg, struct service_call **ret)
{
	struct session_env *env = s->table->env;
	const struct helper_port m = {
		.job = job_of(s, time_ms), .host = ssh_str_c(host), .port = port};
	uint8_t *frame;
	int r = -ENOMEM;

	if (env->helper == NULL)
		return -ENXIO;
	frame = malloc(HELPER_FRAME_MAX + 4);
	if (frame != NULL)
		r = service_call(env->helper, frame, helper_port_build(frame, &m), ops, arg, ret);
	free(frame);
	return r;
}
