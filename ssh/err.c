/* ssh/err.c - the list of errors, as tables. */
#include "ssh/err.h"

static const struct {
	uint32_t reason;
	const char *counter, *text;
} errors[] = {
#define X(name, reason, counter, text) [SSH_E_##name - SSH_E_BASE] = {reason, counter, text},
	SSH_ERRORS(X)
#undef X
};

/* Compared before it is negated: INT_MIN has no positive. */
static unsigned int err_index(int err)
{
	if (err < -SSH_E_BASE && err > -SSH_E_END)
		return (unsigned int)(-err - SSH_E_BASE);
	return SSH_E_INTERNAL - SSH_E_BASE;
}

const char *ssh_err_text(int err)
{
	return errors[err_index(err)].text;
}

uint32_t ssh_err_disconnect(int err)
{
	return errors[err_index(err)].reason;
}

const char *ssh_err_counter(int err)
{
	return errors[err_index(err)].counter;
}
