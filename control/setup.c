#include "control/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/audit/schema.h"
#include "control/log.h"
#include "control/rlimits.h"
#include "control/signer/agent.h"
#include "crypto/cipher.h"
#include "crypto/confine.h"
#include "crypto/fips.h"
#include "crypto/gss.h"
#include "crypto/kex.h"
#include "crypto/keyfile.h"
#include "crypto/moduli.h"
#include "ssh/ident.h"
#include "ssh/kexinit.h"

#define SIGNER_NAP_MS 20
#define NAMES_MAX     4096

/* Those by which bare keys sign: an authority is no certificate. */
static const char *plain_sig_alg_at(unsigned int n)
{
	const char *name;

	for (unsigned int i = 0; (name = key_sig_alg_at(i)) != NULL; i++)
		if (strcmp(name, key_sig_alg_plain(name)) == 0 &&
		    strncmp(name, "x509v3-", 7) != 0 && n-- == 0)
			return name;
	return NULL;
}

int setup_kex_list(const struct conf *conf, char **ret)
{
	const struct conf_global *g = conf_global(conf);
	char *list = NULL;
	size_t len;
	FILE *f;

	*ret = NULL;
	if (!g->gssapi_kex)
		return 0;
	f = open_memstream(&list, &len);
	if (f == NULL)
		return -ENOMEM;
	for (const char *p = g->gss_kex; *p != '\0';) {
		size_t n = strcspn(p, ",");

		fprintf(f, "%.*s" GSS_KRB5_SUFFIX ",", (int)n, p);
		p += n + (p[n] == ',');
	}
	fputs(g->kex, f);
	if (fclose(f) != 0) {
		free(list);
		return -ENOMEM;
	}
	*ret = list;
	return 0;
}

int setup_conf(const char *path, struct conf **ret)
{
	char *errors = NULL;
	int r = setup_conf_read(path, NULL, ret, &errors);

	if (r < 0)
		fprintf(stderr, "%s", errors != NULL ? errors : "no memory\n");
	free(errors);
	return r;
}

/* --- FIPSMode --------------------------------------------------------------------------------- */

/* What is approved of a default, and of all there is. */
struct cut_names {
	char dflt[NAMES_MAX], only[NAMES_MAX];
};

static void cut_one(struct conf_alg_names *names, struct cut_names *to)
{
	fips_cut(names->dflt, to->dflt);
	fips_cut(names->all, to->only);
	names->dflt = to->dflt;
	names->only = to->only;
}

#define N_CUT 8

static void cut_all(struct conf_algs *algs, struct cut_names to[N_CUT])
{
	struct conf_alg_names *const names[N_CUT] = {
		&algs->ciphers,
		&algs->macs,
		&algs->kex,
		&algs->gss_kex,
		&algs->hostkey,
		&algs->pubkey_accepted,
		&algs->hostbased_accepted,
		&algs->ca_signature,
	};

	for (unsigned int i = 0; i < N_CUT; i++)
		cut_one(names[i], &to[i]);
}

static int no_kerberos(const struct conf *conf, char **ret_errors)
{
	if (!conf_global(conf)->gssapi_kex)
		return 0;
	*ret_errors = strdup("FIPSMode: GSSAPIKeyExchange is computed by Kerberos' own library\n");
	return -EINVAL;
}

int setup_fips(const struct conf *conf)
{
	char why[FIPS_WHY_MAX];
	int r;

	if (!conf_global(conf)->fips_mode)
		return 0;
	r = fips_begin(why);
	if (r < 0)
		fprintf(stderr, "FIPSMode: %s\n", why);
	return r;
}

