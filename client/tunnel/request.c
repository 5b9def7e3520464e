/* client/tunnel/request.c - see request.h. */
#include "client/tunnel/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *word;
	enum { HOST_NONE, HOST_ONE, HOST_MAY, HOST_LISTEN } host;
} words[] = {
	[REQUEST_STATUS] = {"status", HOST_MAY},  [REQUEST_CHANNELS] = {"channels", HOST_MAY},
	[REQUEST_FOLLOW] = {"follow", HOST_NONE}, [REQUEST_RECONNECT] = {"reconnect", HOST_ONE},
	[REQUEST_STOP] = {"stop", HOST_ONE},      [REQUEST_CANCEL] = {"cancel", HOST_LISTEN},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *request_word(enum request_what what)
{
	return what > 0 && what < N_WORDS ? words[what].word : NULL;
}

/* Its last word leaves the host; false: one of the two is not there. */
static bool listen_take(struct request *q)
{
	char *blank = strrchr(q->host, ' ');

	if (blank == NULL || blank == q->host || blank[1] == '\0')
		return false;
	*blank = '\0';
	strcpy(q->listen, blank + 1);
	return true;
}

int request_parse(const char *line, size_t len, struct request *ret)
{
	const char *blank = memchr(line, ' ', len);
	size_t n = blank != NULL ? (size_t)(blank - line) : len;
	size_t host_len = blank != NULL ? len - n - 1 : 0;

	if (len >= REQUEST_LINE_MAX || memchr(line, '\0', len) != NULL ||
	    (blank != NULL && host_len == 0))
		return -EINVAL;
	for (size_t i = 1; i < N_WORDS; i++) {
		if (strlen(words[i].word) != n || memcmp(words[i].word, line, n) != 0)
			continue;
		if (words[i].host == HOST_NONE ? host_len > 0
					       : words[i].host != HOST_MAY && host_len == 0)
			return -EINVAL;
		ret->what = (enum request_what)i;
		memcpy(ret->host, line + len - host_len, host_len);
		ret->host[host_len] = '\0';
		ret->listen[0] = '\0';
		return words[i].host != HOST_LISTEN || listen_take(ret) ? 0 : -EINVAL;
	}
	return -EINVAL;
}
