/*
 * client/config/identity.c - IdentityFile: paths, and what is to be known of each file.
 *
 * The list has a word for each file: its path and its options, as HostKey of the gateway has them,
 * apart by a byte that no line of text holds.
 */
#include <errno.h>
#include <string.h>

#include "client/config/internal.h"

#define APART '\x1f'

bool config_identity_join(const char *const *v, size_t n, size_t *at, char *buf, size_t size,
			  char *ret_why, size_t why_size)
{
	const char *const *first = &v[*at];
	size_t count = 1, used = 0;

	while (*at + count < n && conf_host_key_option(first[count]))
		count++;
	if (!conf_host_key_check(first, count, ret_why, why_size))
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(first[i]);

		if (strchr(first[i], APART) != NULL || used + len + 2 > size) {
			snprintf(ret_why, why_size, "'%.100s' is too much", first[i]);
			return false;
		}
		if (i > 0)
			buf[used++] = APART;
		memcpy(buf + used, first[i], len + 1);
		used += len;
	}
	*at += count;
	return true;
}

void config_identity_print(const char *word, FILE *f)
{
	for (; *word != '\0'; word++)
		fputc(*word == APART ? ' ' : *word, f);
}

/* The file's name, whole, behind the words. */
static bool expand(struct config *c, struct config_identity *i, const char **name)
{
	char *end = i->text + i->used;
	size_t room = sizeof(i->text) - i->used;
	int n;

	if (*name == NULL || strncmp(*name, "pkcs11:", 7) == 0) /* it has a '%' of its own */
		return true;
	n = config_expand(c, *name, config_kws[CONFIG_IDENTITY_FILE].expand, end, room);
	if (n <= 0)
		return false;
	*name = end;
	i->used += (size_t)n + 1;
	return true;
}

bool config_identity(struct config *c, size_t i, struct config_identity *ret)
{
	const char *words[CONF_ARGS_MAX];
	struct conf_strs list = {words, 0};
	size_t at = 0, len = strlen(c->value[CONFIG_IDENTITY_FILE].v[i]);

	if (len >= sizeof(ret->text))
		return false;
	memcpy(ret->text, c->value[CONFIG_IDENTITY_FILE].v[i], len + 1);
	ret->used = len + 1;
	for (char *p = ret->text; p != NULL && list.n < CONF_ARGS_MAX;) {
		words[list.n++] = p;
		p = strchr(p, APART);
		if (p != NULL)
			*p++ = '\0';
	}
	return conf_host_key_next(&list, &at, &ret->key) && strcmp(ret->key.path, "none") != 0 &&
	       expand(c, ret, &ret->key.path) && expand(c, ret, &ret->key.passphrase_file) &&
	       expand(c, ret, &ret->key.key_passphrase_file);
}