int setup_conf_read(const char *path, bool (*trusted)(const char *path), struct conf **ret,
		    char **ret_errors)
{
	char ciphers[NAMES_MAX], macs[NAMES_MAX], kex[NAMES_MAX], sigs[NAMES_MAX], ca[NAMES_MAX];
	char gss[NAMES_MAX], events[NAMES_MAX];
	char comps[128];
	struct cut_names cut[N_CUT];
	struct conf *conf;
	bool anchors, fips;
	int r;
	struct conf_algs algs = {
		.ciphers = {.dflt = SSH_DEFAULT_CIPHERS, .all = ciphers},
		.macs = {.dflt = SSH_DEFAULT_MACS, .all = macs},
		.kex = {.dflt = SSH_DEFAULT_KEX, .all = kex},
		.gss_kex = {.dflt = SSH_DEFAULT_GSS_KEX, .all = gss},
		.hostkey = {.dflt = SSH_DEFAULT_HOSTKEY "," SSH_DEFAULT_X509, .all = sigs},
		.comp = {.dflt = SSH_DEFAULT_COMP, .all = comps},
		.pubkey_accepted = {.dflt = SSH_DEFAULT_PUBKEY, .all = sigs},
		.hostbased_accepted = {.dflt = SSH_DEFAULT_PUBKEY, .all = sigs},
		.ca_signature = {.dflt = SSH_DEFAULT_CA_SIG, .all = ca},
		.audit_events = {.all = events},
	};

	ssh_names_join(cipher_name_at, ciphers, sizeof(ciphers));
	ssh_names_join(cipher_mac_name_at, macs, sizeof(macs));
	ssh_names_join(kex_method_name_at, kex, sizeof(kex));
	ssh_names_join(kex_gss_bare_at, gss, sizeof(gss));
	ssh_names_join(audit_event_name_at, events, sizeof(events));
	ssh_names_join(ssh_comp_name_at, comps, sizeof(comps));
	ssh_names_join(key_sig_alg_at, sigs, sizeof(sigs));
	ssh_names_join(plain_sig_alg_at, ca, sizeof(ca));
	r = conf_load_trusted(path, &algs, trusted, &conf, ret_errors);
	if (r < 0)
		return r;
	/* Only who names anchors has strangers' X.509 read at all, unless the list itself says so.
	 */
	anchors = conf_global(conf)->x509_trust_anchors != NULL;
	/* A file that is read again does not change what this process is. */
	fips = conf_global(conf)->fips_mode || fips_on();
	if (anchors)
		algs.pubkey_accepted.dflt = SSH_DEFAULT_PUBKEY "," SSH_DEFAULT_X509;
	if (fips)
		cut_all(&algs, cut);
	if (anchors || fips) {
		conf_put(conf);
		r = conf_load_trusted(path, &algs, trusted, &conf, ret_errors);
		if (r < 0)
			return r;
	}
	if (fips)
		r = no_kerberos(conf, ret_errors);
	if (r < 0)
		conf_put(conf);
	else
		*ret = conf;
	return r;
}

/* The first line of a file that is its owner's alone, as the key's is. */
static int first_line_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), n = -ENOKEY;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		fprintf(stderr, "passphrase-file \"%s\": %s\n", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		fprintf(stderr, "passphrase-file \"%s\": bad permissions\n", path);
	else
		n = (int)read(fd, buf, size);
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < n; i++)
		if (buf[i] == '\n' || buf[i] == '\r')
			return i;
	return n < 0 ? -ENOKEY : n;
}

static int passphrase_read(void *arg, const char *what, char *buf, size_t size)
{
	const struct conf_host_key *c = arg;

	(void)what;
	return first_line_read(c->passphrase_file, buf, size);
}

