#include "control/auth/account.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ssh/brain.h"

#define ACCOUNTS_KEPT  64
#define PASSWD_BUF     4096
#define PASSWD_BUF_MAX (1 << 20)

static struct {
	pthread_mutex_t lock; /* looked up on several threads */
	struct {
		char user[SSH_USER_MAX + 1];
		uint64_t until_ms;
		struct account account;
	} slot[ACCOUNTS_KEPT];
} accounts = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* getpwnam_r(3): some sources of names say these instead of nothing. */
static bool says_unknown(int err)
{
	return err == 0 || err == ENOENT || err == ESRCH || err == EBADF || err == EPERM;
}

/* With room for whatever stands there. An error of getpwnam_r(). */
static int passwd_ask(const char *user, struct passwd *pw, char **buf, struct passwd **found)
{
	size_t size = PASSWD_BUF;
	int r;

	do {
		free(*buf);
		*buf = malloc(size);
		if (*buf == NULL)
			return ENOMEM;
		r = getpwnam_r(user, pw, *buf, size, found);
		size *= 4;
	} while (r == ERANGE && size <= PASSWD_BUF_MAX);
	return r;
}

static void account_ask(const char *user, struct account *ret)
{
	struct passwd pw, *found = NULL;
	char *buf = NULL;
	int r = passwd_ask(user, &pw, &buf, &found);

	*ret = (struct account){.uid = (uid_t)-1};
	if (found != NULL && strlen(pw.pw_dir) < sizeof(ret->home)) {
		ret->known = true;
		ret->uid = pw.pw_uid;
		ret->gid = pw.pw_gid;
		strcpy(ret->home, pw.pw_dir);
	}
	ret->lost = found == NULL && !says_unknown(r);
	free(buf);
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* FNV-1a: who makes names meet has them asked about each time, as without. */
static unsigned int slot_of(const char *user)
{
	uint32_t h = 2166136261u;

	for (; *user != '\0'; user++)
		h = (h ^ (uint8_t)*user) * 16777619u;
	return h % ACCOUNTS_KEPT;
}

void account_find(const char *user, struct account *ret)
{
	unsigned int i = slot_of(user);
	uint64_t now = monotonic_ms();
	bool kept;

	pthread_mutex_lock(&accounts.lock);
	kept = strcmp(accounts.slot[i].user, user) == 0 && now < accounts.slot[i].until_ms;
	if (kept)
		*ret = accounts.slot[i].account;
	pthread_mutex_unlock(&accounts.lock);
	if (kept)
		return;
	account_ask(user, ret);
	if (ret->lost) /* the next who asks may be told */
		return;
	pthread_mutex_lock(&accounts.lock);
	strcpy(accounts.slot[i].user, user);
	accounts.slot[i].until_ms = now + ACCOUNT_MS;
	accounts.slot[i].account = *ret;
	pthread_mutex_unlock(&accounts.lock);
}

void accounts_forget(void)
{
	pthread_mutex_lock(&accounts.lock);
	memset(accounts.slot, 0, sizeof(accounts.slot));
	pthread_mutex_unlock(&accounts.lock);
}
