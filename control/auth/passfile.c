#include "control/auth/passfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int passfile_line_parse(const char *line, size_t len, size_t *ret_user_len, const char **ret_hash,
			size_t *ret_hash_len)
{
	const char *colon;
	size_t hash_len;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0 || *line == '#')
		return -ENOENT;
	if (len > PASSFILE_LINE_MAX || memchr(line, '\0', len) != NULL)
		return -EINVAL;
	colon = memchr(line, ':', len);
	if (colon == NULL || colon == line)
		return -EINVAL;
	hash_len = len - (size_t)(colon + 1 - line);
	if (hash_len >= PASSWD_HASH_MAX || memchr(colon + 1, ':', hash_len) != NULL)
		return -EINVAL;
	*ret_user_len = (size_t)(colon - line);
	*ret_hash = colon + 1;
	*ret_hash_len = hash_len;
	return 0;
}

int passfile_find(const char *text, size_t len, const char *user, struct passfile_hash *ret)
{
	size_t at = 0, want = strlen(user), user_len, hash_len;
	bool found = false, decoy = false;
	const char *h;

	*ret = (struct passfile_hash){0};
	while (at < len) { /* to its end, whoever is found where */
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		at += n + 1;
		if (passfile_line_parse(line, n, &user_len, &h, &hash_len) < 0)
			continue;
		if (!found && user_len == want && memcmp(line, user, want) == 0) {
			memcpy(ret->own, h, hash_len);
			found = true;
		}
		if (!decoy) {
			memcpy(ret->decoy, h, hash_len);
			ret->decoy[hash_len] = '\0';
			decoy = passwd_hash_ok(ret->decoy);
		}
	}
	if (!decoy) {
		strncpy(ret->decoy, passwd_decoy(), sizeof(ret->decoy) - 1);
		ret->decoy[sizeof(ret->decoy) - 1] = '\0';
	}
	if (!found)
		memcpy(ret->own, ret->decoy, sizeof(ret->own));
	return found ? 0 : -ENOENT;
}