static int key_passphrase_read(void *arg, const char *what, char *buf, size_t size)
{
	const struct conf_host_key *c = arg;

	(void)what;
	return first_line_read(c->key_passphrase_file, buf, size);
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What of X.509 lay with the key is offered with it. */
static void host_key_keep(struct keyfile *kf, const char *path, struct host_keys *ret)
{
	int r = 0;

	for (unsigned int i = 0; i < kf->n_certs && r == 0; i++)
		r = host_keys_cert(ret, ret->n, kf->cert[i].der, kf->cert[i].len);
	if (r < 0) {
		fprintf(stderr, "host key \"%s\": its certificates are left out: %s\n", path,
			strerror(-r));
		host_chain_free(&ret->chain[ret->n]);
	}
	ret->path[ret->n] = strdup(path);
	ret->key[ret->n++] = keyfile_take(kf);
}

/* sshd: the public half of a file that stays shut, or that stands beside one that is not there. */
static int public_half_load(const char *path, struct keyfile_opts *o, struct keyfile **ret)
{
	char beside[4096];
	int r;

	o->public_half = true;
	r = keyfile_load(path, o, ret);
	if (r < 0 && (size_t)snprintf(beside, sizeof(beside), "%s.pub", path) < sizeof(beside))
		r = keyfile_load(beside, o, ret);
	return r;
}

/* A public key becomes one by which the agent signs. -ENOKEY: there is no agent, or it does not. */
static int agent_use(struct host_agent *agent, struct keyfile *kf, char *why)
{
	int r;

	if (key_is_private(kf->key))
		return 0;
	if (agent == NULL)
		snprintf(why, KEYFILE_WHY_MAX, "no private half, and no agent that has it");
	r = agent != NULL ? host_agent_use(agent, kf->key) : -ENOKEY;
	if (agent != NULL && r < 0)
		snprintf(why, KEYFILE_WHY_MAX, "the agent does not sign with it: %s", strerror(-r));
	return r;
}

static void host_key_load(const struct conf_host_key *c, struct host_agent *agent,
			  struct host_keys *ret)
{
	char why[KEYFILE_WHY_MAX] = "", text[KEYFILE_TEXT_MAX];
	struct keyfile_opts o = {.subject = c->subject,
				 .thumbprint = c->thumbprint,
				 .passphrase_arg = (void *)(uintptr_t)c,
				 .why = why};
	struct keyfile *kf = NULL;
	int r = 0;

	if (c->format != NULL)
		r = keyfile_format_find(c->format, &o.format);
	if (r == -EMEDIUMTYPE)
		snprintf(why, sizeof(why), "%s", keyfile_format_instead(c->format));
	if (c->passphrase_file != NULL)
		o.passphrase = passphrase_read;
	if (c->key_passphrase_file != NULL)
		o.key_passphrase = key_passphrase_read;
	if (r == 0)
		r = keyfile_load(c->path, &o, &kf);
	if (agent != NULL && (r == -ENOKEY || r == -ENOENT))
		r = public_half_load(c->path, &o, &kf);
	if (r == 0)
		r = agent_use(agent, kf, why);
	if (r == 0)
		host_key_keep(kf, c->path, ret);
	keyfile_free(kf);
	if (r < 0) {
		keyfile_explain(r, c->path, why, text);
		fprintf(stderr, "%sUnable to load host key \"%s\"\n", text, c->path);
	}
}

static struct host_agent *agent_open(const char *path)
{
	struct host_agent *agent = NULL;
	int r = host_agent_open(path, &agent);

	if (r < 0)
		fprintf(stderr, "Could not connect to agent \"%s\": %s\n", path, strerror(-r));
	return agent;
}

/* The same line, in another place of the file. */
static bool host_key_again(const struct conf *conf, size_t before, const struct conf_host_key *k)
{
	struct conf_host_key c;

	for (size_t at = 0; conf_host_key_line(conf, &at, &c) && at < before;)
		if (strcmp(c.path, k->path) == 0 && same_text(c.subject, k->subject) &&
		    same_text(c.thumbprint, k->thumbprint))
			return true;
	return false;
}

int setup_host_keys(const struct conf *conf, bool by_agent, struct host_keys *ret)
{
	const struct conf_global *g = conf_global(conf);
	struct host_agent *agent = NULL;
	unsigned int for_all = 0;
	struct conf_host_key c;

	*ret = (struct host_keys){.n = 0};
	if (by_agent && g->host_key_agent != NULL)
		agent = agent_open(g->host_key_agent);
	for (size_t at = 0; conf_host_key_line(conf, &at, &c);) {
		if (host_key_again(conf, at, &c))
			continue;
		if (ret->n == HOST_KEYS_MAX)
			fprintf(stderr, "Unable to load host key \"%s\": more than %d\n", c.path,
				HOST_KEYS_MAX);
		else
			host_key_load(&c, agent, ret);
	}
	host_agent_put(agent);
	for (unsigned int i = 0; i < ret->n; i++) {
		/* Without memory for its path it is nobody's rather than everybody's. */
		ret->apart[i] = ret->path[i] == NULL || conf_host_key_apart(conf, ret->path[i]);
		for_all += !ret->apart[i];
	}
	if (ret->n > 0 && for_all == 0) {
		fprintf(stderr,
			"sluice-control: no hostkeys available outside of Match -- exiting.\n");
		host_keys_free(ret);
		return -ENOENT;
	}
	if (ret->n == 0) {
		fprintf(stderr, "sluice-control: no hostkeys available -- exiting.\n"
				"Make one and name it with HostKey:\n"
				"  sluice keygen -A\n");
		return -ENOENT;
	}
	return 0;
}

const char *setup_moduli_path(const struct conf *conf)
{
	const struct conf_global *g = conf_global(conf);

	if (strstr(g->kex, "group-exchange") == NULL &&
	    !(g->gssapi_kex && strstr(g->gss_kex, "gex") != NULL))
		return NULL;
	return g->moduli_file;
}

int setup_moduli(const struct conf *conf, struct moduli **ret)
{
	const char *path = setup_moduli_path(conf);
	int r = 0;

	*ret = NULL;
	if (path != NULL)
		r = moduli_read(path, ret);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		log_line(LOG_L_ERROR, "ModuliFile %s: %s; groups are those of RFC 3526", path,
			 strerror(-r));
	return 0;
}

/*
 * Both programs leave their files there after they gave up root. A folder of root's alone is
 * handed on, whoever made it; one that others use (a mistaken /tmp) is not.
 */
static int run_dir_hand_on(const char *dir, const struct stat *st)
{
	struct passwd *pw = geteuid() == 0 ? getpwnam(SETUP_USER) : NULL;

	if (pw == NULL || st->st_uid != 0 || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return 0;
	return chown(dir, pw->pw_uid, pw->pw_gid) < 0 ? -errno : 0;
}

int setup_run_dir(const char **ret)
{
	const char *dir = getenv("SLUICE_RUN");
	struct stat st;
	int r = 0;

	if (dir == NULL || *dir == '\0')
		dir = SETUP_RUN;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		r = -errno;
	else if (stat(dir, &st) < 0)
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	else
		r = run_dir_hand_on(dir, &st);
	if (r < 0) {
		fprintf(stderr, "sluice-control: run-time folder %s: %s\n", dir, strerror(-r));
		return r;
	}
	*ret = dir;
	return 0;
}

bool setup_signer_runs(const char *run_dir)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	bool yes = false;
	int fd;

	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/signer.sock", run_dir) >=
	    sizeof(sun.sun_path))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		yes = connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0;
		close(fd);
	}
	return yes;
}

