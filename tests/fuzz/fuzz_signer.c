/* Bodies of messages between control and sluice-signer: what is accepted re-encodes to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/signer/proto.h"

static uint8_t buf[HELPER_FRAME_MAX + 4];

static void same(size_t n, const uint8_t *frame, size_t used)
{
	if (n != used || memcmp(buf, frame, 5) != 0)
		abort();
}

/* What was read ends where the frame does, or before. */
static void inside(const struct signer_have *m, const uint8_t *end)
{
	for (unsigned int i = 0; i < m->n; i++) {
		if (m->blob[i].p + m->blob[i].len > end || m->path[i].p + m->path[i].len > end ||
		    memchr(m->path[i].p, 0, m->path[i].len) != NULL)
			abort();
		for (unsigned int j = 0; j < m->n_certs[i]; j++)
			if (m->cert[i][j].p + m->cert[i][j].len > end)
				abort();
	}
}

/* About keys of files. */
static void named(enum signer_msg kind, struct ssh_str body, const uint8_t *frame, size_t used)
{
	struct signer_open_request open;
	struct signer_open_answer opened;
	uint8_t print[32];

	if (kind == SIGNER_OPEN && signer_open_parse(body, &open) == 0)
		same(signer_open_build(buf, sizeof(buf), &open), frame, used);
	if (kind == SIGNER_OPENED && signer_opened_parse(body, &opened) == 0)
		same(signer_opened_build(buf, sizeof(buf), &opened), frame, used);
	if (kind == SIGNER_LET_GO && signer_let_go_parse(body, print) == 0)
		same(signer_let_go_build(buf, sizeof(buf), print), frame, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signer_request request;
	struct signer_answer answer;
	struct signer_have have;
	struct ssh_str body;
	enum helper_msg type;
	size_t used;

	while (helper_frame_parse(data, size, &type, &body, &used) == 0) {
		enum signer_msg kind = (enum signer_msg)type;

		if (signer_request_parse(kind, body, &request) == 0)
			same(signer_request_build(buf, sizeof(buf), &request), data, used);
		if (kind == SIGNER_DONE && signer_answer_parse(body, &answer) == 0)
			same(signer_answer_build(buf, sizeof(buf), &answer), data, used);
		if (kind == SIGNER_HAVE && signer_have_parse(body, &have) == 0)
			inside(&have, data + used);
		named(kind, body, data, used);
		data += used;
		size -= used;
	}
	return 0;
}
