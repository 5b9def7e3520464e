/* client/known/add.c - a key more in a file of known hosts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/known/file.h"
#include "client/known/scan.h"
#include "crypto/base64.h"
#include "crypto/knownname.h"

int known_line_build(const char *name, bool hash, const struct key *key, char **ret)
{
	char hidden[KNOWNNAME_LEN + 1];
	const struct key *plain = key_plain(key);
	size_t len, size;
	const uint8_t *blob = key_blob(plain, &len);
	char *line;
	int n;

	if (hash && knownname_hash(name, hidden) < 0)
		return -EIO;
	size = strlen(name) + sizeof(hidden) + strlen(key_type(plain)) + base64_len(len) + 3;
	line = calloc(1, size);
	if (line == NULL)
		return -ENOMEM;
	n = snprintf(line, size, "%s %s ", hash ? hidden : name, key_type(plain));
	base64_encode(blob, len, line + n);
	*ret = line;
	return 0;
}

static int same_each(void *arg, const struct known_entry *e)
{
	return e->line->marker == KNOWN_KEY && key_equal(e->key, arg) ? -EEXIST : 0;
}

/* Somebody else may have added it while a person was asked. */
static int add_locked(int fd, const char *path, const char *name, bool hash, const struct key *key)
{
	char *text = NULL, *line = NULL;
	size_t len;
	int r = known_file_read(path, &text, &len);

	if (r == 0)
		r = known_scan_text(text, len, name, &(struct known_entry){.file = path}, same_each,
				    (void *)key_plain(key));
	if (r == 0)
		r = known_line_build(name, hash, key, &line);
	if (r == 0)
		r = known_file_append(fd, line);
	free(text);
	free(line);
	return r;
}

int known_add(const struct known_conf *c, const struct known_host *h, const struct key *key)
{
	char name[KNOWN_NAME_MAX];
	int r = known_conf_name(c, h, name), fd;

	if (r < 0)
		return r;
	if (c->n_user_files == 0)
		return -ENOENT;
	r = known_file_lock(c->file[0], true, &fd);
	if (r < 0)
		return r;
	r = add_locked(fd, c->file[0], name, c->hash, key);
	close(fd);
	return r;
}