int setup_signer_wait(const char *run_dir)
{
	const struct timespec nap = {0, SIGNER_NAP_MS * 1000000L};

	for (int ms = 0; ms < SETUP_SIGNER_MS; ms += SIGNER_NAP_MS) {
		if (setup_signer_runs(run_dir))
			return 0;
		(void)nanosleep(&nap, NULL); /* it may be about to start */
	}
	fprintf(stderr,
		"sluice-control: %s/signer.sock: sluice-signer, which has the host keys, does not "
		"listen; it is started first\n",
		run_dir);
	return -ETIMEDOUT;
}

bool setup_keys_here(void)
{
	const char *text = getenv(SETUP_KEYS_HERE);

	return text != NULL && strcmp(text, "yes") == 0;
}

/* A file that others may read, too, is none that a key would be taken from: a public half. */
static bool within_reach(const char *path)
{
	struct stat st;

	return access(path, R_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

int setup_host_keys_closed(const struct conf *conf)
{
	struct conf_host_key c;

	if (setup_keys_here())
		return 0;
	for (size_t at = 0; conf_host_key_line(conf, &at, &c);) {
		if (!within_reach(c.path))
			continue;
		if (geteuid() == 0) {
			log_line(LOG_L_ERROR, "host key %s is within reach of root, as whom we run",
				 c.path);
			continue;
		}
		fprintf(stderr,
			"sluice-control: host key %s can be read by user %u: it has to be root's, "
			"who starts sluice-signer, alone\n",
			c.path, geteuid());
		return -EPERM;
	}
	return 0;
}

int setup_no_dumps(void)
{
	int r = confine_dumps();

	if (r < 0)
		fprintf(stderr, "sluice-control: cannot forbid core dumps: %s\n", strerror(-r));
	return r;
}

static int become_user(void)
{
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(SETUP_USER);
	if (pw == NULL) {
		log_line(LOG_L_ERROR,
			 "there is no user %s: staying root. Make one: useradd --system "
			 "--no-create-home --shell /usr/sbin/nologin %s",
			 SETUP_USER, SETUP_USER);
		return 0;
	}
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0 || setuid(0) == 0) {
		fprintf(stderr, "sluice-control: cannot become user %s: %s\n", SETUP_USER,
			strerror(errno));
		return -EPERM;
	}
	return 0;
}

int setup_drop_root(void)
{
	int r;

	rlimits_memory();
	r = become_user();
	if (r == 0)
		r = confine_calls(NULL, 0); /* sockets stay: it asks name servers */
	/* The change of user switched it on again. */
	return r < 0 ? r : setup_no_dumps();
}

int setup_ident(const struct conf *conf, char *buf, size_t size)
{
	const struct conf_global *g = conf_global(conf);
	const char *more = g->version_addendum != NULL ? g->version_addendum : "";
	int n = snprintf(buf, size, "%s%s%s", g->version_string, *more != '\0' ? " " : "", more);

	if (n < 0 || (size_t)n >= size || n > SSH_IDENT_MAX) {
		log_line(LOG_L_ERROR, "VersionString and VersionAddendum are too long");
		return -EINVAL;
	}
	return 0;
}
