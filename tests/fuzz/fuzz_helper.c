/*
 * Frames between control and sluice-helper: what is accepted re-encodes to the same meaning, and
 * no view leaves the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/helper/proto.h"

static uint8_t buf[HELPER_FRAME_MAX + 4];

static void within(struct ssh_str s, struct ssh_str body)
{
	if (s.len != 0 && (s.p < body.p || s.p + s.len > body.p + body.len))
		abort();
}

static void same(size_t len, const uint8_t *frame, size_t used)
{
	/* Booleans may be any value but 0: then only the length is the same. */
	if (len != used || memcmp(buf, frame, 5) != 0)
		abort();
}

static void request(enum helper_msg type, struct ssh_str body, const uint8_t *frame, size_t used)
{
	struct helper_command command;
	struct helper_file file;
	struct helper_session run;
	struct helper_socket socket;
	struct helper_port port;
	struct helper_pam pam;
	struct helper_job job;

	if (type == HELPER_PAM && helper_pam_parse(body, &pam) == 0) {
		within(pam.new_password, body);
		same(helper_pam_build(buf, &pam), frame, used);
	} else if (type == HELPER_COMMAND && helper_command_parse(body, &command) == 0) {
		within(command.key, body);
		same(helper_command_build(buf, &command), frame, used);
	} else if (type == HELPER_FILE && helper_file_parse(body, &file) == 0) {
		within(file.job.version, body);
		same(helper_file_build(buf, &file), frame, used);
	} else if (type == HELPER_SESSION && helper_session_parse(body, &run) == 0) {
		within(run.env, body);
		within(run.key_env, body);
		within(run.pty.modes, body);
		within(run.display.cookie, body);
		same(helper_session_build(buf, &run), frame, used);
	} else if (type == HELPER_SOCKET && helper_socket_parse(body, &socket) == 0) {
		within(socket.path, body);
		same(helper_socket_build(buf, &socket), frame, used);
	} else if (type == HELPER_PORT && helper_port_parse(body, &port) == 0) {
		within(port.host, body);
		same(helper_port_build(buf, &port), frame, used);
	} else {
		return;
	}
	if (helper_job_parse(type, body, &job) < 0) /* what the child takes its parent took */
		abort();
}

static void answer(enum helper_msg type, struct ssh_str body, const uint8_t *frame, size_t used)
{
	struct ssh_str given[SSH_PROMPTS_MAX];
	struct helper_exit how;
	struct helper_done done;
	struct ssh_prompts ask;
	struct ssh_str name;
	struct helper_started n;

	if (type == HELPER_EXIT && helper_exit_parse(body, &how) == 0)
		same(helper_exit_build(buf, &how), frame, used);
	if (type == HELPER_STARTED && helper_started_parse(body, &n) == 0)
		same(helper_started_build(buf, &n), frame, used);
	if (type == HELPER_SIGNAL && helper_signal_parse(body, &name) == 0)
		same(helper_signal_build(buf, name), frame, used);
	if (type == HELPER_ASK && helper_ask_parse(body, &ask) == 0)
		same(helper_ask_build(buf, &ask), frame, used);
	if (type == HELPER_DONE && helper_done_parse(body, &done) == 0)
		within(done.text, body);
	if (type == HELPER_ANSWER && body.len >= 4 && body.p[3] <= SSH_PROMPTS_MAX &&
	    helper_answer_parse(body, body.p[3], given) == 0)
		same(helper_answer_build(buf, body.p[3], given), frame, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_str body;
	enum helper_msg type;
	size_t used;

	while (helper_frame_parse(data, size, &type, &body, &used) == 0) {
		if (used < 5 || used > size)
			abort();
		request(type, body, data, used);
		answer(type, body, data, used);
		data += used;
		size -= used;
	}
	return 0;
}
