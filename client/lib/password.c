/* client/lib/password.c - a password that nobody is asked for: PasswordFile, PasswordCommand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "client/reach/output.h"
#include "conf/words.h"
#include "crypto/secret.h"

static int of_file(struct sluice *s, char *buf, size_t size)
{
	const char *path = s->set.password_file;
	int r = secret_line(path, buf, size);

	if (r == -EPERM)
		return fail(s, r, "PasswordFile refused: bad ownership or modes for file %.150s",
			    path);
	return r < 0 ? fail(s, r, "PasswordFile %.150s: %s", path, sluice_strerror(r)) : 0;
}

/* The first line that it says, without a shell between. */
static int of_command(struct sluice *s, char *buf, size_t size)
{
	const char *argv[CONF_ARGS_MAX + 1];
	struct arena words = {0};
	char *text;
	size_t len;
	int r, n = args_split(&words, s->set.password_command, argv, CONF_ARGS_MAX);

	if (n <= 0 || *argv[0] != '/') {
		r = fail(s, -EINVAL, "PasswordCommand %.150s: not from the root",
			 s->set.password_command);
		goto out;
	}
	argv[n] = NULL;
	r = output_of((char *const *)argv, size - 1, false, &text, &len);
	if (r < 0) {
		fail(s, r, "PasswordCommand %.150s: %s", argv[0],
		     r == -EIO ? "failed" : sluice_strerror(r));
		goto out;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(text, "\r\n"), text);
	secret_wipe(text, len);
	free(text);
out:
	arena_fini(&words);
	return r;
}

int password_ready(struct sluice *s)
{
	char word[SLUICE_ANSWER_MAX + 2];
	int r = 0;

	if (s->password != NULL || (*s->set.password_file == '\0' && *s->set.password_command == '\0'))
		return 0;
	if (*s->set.password_file != '\0')
		r = of_file(s, word, sizeof(word));
	else
		r = of_command(s, word, sizeof(word));
	if (r == 0) {
		r = sluice_password_set(s, word, strlen(word));
		if (r < 0)
			fail(s, r, "a password of more than %d bytes", SLUICE_ANSWER_MAX);
	}
	secret_wipe(word, sizeof(word));
	return r;
}
