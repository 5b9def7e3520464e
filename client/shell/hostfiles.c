/* client/shell/hostfiles.c - see hostfiles.h. */
#include "client/shell/hostfiles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "client/reach/output.h"
#include "client/shell/say.h"
#include "crypto/knownline.h"

/* --- files --------------------------------------------------------------------------------- */

/* A file's name; *ret NULL: it is none. What cannot be told is no file that does not exist (S-67).
 */
static int file_name(struct config *config, enum config_id id, size_t i, char **ret)
{
	char path[CONFIG_TEXT_MAX];
	int n;

	*ret = NULL;
	if (strcasecmp(config_list(config, id)->v[i], "none") == 0)
		return 0;
	n = config_expanded(config, id, i, path, sizeof(path));
	if (n < 0)
		say(SAY_ERROR, "%s", config_errors(config));
	if (n <= 0)
		return n;
	*ret = strdup(path);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* The one of a keyword; *ret NULL: nobody said any. */
static int file_of(struct config *config, enum config_id id, char **ret)
{
	return config_text(config, id) != NULL ? file_name(config, id, 0, ret) : 0;
}

static int files_add(struct hostfiles *f, struct config *config, enum config_id id)
{
	int r = 0;

	/* One place is for what the command says. */
	for (size_t i = 0; r == 0 && i < config_list(config, id)->n && f->n < KNOWN_FILES_MAX - 1;
	     i++) {
		r = file_name(config, id, i, &f->copy[f->n]);
		f->file[f->n] = f->copy[f->n];
		f->n += f->copy[f->n] != NULL;
	}
	return r;
}

/* Lines of keys, and files of them: what has no blank. */
static int accept_add(struct config *config, enum config_id id, char ***ret, unsigned int *ret_n)
{
	const struct conf_strs *list = config_list(config, id);
	int r = 0;

	if (list->n == 0)
		return 0;
	*ret = calloc(list->n, sizeof(**ret));
	if (*ret == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		char **to = &(*ret)[*ret_n];

		if (strchr(list->v[i], ' ') == NULL)
			r = file_name(config, id, i, to);
		else if ((*to = strdup(list->v[i])) == NULL)
			r = -ENOMEM;
		*ret_n += *to != NULL;
	}
	return r;
}

/* --- KnownHostsCommand --------------------------------------------------------------------- */

static int command_run(const char *const *argv, struct hostfiles *f)
{
	char *text, *path = NULL;
	size_t len;
	int r = output_of((char *const *)argv, KNOWN_FILE_MAX, false, &text, &len);

	if (r < 0)
		return r;
	f->said = memfd_create("known hosts", MFD_CLOEXEC);
	if (f->said < 0)
		r = -errno;
	else if (write(f->said, text, len) != (ssize_t)len ||
		 asprintf(&path, "/proc/self/fd/%d", f->said) < 0)
		r = -ENOMEM;
	if (r < 0)
		path = NULL;
	free(text);
	f->copy[f->n] = path;
	f->file[f->n] = path;
	f->n += path != NULL;
	return r;
}

/* What it says counts as a file of the system's. */
static int command(struct hostfiles *f, struct conn *c, const struct sluice_hostkey *k)
{
	const char *text = config_text(c->config, CONFIG_KNOWN_HOSTS_COMMAND);
	const char *argv[CONF_ARGS_MAX + 1], *blob = k != NULL ? strchr(k->line, ' ') : NULL;
	char name[KNOWN_NAME_MAX];
	int r;

	if (text == NULL || strcasecmp(text, "none") == 0)
		return 0;
	if (f->conf.alias == NULL && known_name(c->host, c->port, name) < 0)
		return -EINVAL;
	const struct config_token tokens[] = {
		{'f', k != NULL ? hostkey_fingerprint(c, k) : "NONE"},
		{'H', f->conf.alias != NULL ? f->conf.alias : name},
		{'I', k != NULL ? "HOSTNAME" : "ORDER"},
		{'K', blob != NULL ? blob + 1 : "NONE"},
		{'t', k != NULL ? k->type : "NONE"},
	};
	r = config_command(c->config, CONFIG_KNOWN_HOSTS_COMMAND, tokens,
			   sizeof(tokens) / sizeof(tokens[0]), argv);
	if (r < 0) {
		say(SAY_ERROR, "%s", config_errors(c->config));
		return r;
	}
	r = command_run(argv, f);
	if (r < 0)
		say(SAY_ERROR, "KnownHostsCommand %s: %s", argv[0],
		    r == -EIO ? "failed" : strerror(-r));
	return r;
}

/* --- both ---------------------------------------------------------------------------------- */

static enum known_strict strictness(const struct config *config)
{
	static const struct {
		const char *name;
		enum known_strict strict;
	} levels[] = {{"ask", KNOWN_ASK},
		      {"accept-new", KNOWN_ACCEPT_NEW},
		      {"yes", KNOWN_STRICT},
		      {"no", KNOWN_LAX}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (config_is(config, CONFIG_STRICT_HOST_KEY_CHECKING, levels[i].name))
			return levels[i].strict;
	return KNOWN_ASK;
}

int hostfiles_init(struct hostfiles *f, struct conn *c, const struct sluice_hostkey *k)
{
	int r;

	*f = (struct hostfiles){
		.conf = {.file = f->file,
			 .alias = config_text(c->config, CONFIG_HOST_KEY_ALIAS),
			 .strict = strictness(c->config),
			 .hash = config_yes(c->config, CONFIG_HASH_KNOWN_HOSTS),
			 .ca_algs = config_text(c->config, CONFIG_CA_SIGNATURE_ALGORITHMS),
			 .rsa_bits_min = (unsigned int)config_number(c->config,
								     CONFIG_REQUIRED_RSA_SIZE),
			 .fingerprints = config_text(c->config, CONFIG_ACCEPT_HOST_KEY_FINGERPRINT),
			 .accept_any = config_yes(c->config, CONFIG_ACCEPT_ANY_HOST_KEY)},
		.host = {.host = c->host, .port = c->port, .now = (uint64_t)time(NULL)},
		.said = -1};
	r = files_add(f, c->config, CONFIG_USER_KNOWN_HOSTS_FILE);
	f->conf.n_user_files = f->n;
	if (r == 0)
		r = files_add(f, c->config, CONFIG_GLOBAL_KNOWN_HOSTS_FILE);
	if (r == 0)
		r = command(f, c, k);
	f->conf.n_files = f->n;
	if (r == 0)
		r = accept_add(c->config, CONFIG_ACCEPT_HOST_KEY, &f->accept, &f->conf.n_accept);
	if (r == 0)
		r = accept_add(c->config, CONFIG_ACCEPT_HOST_CA, &f->accept_ca,
			       &f->conf.n_accept_ca);
	f->conf.accept = (const char *const *)f->accept;
	f->conf.accept_ca = (const char *const *)f->accept_ca;
	if (r == 0)
		r = file_of(c->config, CONFIG_REVOKED_HOST_KEYS, &f->revoked);
	if (r == 0)
		r = file_of(c->config, CONFIG_X509_TRUST_ANCHORS, &f->anchors);
	if (r == 0)
		r = file_of(c->config, CONFIG_X509_REVOCATION_FILE, &f->crls);
	f->conf.revoked = f->revoked;
	f->conf.anchors = f->anchors;
	f->conf.crls = f->crls;
	return r;
}

static void list_free(char **list, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void hostfiles_fini(struct hostfiles *f)
{
	list_free(f->accept, f->conf.n_accept);
	list_free(f->accept_ca, f->conf.n_accept_ca);

	for (size_t i = 0; i < KNOWN_FILES_MAX; i++)
		free(f->copy[i]);
	free(f->revoked);
	free(f->anchors);
	free(f->crls);
	if (f->said >= 0)
		close(f->said);
}

/* A list as the library reads it. False: it cannot be said to it. */
static bool joined(const struct hostfiles *f, unsigned int from, unsigned int to, char *buf,
		   size_t size)
{
	size_t n = 0;

	strcpy(buf, "none");
	for (unsigned int i = from; i < to; i++) {
		if (strpbrk(f->file[i], " \t") != NULL || strlen(f->file[i]) + 2 > size - n)
			return false;
		n += (size_t)sprintf(buf + n, "%s%s", i > from ? " " : "", f->file[i]);
	}
	return true;
}

void hostfiles_learn(const struct hostfiles *f, struct conn *c)
{
	const char *how = config_text(c->config, CONFIG_UPDATE_HOST_KEYS);
	char user[CONFIG_TEXT_MAX], global[CONFIG_TEXT_MAX];

	if (strcmp(how, "no") == 0)
		return;
	if (strcmp(how, "ask") == 0 && !config_is(c->config, CONFIG_CONTROL_PERSIST, "no")) {
		say(SAY_DEBUG, "UpdateHostKeys: a master that goes on asks nobody");
		return;
	}
	if (!joined(f, 0, f->conf.n_user_files, user, sizeof(user)) ||
	    !joined(f, f->conf.n_user_files, f->n - (f->said >= 0), global, sizeof(global))) {
		say(SAY_DEBUG, "UpdateHostKeys: not with these names of files");
		return;
	}
	(void)sluice_set(c->s, "UserKnownHostsFile", user);
	(void)sluice_set(c->s, "GlobalKnownHostsFile", global);
	(void)sluice_set(c->s, "HashKnownHosts", f->conf.hash ? "yes" : "no");
	if (f->conf.alias != NULL)
		(void)sluice_set(c->s, "HostKeyAlias", f->conf.alias);
	(void)sluice_set(c->s, "UpdateHostKeys", how);
}

const char *hostkey_fingerprint(const struct conn *c, const struct sluice_hostkey *k)
{
	return config_is(c->config, CONFIG_FINGERPRINT_HASH, "MD5")    ? k->md5
	       : config_is(c->config, CONFIG_FINGERPRINT_HASH, "SHA1") ? k->sha1
								       : k->sha256;
}
