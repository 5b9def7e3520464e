/* ssh/phase.c - the phase table. */
#include "ssh/phase.h"

/*
 * A set of kex phases. The first exchange stands in it twice, as it is without and with
 * strict kex, so that what strict forbids is a matter of the table too.
 */
#define STRICT(phase)   ((phase) + SSH_KEX_PHASES)
#define IN(phase)       (UINT32_C(1) << (phase))
#define IN_FIRST(phase) (IN(phase) | IN(STRICT(phase)))
#define KEX_NONE        IN(SSH_KEX_NONE)
#define KEX_INIT        (IN_FIRST(SSH_KEX_FIRST_INIT) | KEX_NONE)
#define KEX_GUESS       (IN_FIRST(SSH_KEX_FIRST_GUESS) | IN(SSH_KEX_GUESS))
#define KEX_METHOD      (IN_FIRST(SSH_KEX_FIRST_METHOD) | IN(SSH_KEX_METHOD))
#define KEX_NEWKEYS     (IN_FIRST(SSH_KEX_FIRST_NEWKEYS) | IN(SSH_KEX_NEWKEYS))
#define KEX_ANY         (KEX_INIT | KEX_GUESS | KEX_METHOD | KEX_NEWKEYS)
#define KEX_STRICT                                                                                 \
	(IN(STRICT(SSH_KEX_FIRST_INIT)) | IN(STRICT(SSH_KEX_FIRST_GUESS)) |                        \
	 IN(STRICT(SSH_KEX_FIRST_METHOD)) | IN(STRICT(SSH_KEX_FIRST_NEWKEYS)))

_Static_assert(STRICT(SSH_KEX_PHASES) <= 32, "a set of phases is 32 bits");

/* Legal in one of the phases of the set; then the verdict is the service's. */
struct cell {
	uint32_t kex;
	uint8_t svc[SSH_SVC_PHASES];
};

/* clang-format off: one row a line */
#define SVC(none, auth, open)                                                                      \
	{                                                                                          \
		[SSH_SVC_NONE] = (none), [SSH_SVC_AUTH] = (auth), [SSH_SVC_OPEN] = (open)          \
	}
#define ALWAYS      SVC(SSH_ACCEPT, SSH_ACCEPT, SSH_ACCEPT)
#define BEFORE_AUTH SVC(SSH_ACCEPT, 0, 0)
#define DURING_AUTH SVC(0, SSH_ACCEPT, 0)
#define AFTER_AUTH  SVC(0, 0, SSH_ACCEPT)
/* Numbers nobody has; RFC 4252 section 6 wants no 80 and higher before success. */
#define FREE       SVC(SSH_UNKNOWN, SSH_UNKNOWN, SSH_UNKNOWN)
#define FREE_AFTER SVC(0, 0, SSH_UNKNOWN)

/* What both roles may receive. */
#define BOTH_ROLES                                                                                 \
	[SSH_MSG_DISCONNECT] = {KEX_ANY, ALWAYS},                                                  \
	[SSH_MSG_IGNORE... SSH_MSG_DEBUG] = {KEX_ANY & ~KEX_STRICT, ALWAYS},                       \
	[8 ... 19] = {KEX_NONE, FREE}, [SSH_MSG_KEXINIT] = {KEX_INIT, ALWAYS},                     \
	[SSH_MSG_NEWKEYS] = {KEX_NEWKEYS, ALWAYS}, [22 ... 29] = {KEX_NONE, FREE},                 \
	[SSH_MSG_KEX_FIRST... SSH_MSG_KEX_LAST] = {KEX_GUESS | KEX_METHOD, ALWAYS},                \
	[54 ... 59] = {KEX_NONE, FREE},                                                            \
	[SSH_MSG_GLOBAL_REQUEST... SSH_MSG_REQUEST_FAILURE] = {KEX_NONE, AFTER_AUTH},              \
	[83 ... 89] = {KEX_NONE, FREE_AFTER},                                                      \
	[SSH_MSG_CHANNEL_OPEN... SSH_MSG_CHANNEL_FAILURE] = {KEX_NONE, AFTER_AUTH},                \
	[101 ... 191] = {KEX_NONE, FREE_AFTER},                                                    \
	[SSH_MSG_PING... SSH_MSG_PONG] = {KEX_NONE, AFTER_AUTH},                                   \
	[194 ... 255] = {KEX_NONE, FREE_AFTER}

/* A row that is not here is refused. */
static const struct cell server_rx[256] = {
	BOTH_ROLES,
	[SSH_MSG_SERVICE_REQUEST] = {KEX_NONE, BEFORE_AUTH},
	[SSH_MSG_EXT_INFO] = {KEX_NONE, BEFORE_AUTH},
	[SSH_MSG_USERAUTH_REQUEST] = {KEX_NONE, SVC(0, SSH_ACCEPT, SSH_DROP)},
	[SSH_MSG_USERAUTH_INFO_RESPONSE] = {KEX_NONE, DURING_AUTH},
	[SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE] = {KEX_NONE, DURING_AUTH},
	[SSH_MSG_USERAUTH_GSSAPI_ERRTOK... SSH_MSG_USERAUTH_GSSAPI_MIC] = {KEX_NONE, DURING_AUTH},
};

