#include "control/auth/account.h"

#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "ssh/brain.h"

#define ACCOUNTS_KEPT 64
#define PASSWD_BUF    4096

static struct {
	pthread_mutex_t lock; /* looked up on several threads */
	struct {
		char user[SSH_USER_MAX + 1];
		uint64_t until_ms;
		struct account account;
	} slot[ACCOUNTS_KEPT];
} accounts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void account_ask(const char *user, struct account *ret)
{
	char buf[PASSWD_BUF];
	struct passwd pw, *found = NULL;

	*ret = (struct account){.uid = (uid_t)-1};
	if (getpwnam_r(user, &pw, buf, sizeof(buf), &found) != 0 || found == NULL)
		return;
	if (strlen(pw.pw_dir) >= sizeof(ret->home))
		return;
	ret->known = true;
	ret->uid = pw.pw_uid;
	ret->gid = pw.pw_gid;
	strcpy(ret->home, pw.pw_dir);
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
	pthread_mutex_lock(&accounts.lock);
	strcpy(accounts.slot[i].user, user);
	accounts.slot[i].until_ms = now + ACCOUNT_MS;
	accounts.slot[i].account = *ret;
	pthread_mutex_unlock(&accounts.lock);
}
