/* control/admin/request.c - see request.h. */
#include "control/admin/request.h"

#include <errno.h>
#include <string.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The byte that n characters stand for at most, and how many do; 0: half an escape, or a NUL. */
static size_t unescape(const char *p, size_t n, char *ret)
{
	unsigned int v;

	*ret = p[0];
	if (p[0] != '\\')
		return p[0] != '\0';
	if (n >= 2 && p[1] == '\\')
		return 2;
	if (n < 4 || p[1] > '3' || !is_octal(p[1]) || !is_octal(p[2]) || !is_octal(p[3]))
		return 0;
	v = (unsigned int)(p[1] - '0') << 6 | (unsigned int)(p[2] - '0') << 3 |
	    (unsigned int)(p[3] - '0');
	*ret = (char)v;
	return v != 0 ? 4 : 0;
}

int request_parse(const char *line, size_t len, struct request *ret)
{
	size_t used = 0;

	ret->n = 0;
	if (len >= sizeof(ret->text))
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		size_t begin = i, at = used;

		if (ret->n == REQUEST_WORDS_MAX)
			return -EINVAL;
		while (i < len && line[i] != ' ') {
			size_t n = unescape(line + i, len - i, &ret->text[used++]);

			if (n == 0)
				return -EINVAL;
			i += n;
		}
		if (i == begin)
			return -EINVAL;
		ret->text[used++] = '\0';
		ret->word[ret->n++] = (uint16_t)at;
	}
	return 0;
}

bool request_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned char)text[i] - '0';

		if (digit > 9 || n > (max - digit) / 10)
			return false;
		n = 10 * n + digit;
	}
	*ret = n;
	return len > 0;
}

static bool filter_word(const char *word, struct request_filter *f)
{
	if (strncmp(word, "user=", 5) == 0 && f->user == NULL) {
		f->user = word + 5;
		return true;
	}
	if (strncmp(word, "address=", 8) == 0 && !f->has_net) {
		f->has_net = true;
		return conf_prefix_parse(word + 8, &f->net) == 0;
	}
	if (strncmp(word, "conn=", 5) == 0 && !f->has_uid) {
		f->has_uid = true;
		return request_number(word + 5, strlen(word + 5), INT64_MAX, &f->uid);
	}
	return false;
}

int request_filter(const struct request *r, unsigned int first, struct request_filter *ret)
{
	*ret = (struct request_filter){0};
	for (unsigned int i = first; i < r->n; i++)
		if (!filter_word(request_word(r, i), ret))
			return -EINVAL;
	return 0;
}

bool request_matches(const struct request_filter *f, const struct request_subject *s)
{
	if (f->has_uid && s->uid != f->uid)
		return false;
	if (f->user != NULL && (s->user == NULL || strcmp(s->user, f->user) != 0))
		return false;
	return !f->has_net || conf_prefix_has(&f->net, &s->source);
}