static const struct cell client_rx[256] = {
	BOTH_ROLES,
	[SSH_MSG_SERVICE_ACCEPT] = {KEX_NONE, BEFORE_AUTH},
	[SSH_MSG_EXT_INFO] = {KEX_NONE, SVC(SSH_ACCEPT, SSH_ACCEPT, 0)},
	[SSH_MSG_USERAUTH_FAILURE... SSH_MSG_USERAUTH_BANNER] = {KEX_NONE, DURING_AUTH},
	[SSH_MSG_USERAUTH_PK_OK... SSH_MSG_USERAUTH_GSSAPI_TOKEN] = {KEX_NONE, DURING_AUTH},
	[SSH_MSG_USERAUTH_GSSAPI_ERROR... SSH_MSG_USERAUTH_GSSAPI_ERRTOK] = {KEX_NONE, DURING_AUTH},
};
/* clang-format on */

/* Which of 30..49 a step awaits, as a set of what is above 30. */
#define METHOD_MSG(msg) (UINT32_C(1) << ((msg)-SSH_MSG_KEX_FIRST))

static const struct {
	uint32_t server_rx, client_rx;
} step_of[SSH_KEX_STEPS] = {
	[SSH_STEP_PUBLIC] = {METHOD_MSG(SSH_MSG_KEX_ECDH_INIT), METHOD_MSG(SSH_MSG_KEX_ECDH_REPLY)},
	[SSH_STEP_GEX_REQUEST] = {METHOD_MSG(SSH_MSG_KEX_GEX_REQUEST) |
					  METHOD_MSG(SSH_MSG_KEX_GEX_REQUEST_OLD),
				  METHOD_MSG(SSH_MSG_KEX_GEX_GROUP)},
	[SSH_STEP_GEX_INIT] = {METHOD_MSG(SSH_MSG_KEX_GEX_INIT), METHOD_MSG(SSH_MSG_KEX_GEX_REPLY)},
	[SSH_STEP_GSS_REQUEST] = {METHOD_MSG(SSH_MSG_KEXGSS_GROUPREQ),
				  METHOD_MSG(SSH_MSG_KEXGSS_GROUP) |
					  METHOD_MSG(SSH_MSG_KEXGSS_ERROR)},
	[SSH_STEP_GSS_INIT] = {METHOD_MSG(SSH_MSG_KEXGSS_INIT),
			       METHOD_MSG(SSH_MSG_KEXGSS_CONTINUE) |
				       METHOD_MSG(SSH_MSG_KEXGSS_COMPLETE) |
				       METHOD_MSG(SSH_MSG_KEXGSS_HOSTKEY) |
				       METHOD_MSG(SSH_MSG_KEXGSS_ERROR)},
	[SSH_STEP_GSS_CONTINUE] = {METHOD_MSG(SSH_MSG_KEXGSS_CONTINUE),
				   METHOD_MSG(SSH_MSG_KEXGSS_CONTINUE) |
					   METHOD_MSG(SSH_MSG_KEXGSS_COMPLETE) |
					   METHOD_MSG(SSH_MSG_KEXGSS_ERROR)},
};

/* Of 30..49, whether the method awaits just this one; a guess may be any of them. */
static bool step_awaits(const struct ssh_phase *ph, uint8_t msg)
{
	uint32_t set;

	if (ph->coarse || (ph->kex != SSH_KEX_METHOD && ph->kex != SSH_KEX_FIRST_METHOD))
		return true;
	if (ph->step >= SSH_KEX_STEPS)
		return false;
	set = ph->role == SSH_SERVER ? step_of[ph->step].server_rx : step_of[ph->step].client_rx;
	return set & METHOD_MSG(msg);
}

static uint32_t in(const struct ssh_phase *ph, unsigned int kex)
{
	bool first = kex <= SSH_KEX_FIRST_NEWKEYS || kex == SSH_KEX_FIRST_GUESS;

	return IN(first && ph->strict ? STRICT(kex) : kex);
}

/* The steps that may be the current one; none for a phase that does not exist. */
static uint32_t steps(const struct ssh_phase *ph)
{
	if (ph->kex == 0 || ph->kex >= SSH_KEX_PHASES)
		return 0;
	if (ph->coarse && ph->kex == SSH_KEX_FIRST_METHOD)
		return in(ph, SSH_KEX_FIRST_GUESS) | in(ph, SSH_KEX_FIRST_METHOD) |
		       in(ph, SSH_KEX_FIRST_NEWKEYS);
	if (ph->coarse && ph->kex == SSH_KEX_METHOD)
		return in(ph, SSH_KEX_GUESS) | in(ph, SSH_KEX_METHOD) | in(ph, SSH_KEX_NEWKEYS);
	return in(ph, ph->kex);
}

enum ssh_verdict ssh_phase_rx(const struct ssh_phase *ph, uint8_t msg)
{
	const struct cell *cell;
	uint8_t svc = ph->svc;

	if (ph->role == SSH_SERVER)
		cell = &server_rx[msg];
	else if (ph->role == SSH_CLIENT)
		cell = &client_rx[msg];
	else
		return SSH_REFUSE;

	if (svc >= SSH_SVC_PHASES || !(cell->kex & steps(ph)))
		return SSH_REFUSE;
	if (ph->again && svc == SSH_SVC_AUTH && msg == SSH_MSG_SERVICE_REQUEST)
		svc = SSH_SVC_NONE;
	if (msg >= SSH_MSG_KEX_FIRST && msg <= SSH_MSG_KEX_LAST && !step_awaits(ph, msg))
		return SSH_REFUSE;
	return cell->svc[svc];
}

bool ssh_phase_tx(bool in_kex, uint8_t msg)
{
	bool transport = msg >= SSH_MSG_DISCONNECT && msg <= SSH_MSG_DEBUG;
	bool exchange = msg >= SSH_MSG_KEXINIT && msg <= SSH_MSG_KEX_LAST;

	if (in_kex)
		return transport || exchange;
	return msg != 0 && (!exchange || msg == SSH_MSG_KEXINIT);
}
