/*
 * control/session/internal.h - what the files of session/ share.
 */
#ifndef SLUICE_CONTROL_SESSION_INTERNAL_H
#define SLUICE_CONTROL_SESSION_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/bounds.h"
#include "conf/conf.h"
#include "conf/hook.h"
#include "conf/rule.h"
#include "control/auth/chain.h"
#include "control/auth/source.h"
#include "control/auth/user.h"
#include "control/helper/client.h"
#include "control/hook/answer.h"
#include "control/hook/hook.h"
#include "control/log.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"
#include "control/session/globals.h"
#include "control/session/session.h"
#include "crypto/hash.h"
#include "ssh/brain.h"
#include "ssh/kexinit.h"

#define INBOX_MAX       32           /* payloads; a shard has 16 unanswered at most */
#define INBOX_BYTES_MAX (256 * 1024) /* of them; a shard: 64 KiB and one payload more */
#define SIGN_MS         10000 /* who is in and changes keys waits longer */
#define JOB_MS          30000
#define LOOKUP_MS       10000
#define COMMAND_MS      10000
#define LOGIN_KEYS_MAX  CONF_CHAIN_MAX /* that one login may have signed with */
#define RESOLVE_MS      10000
#define LINGER_MS       2000 /* a peer has to take our last words */
#define UNSAFE_MAX      64   /* beyond, they are taken together */
#define REST_MS         2000 /* without a word: longer than SlowPathRate's memory of a second */

struct inbox_item {
	struct inbox_item *next;
	uint32_t seqnr, len;
	uint8_t payload[];
};

/* A channel: while it is decided, while it connects, while it is open. */
struct program;
struct hook_open;
struct service_call;
struct service_ops;
struct tally;

/* A channel counts for its user and its source; NULL: there was no memory for that. */
#define CHANNEL_TALLIES 2

/* Channels that are open and that control was not asked for: those of a grant, of a listener. */
struct channels {
	uint32_t n;
	struct tally *tally[CHANNEL_TALLIES]; /* while there are any */
};

struct open {
	struct open *next;
	struct session *session;
	uint64_t token;
	uint32_t peer_channel, local_channel;
	uint32_t peer_window, peer_packet_max;
	struct program *program;            /* of a session channel; NULL: it is none */
	struct handled_chan *handled;       /* of one a program of the operator's has; NULL */
	char *first;                        /* what its stream begins with; NULL: nothing */
	size_t first_len;
	struct hook_open *asked;            /* a program of the operator's; NULL: none is */
	struct connecting_user *connecting; /* counts it until it is connected; then NULL */
	struct tally *tally[CHANNEL_TALLIES];
	struct service_call *call;          /* that opens its UNIX socket; NULL: none */
	char *rule;                         /* that allowed it; NULL: nobody records it */
	enum { OPEN_RESOLVING = 1, OPEN_CONNECTING, OPEN_UP } state;
	uint16_t port;
	bool judged;   /* such a program has answered */
	bool own_type; /* host is its type: one of the operator's own */
	uint64_t deadline_ms;
	char host[];
};

/* Where a channel leads, as its client asked; a view. */
struct open_target {
	const char *host;
	uint16_t port;
};

/* A target that was allowed lately. */
struct grant_seen {
	uint32_t hash;
	uint32_t times;
};
#define GRANT_SEEN 32

/* Programs that are asked about a key, in this order. */
enum login_program { LOGIN_PRINCIPALS = 1, LOGIN_KEYS, LOGIN_PROGRAMS };

/* The one authentication request under way; the brain asks them one by one. */
struct login {
	bool open; /* the brain awaits an answer */
	uint32_t id;
	struct ssh_act_auth auth; /* as asked; views good while it is open */
	uint64_t began_ms;
	char *peer_name;                /* of the address, as long as it has not led back */
	bool possible;                  /* all but the credential has been said yes to */
	bool key_right, forced_command; /* of the key in question */
	bool certified;                 /* by an authority of the operator's */
	struct helper_call *command;    /* a program that runs; NULL: none */
	enum login_program asking;      /* which; 0: none was asked yet */
	struct pool_job *job;           /* that reads its files; NULL: none */
	bool has_hash;
	struct passfile_hash *hash;    /* of the user; NULL: the files have not been read */
	struct policy_grant grant;     /* of the key in question, until it has signed */
	uint64_t expires;              /* of it, and of the account; as in struct earned */
	enum ssh_auth_verdict verdict; /* that waits for its time */

	/* login_hook.c */
	struct hook_call *hook; /* that is asked; NULL: none */
	bool hook_fail_open;
	bool hook_right;   /* by what the configuration has to say */
	bool hook_judges;  /* in place of files and sources */
	bool hook_talks;   /* it has asked questions, whose answers are its */
	bool hook_said;    /* its last word */
	unsigned int more; /* methods it wants besides */
	char role[CONF_ROLE_MAX + 1]; /* it has named; "": none */

	/* keyboard-interactive: what it goes through, and how far. */
	const struct auth_source *plan[SOURCE_PLAN_MAX];
	unsigned int n_plan, plan_at, asked_from;
	const char *device; /* of AuthenticationMethods; NULL: none was named */
	bool answered, right;
	struct auth_call call;
};

/* Host keys that are being proved, one by one: hostkeys.c. */
#define PROOF_KEYS_MAX (SIGNER_KEYS_MAX + HOOK_HOSTKEYS_MAX)
struct proof {
	bool open;
	uint8_t keyset; /* whose they are: those of now, or its own */
	uint8_t n, at;
	uint8_t key[PROOF_KEYS_MAX];
	uint8_t *buf; /* the answer so far */
	size_t len;
};

/* What waits for a program of the operator's, or was said about what is heard now: hook_gate.c */
struct gate {
	struct hook_call *call;
	enum { GATE_IDLE, GATE_ASKED, GATE_PASSED, GATE_REFUSED } state;
	enum conf_hook_kind kind;
	bool fail_open;
	uint32_t code;         /* of a refusal; 0: the usual one */
	char *reason, *handler; /* NULL: nothing was said */
	struct naming *naming;  /* hook_named.c: host keys that are loaded; NULL: none */
};

/* What the steps before this one have earned (S-24). */
struct earned {
	bool any;
	struct policy_grant grant;
	uint8_t key[LOGIN_KEYS_MAX][32]; /* SHA-256 of the keys that signed */
	unsigned int n_keys;
	uint64_t expires; /* the earliest; seconds since 1970, UINT64_MAX: never */
	char *marks;      /* as in struct awake */
	size_t marks_len; /* without the last NUL */
	uint8_t *blobs;   /* of those keys, each a string of RFC 4251, where they may be revoked */
	size_t blobs_len;
};

/*
 * What a connection needs of control only while it says something: until it is authenticated, and
 * from a message of its to REST_MS after the last one (rest.c).
 */
/* compute.c: what a host key is asked to sign. */
struct signing {
	const struct key *key; /* the keyset's */
	char sig_alg[SSH_NAME_MAX + 1];
	uint8_t hash[HASH_LEN_MAX];
	size_t len;
	bool again;  /* of another signer */
	bool opened; /* its file, again */
};

struct awake {
	struct session *session;
	struct ssh_brain *brain;
	struct conf_session conf; /* as far as it is known who this is */
	char local_addr[ADDR_TEXT_MAX], peer_addr[ADDR_TEXT_MAX];   /* for Match and patterns */
	char rdomain[LINK_RDOMAIN_MAX + 1]; /* of the kernel's, it came by; "": none */
	char local_text[CONF_ZONE_TEXT], peer_text[CONF_ZONE_TEXT]; /* for people: with %NAME */
	struct timer grace;
	struct timer rest;
	struct timer silence; /* HandshakeTimeout */
	uint64_t heard_ms;    /* of the peer, before it is in */
	uint32_t tries;       /* that have failed, as most_tries has counted them */
	char *ident;          /* ours, of a control before this one; NULL: the configuration's */
	char *version;        /* its identification; NULL: not yet */
	char *peer_name;      /* of its address; NULL: it has none, or nobody asked */
	bool name_asked;
	bool overruled; /* AllowClients or DenyClients, by an operator's program */
	char **groups; /* of the user; NULL: nobody asked */
	size_t n_groups;
	char *marks;    /* of its keys and certificates, as struct conf_who has them; NULL: none */
	bool attempted; /* it has tried to log in by something */
	uint64_t crowded_ms; /* since when it has one of the places for agents; 0: it has none */
	bool kex_done;

	struct inbox_item *inbox, **inbox_last;
	uint32_t inbox_n, inbox_bytes;

	/* Credit the shard gets back, and SlowPathRate. */
	uint32_t owed_payloads, owed_bytes;
	int64_t tokens_milli; /* thousandths of a payload */
	uint64_t tokens_at_ms;
	struct timer credit;

	struct login login;
	struct ssh_prompts *words; /* a program's, in place of KbdInteractivePrompt; NULL: none */
	struct timer delay;        /* of its answer */
	struct chain chain;
	struct moduli *moduli; /* of its brain */
	struct earned earned;
	struct lapse *lapse; /* NULL: it has nothing to lose */
	struct link_keys *rx_keys; /* of an exchange a control before this one did not end */
	bool banner_sent, user_root;
	bool invalid_user; /* Match invalid-user holds */
	const char *
		why_invalid; /* the user is not one who may log in; NULL: he is, or there is none */
	struct proof proof;
	struct signing signing; /* what its exchange waits for */
	char *key_print; /* report.c: of the key it came in by; NULL: none, or nobody records it */

	struct gate gate;
	struct conf_bounds bounds; /* a program of the operator's has named */
	bool service_asked;        /* the one that a login is for */

	/* forward.c */
	struct listener *forwarding; /* whose answer is awaited: nothing else is heard */
	uint64_t forward_epoch;      /* of what it asks for next; 0: none */
	uint32_t identity;           /* forward_identity(): by what it is in */

	struct globals globals;

	/* grant.c */
	struct grant_seen seen[GRANT_SEEN];
	uint32_t n_seen; /* ever: the oldest goes first */

	struct {
		char kex[64], hostkey[64], cipher_cs[40], cipher_sc[40], mac_cs[40], mac_sc[40];
		uint8_t session_id[SSH_SESSION_ID_MAX];
		size_t session_id_len;
	} kex;
};

/* Who it is, and what of a brain that rests makes another one. */
struct past;
struct lapse;
struct krl;
struct listener;

/* What is kept of every connection. An authenticated one that says nothing costs no more. */
struct session {
	struct session_table *table;
	struct conn_ref ref;
	uint64_t uid; /* its shard's count of connections */
	struct link_addr local, peer;
	uint64_t began_ms;
	struct awake *awake; /* NULL: it rests */
	union {
		char *user;        /* awake: as far as it has no NUL. NULL: none was named */
		struct past *past; /* it rests; session_user() */
	};

	uint8_t log_level : 3; /* enum log_level */
	bool inside : 1;       /* inside.c: counted for its user and its source */
	bool no_comp : 1;      /* its shard has no memory to decompress for it */
	bool holds_place : 1;  /* of MaxStartups */
	bool ended : 1;        /* END was sent: only its end is awaited */
	bool end_logged : 1;
	bool pumping : 1;
	bool user_known : 1; /* the peer has named one */
	bool user_valid : 1, user_judged : 1;
	bool authenticated : 1;
	uint8_t keyset : 3;        /* the host keys it began with */
	bool no_more_sessions : 1; /* its client said so */
	/* Channels are at most MaxChannelsPerConnection, of which 65536 is the most. */
	uint64_t n_given : 7;
	uint64_t n_up : 17;     /* channels that are open, those of grants included */
	uint64_t n_opens : 17;  /* these, and those that are not connected yet */
	bool has_listeners : 1; /* or had */
	bool kept_displays : 1; /* agents and displays of programs since before this control */
	/* report.c */
	bool reported : 1; /* the audit log has its beginning, or has counted it, and not its end */
	bool hushed : 1;   /* it was counted */
	bool kept : 1;     /* it began under a control before this one */
	bool has_rates : 1; /* rates.c: its shard has been told of rates or shares */

	/* login.c */
	struct policy_grant grant;

	/* open.c, grant.c */
	struct open *opens;
	struct given *given;
};
_Static_assert(KEYSETS_MAX <= 1 << 3 && LOG_L_DEBUG3 < 1 << 3, "in 3 bits");
_Static_assert(sizeof(struct session) <= 152, "of every connection, beside its past");

struct session_table {
	struct session_env *env;
	struct session_link link;
	struct session_table *next;
	uint16_t dataplane, shard;
	uint32_t max, count;
	struct session **by_index;
	uint64_t first_uid;  /* of the first connection that came under this control; 0: none did */
	uint64_t audit_seen; /* highest id not yet acknowledged; 0: none */
	/* Ids whose records are not safe yet, and where those end; the oldest first. */
	struct {
		uint64_t id, at;
	} unsafe[UNSAFE_MAX];
	unsigned int n_unsafe;
};

/* table.c */
struct session *session_table_find(const struct session_table *t, const struct link_handle *h);
/* The session an answer is for, or NULL. Who rests waits for none. */
struct session *session_find(struct session_env *env, const struct conn_ref *ref);

/* view.c: the table of *at, or the next there is; NULL. */
struct session_table *session_table_from(const struct session_env *env,
					 const struct session_cursor *at);
/* view.c: session_next(), for those of this room. */
int session_walk(const struct session_env *env, struct session_cursor *at, struct session **ret)
	__attribute__((warn_unused_result));

/* inbox.c */
/* -EBADMSG: more than a shard may leave unanswered; -ENOMEM. */
int session_inbox_push(struct session *s, const struct link_payload *ev)
	__attribute__((warn_unused_result));
void session_inbox_pop(struct session *s);
void session_inbox_clear(struct session *s);
/* Gives the shard its credit back, as far as SlowPathRate allows. */
void session_credit(struct session *s);

/* act.c */
/* Carries out what the brain wants and feeds it what waits, until neither goes on. */
void session_pump(struct session *s);
/* Ends it with a DISCONNECT for err; the caller pumps. */
void session_end(struct session *s, int err, const char *text);
/* It is over, and what had to be said before has been: the shard ends it. */
void session_over(struct session *s, int err);
/* The same and at once, whether it rests or not. */
void session_dismiss(struct session *s, int err);
/* With other words for its client; NULL: those of the error. */
void session_dismiss_saying(struct session *s, int err, const char *text);

/* session.c */
/*
 * What it goes by: the configuration that held when it began. It is awake. What is no connection's
 * goes by that of now.
 */
static inline struct conf *session_conf(const struct session *s)
{
	return s->awake->conf.conf;
}
/* In its place of the table, with nothing else yet; NULL: no memory. */
struct session *session_new(struct session_table *t, const struct link_handle *conn);
/* What its shard says of it, its rules, a brain. The caller frees what failed. */
int session_fill(struct session *s, const struct link_conn_new *ev)
	__attribute__((warn_unused_result));
void session_free(struct session *s);
/* What of its configuration the brain wants to know, SSH_AUTH_* and RekeyLimit. */
unsigned int session_auth_methods(const struct session *s);
struct ssh_rekey_limit session_rekey_limit(const struct session *s);
/* HandshakeTimeout begins, or begins anew. */
int session_silence_begin(struct session *s) __attribute__((warn_unused_result));
/* LoginGraceTime, as its configuration has it now. */
int session_grace_begin(struct session *s) __attribute__((warn_unused_result));
/* Where it comes from, as PerSourceNetBlockSize has it. */
struct source session_source(const struct session *s);
/* Seconds since 1970. */
uint64_t session_wall(struct session_env *env);
#define session_log(s, level, ...) session_log_from(LOG_FROM, s, level, __VA_ARGS__)
void session_log_from(const struct log_from *from, const struct session *s, enum log_level level,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* For people and rules; "" as long as nobody was named. */
const char *session_user(const struct session *s);
const char *session_peer_text(const struct session *s, char buf[CONF_ZONE_TEXT]);
/* Its brain, before it hears or resumes anything. */
int session_brain_new(struct session *s) __attribute__((warn_unused_result));
const char *zoned_text(const struct conf *conf, const struct link_addr *a,
		       char buf[CONF_ZONE_TEXT]);

/* clients.c: by which list it is not wanted; NULL: it is. */
/* By its address, and whatever its name may be. */
const char *clients_refuse(const struct session *s);
/* Once its name is known, or that it has none. */
const char *clients_refuse_named(const struct session *s);

/* door.c */
/* Is there a place for it? What is said of one who is refused is said. */
bool door_enter(const struct session_table *t, const struct link_conn_new *ev);
void door_full(const struct session_table *t, const struct link_conn_new *ev); /* for its shard */
/* Who it says it is has a place, too; false: it is told when to come, and ends. */
bool door_ident(struct session *s, const uint8_t *line, size_t len);
/* It needs none after all. */
void door_give_back(struct session_env *env, const struct link_addr *peer);
/* It holds no place any more: it is in, or it ends for err; 0: for nothing it has done. */
void door_leave(struct session *s, int err);

/* hook_gate.c: what is held back until a program of the operator's has answered */
/* It has begun; its version is known. They may be over, or asked about, behind this. */
void gate_connection(struct session *s);
void gate_offer(struct session *s); /* all host keys there are, and the exchange begins */
void gate_established(struct session *s);
bool gate_holds(const struct session *s); /* nothing of it moves */
bool gate_waits(const struct session *s); /* nothing more is heard */
/* May the first of its inbox be heard now? */
bool gate_hears(struct session *s);
void gate_heard(struct session *s); /* it was */
void gate_drop(struct session *s);  /* whatever is answered, it is over */
/* The host keys that it was to be shown are there, or err: the gate is theirs. */
void gate_named(struct session *s, int err);
/* Of the message that is heard. */
bool gate_refused(const struct session *s, uint32_t *ret_code, const char **ret_text);
const char *gate_handler(const struct session *s); /* whose the channel is to be; NULL: not said */

/* kept.c: of a control before this one. kept_conn(): -EBADMSG */
int kept_conn(struct session_table *t, const struct link_handle *conn,
	      const struct link_conn_kept *ev) __attribute__((warn_unused_result));
void kept_chan(struct session *s, const struct link_chan_kept *ev);
void kept_kex(struct session *s, const struct link_kex_kept *ev);

/* lapse.c: EndExpiredSessions, and keys of EndRevokedSessions */
/* Are keys kept, by which somebody may go? */
bool lapse_keeps_keys(const struct conf_session *c);
/* It is in, by what it has earned. -ENOMEM. */
int lapse_begin(struct session *s) __attribute__((warn_unused_result));
/* The same of a connection that is in since a control before this one. */
int lapse_resume(struct session *s, const struct conf_session *c, uint64_t expires,
		 struct ssh_str keys, struct lapse **ret) __attribute__((warn_unused_result));
void lapse_go(struct lapse *l); /* its session has it now; NULL is nothing */
/* The list of revoked keys that this configuration has for it holds from now on; NULL is nothing. */
void lapse_follow(struct lapse *l, const struct conf_session *c);
/* Would that be one that does not hold by now? */
bool lapse_joins(const struct lapse *l, const struct conf_session *c);
bool lapse_listed(const struct lapse *l); /* one holds */
bool lapse_revoked(const struct lapse *l, const struct krl *krl);
/* What it has to lose; of NULL nothing. */
uint64_t lapse_expires(const struct lapse *l);
struct ssh_str lapse_keys(const struct lapse *l);
void lapse_end(struct lapse *l, struct timers *timers); /* NULL is nothing */
void lapses_free(struct session_env *env);              /* no session is left */

/* rest.c */
/* Texts of addresses, an empty inbox, timers: no configuration and no brain yet. -ENOMEM. */
int awake_new(struct session *s) __attribute__((warn_unused_result));
void awake_free(struct session *s);
/*
 * What Match and lists go by, also of one that rests: then made for this look, and the rest of it is
 * nothing. NULL: no memory.
 */
struct awake *facts_get(const struct session *s);
void facts_put(const struct session *s, struct awake *facts);
/* It has been pumped: nothing to do makes it rest, some time from now. */
void session_tire(struct session *s);
/* Before a message of a connection that may rest. 0, or why it cannot go on. */
int session_wake(struct session *s) __attribute__((warn_unused_result));
/* The same for who cannot do without: false: it is over, or ends now. */
bool session_awaken(struct session *s);
const char *past_user(const struct past *p);
const char *past_marks(const struct past *p);     /* as those of struct awake; "": none */
bool past_strict(const struct past *p);           /* strict key exchange is in force */
struct ssh_str past_client(const struct past *p); /* its identification */
struct conf *past_conf(const struct past *p);     /* that it goes by */
void past_free(struct past *p);
uint32_t session_identity(const struct session *s);
struct lapse *session_lapse(const struct session *s);
/* Fingerprint of the key it came in by, where it is recorded; NULL. */
const char *session_key_print(const struct session *s);

/* item.c: what leaves */
void item_bytes(struct session *s, enum link_type type, const void *p, size_t len);
void item_body(struct session *s, enum link_type type, const void *body, size_t len);
void keys_fill(struct link_keys *m, const struct ssh_act_keys *k); /* the caller wipes it */
void item_keys(struct session *s, enum link_type type, const struct ssh_act_keys *k);
void item_authenticated(struct session *s);
void item_end(struct session *s, int err);
/* Descriptors go beside; *ret_token names them in an item. -errno; they stay the caller's. */
int item_fds(struct session *s, const int *fds, unsigned int n, uint64_t *ret_token)
	__attribute__((warn_unused_result));
/* What a channel was asked for, for whoever hears of it later. */
struct link_name item_name(const char *host, uint16_t port);

/* compute.c: asks of the brain that compute */
void compute_job(struct session *s, struct ssh_job *job, uint32_t id);
void compute_sign(struct session *s, const struct ssh_act *act);
/* No session is left: what waits for its turn is freed. */
void compute_drop(struct session_env *env);

/* login.c */
void login_begin(struct session *s, const struct ssh_act *act);
/* A keyword that is not for one login says so: it ends. */
void login_refuse(struct session *s, const char *keyword);
void login_done(struct session *s, const struct ssh_act_auth *auth);
void login_failed(struct session *s, const struct ssh_act_auth *auth);
void login_partial(struct session *s, const struct ssh_act_auth *auth);
void login_clear(struct session *s); /* no request is under way */
void login_fini(struct session *s);  /* nor will there be any more */

/* login_judge.c */
void login_looked_up(struct session *s, struct user_lookup *l);

/* login_answer.c: the request is over, or waits for its time */
void login_decide(struct session *s, const struct ssh_auth_decision *d);
void login_finish(struct session *s, bool right); /* if all else was, too */
void login_reject(struct session *s);
/* Has this login signed with it already, or with a certificate of it? */
/* Behind the others it has, a kind of conf/rule.h and a text. */
int login_mark(struct earned *e, char kind, const char *text) __attribute__((warn_unused_result));
bool login_key_used(const struct session *s, const struct key *k);
void login_delay_over(struct session *s);

/* login_source.c */
void login_ask_source(struct session *s, const struct auth_source *source, struct ssh_str secret);
/* What keyboard-interactive goes through; then, what is next of it. */
void login_plan_make(struct session *s);
void login_plan_go_on(struct session *s);
void login_answered(struct session *s, const struct ssh_act *act); /* another round */

/* login_hook.c: PolicyHook */
/* Does a program judge in place of files and sources? */
bool login_hook_judges(const struct conf_session *c);
/* It is asked first: login_finish() or login_reject() follow. right: by what there is besides. */
bool login_hook(struct session *s, bool right);
bool login_hook_instead(struct session *s);
void login_hook_answered(struct session *s); /* questions of its */
/* ReportSignatureStatus */
void login_hook_signature(const struct session *s, const struct ssh_act_auth *auth, bool good);

/* Who asks, for sluice-helper: views, good until the next packet. */
struct helper_job login_about(const struct session *s, uint32_t time_ms);
/*
 * login_name.c: what the client's address is called. login_named() follows, at once when there is
 * nothing to ask. -ENOMEM.
 */
int login_ask_name(struct session *s) __attribute__((warn_unused_result));
void login_named(struct session *s);

/* login_files.c: what files and the system say about who asks */
/* login_looked_up() follows, or login_reject(). */
int login_look_up(struct session *s, bool only_account) __attribute__((warn_unused_result));
/* Takes text, a program's, about which login_looked_up() is asked again. */
int login_look_through(struct session *s, enum login_program who, char *text, size_t len)
	__attribute__((warn_unused_result));

/*
 * login_command.c: what the operator's programs say: the next that may know the key is asked, then
 * login_looked_up() follows, or login_reject(). -ENOENT: there are no more.
 */
int login_ask_program(struct session *s) __attribute__((warn_unused_result));

/* login_rules.c: what holds for who asks */
int rules_user_known(struct session *s, struct ssh_str user) __attribute__((warn_unused_result));
/* What Match goes by, as far as it is known; views. */
struct conf_match_ctx rules_ctx(const struct session *s, struct conf_strs *groups);
/* The same of facts_get(), with groups that may be others. */
struct conf_match_ctx rules_ctx_of(const struct session *s, const struct awake *facts,
				   const struct conf_strs *groups);
/* What was found out about the user, or the peer, changes them. */
int rules_change(struct session *s, bool invalid_user) __attribute__((warn_unused_result));
/* It is in, with the role a program of the operator's has named, if one has. */
int rules_role_known(struct session *s) __attribute__((warn_unused_result));
/* RefuseConnection, AllowUsers, DenyUsers, as they are by that role. */
bool rules_role_lets_in(const struct session *s);
int rules_version_known(struct session *s, const uint8_t *line, size_t len)
	__attribute__((warn_unused_result));
/* Whether there is such a user who may log in at all; said once in the log. */
void rules_judge_user(struct session *s, const struct user_lookup *l);
/* He is none: says so, and Match invalid-user holds from now on. */
void rules_invalid_user(struct session *s);
/* May this method let this user in, if what it is given is right? */
bool rules_allow(const struct session *s, enum ssh_auth_method method, bool forced_command);

/*
 * inside.c: it is logged in, and one more of its user and source. NULL, or why it may not be, which
 * was counted.
 */
const char *inside_enter(struct session *s) __attribute__((warn_unused_result));
/* The same of one that was in already. */
void inside_kept(struct session *s);
void inside_leave(struct session *s); /* one that never came in is nothing */

/* open.c */
/*
 * channels.c: one more of its connection, user and source. NULL, or why not, which was counted.
 */
const char *channel_enter(struct session *s, struct open *o) __attribute__((warn_unused_result));
/* The same of one that was opened already. */
void channel_kept(struct session *s, struct open *o);
void channel_leave(struct session *s, struct open *o);
/* One more is open, one less; all of them are over. */
void channels_up(struct session *s, struct channels *c);
void channels_down(struct session *s, struct channels *c);
void channels_over(struct session *s, struct channels *c);
/* What its user and its source may have. */
void channels_limits(const struct session *s, uint32_t ret[CHANNEL_TALLIES]);
/* With these there are more than that: why one has to go, which was counted. NULL: none has to. */
const char *channels_too_many(const struct channels *c, const uint32_t max[CHANNEL_TALLIES])
	__attribute__((warn_unused_result));
/* Has it a limit of which its shard does not know? */
bool channels_are_limited(const struct session *s);
struct open *open_find(const struct session *s, uint64_t token);
/* One that is up, by our number. */
struct open *open_up_at(const struct session *s, uint32_t channel);
/* A new one, whose places in the limits are taken. */
void open_link(struct session *s, struct open *o);
/* Counted in all limits, and of the opens that wait; NULL: it was refused. */
struct open *open_new(struct session *s, const struct ssh_chan_open *m, struct ssh_str host,
		      uint16_t port);
/* What allowed it, for its record in the audit log; without memory that has none. */
void open_allowed(struct open *o, const char *rule);
/* FAILURE, said in the log with the place of the rule that decided, or ""; it is gone. */
void open_deny(struct session *s, struct open *o, const char *place, const char *text);
/* FAILURE, and it is gone. */
void open_refuse(struct session *s, struct open *o, uint32_t reason, const char *text);
/* Where it is to lead, by its host and port. */
void open_decide(struct session *s, struct open *o);
/* What its name was found to be, or was when a program was asked: judged, then open_go(). */
void open_connect(struct session *s, struct open *o, const struct link_addr *found, size_t n_found);
/* To these addresses, which were judged; timed: as grant_consider(). */
void open_go(struct session *s, struct open *o, struct link_addr *addr, size_t n, bool timed);
/*
 * hook_forward.c: is a program of the operator's asked first? Then it goes on by open_connect(), or
 * open_socket_connect() where there is no address, or is refused; it may be gone when this returns.
 */
bool hook_open(struct session *s, struct open *o, const struct link_addr *addr, size_t n);
void hook_open_free(struct hook_open *a); /* NULL is nothing */
bool hook_forwards(const struct session *s); /* is any asked about tunnels? */

/* open_handler.c: is it a program's of the operator's? Then it is seen to. */
bool open_handled(struct session *s, const struct ssh_chan_open *m);

/* open_host.c */
/* To this socket, which was judged. */
void open_socket_dial(struct session *s, struct open *o, const char *path);
void open_socket_connect(struct session *s, struct open *o); /* judged, as open_connect() */
void open_socket_go(struct session *s, struct open *o);
void open_streamlocal(struct session *s, const struct ssh_chan_open *m);
/* Those of them that the gateway's own kernel leads to, at the front; none: the shard's network. */
size_t open_host_addrs(const struct session *s, struct link_addr *addr, size_t n);
void open_host_connect(struct session *s, struct open *o, const struct link_addr *addr, size_t n);
void open_begin(struct session *s, const struct ssh_chan_open *m);
void open_request(struct session *s, const struct ssh_chan_request *m);
void open_reply(struct session *s, uint32_t channel, bool ok);
void open_global(struct session *s, const struct ssh_chan_request *m);
void open_opened(struct session *s, const struct link_chan_ref *ev);
void open_failed(struct session *s, const struct link_chan_failed *ev);
void open_drained(struct session *s, const struct link_chan_ref *ev);
void open_unsaid(struct session *s, const struct link_chan_unsaid *ev);
void open_ended(struct session *s, const struct link_chan_end *ev);
/* Where the channel with this token leads. False: not known. */
bool open_target(const struct session *s, uint64_t token, struct open_target *ret);
void open_fini(struct session *s);

/* program.c: session channels */
/* NULL: it may not, with why. */
struct program *program_open(struct session *s, const struct ssh_chan_open *m, uint32_t *ret_reason,
			     const char **ret_why);
/* Its channel stands among its connection's, of whose sessions it is one until it is finished. */
void program_enter(struct program *p);
void program_confirm(struct open *o); /* its channel is counted: the shard says CONFIRMATION */
/* may: nobody has refused it. */
void program_request(struct open *o, const struct ssh_chan_request *m, bool may);
void program_reply(struct open *o, bool ok); /* to a request of its handler's */
void program_unsaid(struct open *o, uint64_t id); /* bytes its handler has named so */
void program_drained(struct open *o); /* all it wrote is sealed */
/* It runs since before this control. */
void program_kept(struct session *s, struct open *o, bool tty);
void program_free(struct program *p); /* its channel is over; NULL is nothing */

/* forward.c: listeners of clients */
/* A global request; false: it is about something else. */
bool forward_global(struct session *s, const struct ssh_chan_request *q);
bool forward_busy(const struct session *s); /* an answer is awaited: nothing else is heard */
void forward_result(struct session *s, const struct link_forward_result *ev);
void forward_fini(struct session *s);
/* As of open.c and grant.c, for channels that came in by one; false: it is none of them. */
bool forward_target(const struct session *s, uint64_t token, struct open_target *ret);
bool forward_opened(struct session *s, const struct link_chan_ref *ev);
/* It is closed again if its user or its source has too many. */
void forward_bound(struct session *s, const struct link_chan_ref *ev);
bool forward_failed(struct session *s, const struct link_chan_failed *ev);
bool forward_ended(struct session *s, const struct link_chan_end *ev);
void forward_kept(struct session *s, const struct link_forward_kept *ev);
bool forward_chan_kept(struct session *s, const struct link_chan_kept *ev);

/*
 * forward_session.c: what listens for a session's client. It has its place among the listeners, in
 * all limits, from when it is asked for; 0: there is none, and that is said.
 */
uint64_t forward_session_ask(struct session *s, enum link_opens opens);
/* These are its sockets, or it has none after all; fds are copied. */
void forward_session_open(struct session *s, uint64_t token, bool once, const int *fds,
			  unsigned int n);
/* Nothing more comes in; 0, and one that is gone: nothing. */
void forward_session_close(struct session *s, uint64_t token);
/* A channel has ended: those that no program is left for end with it. */
void forward_session_tidy(struct session *s);

/* socket.c: the helper is asked, as service_call() has it; the caller pumps. */
int socket_call(struct session *s, bool listen, const char *path, uint32_t time_ms,
		const struct service_ops *ops, void *arg, struct service_call **ret)
	__attribute__((warn_unused_result));
/* The same of a port below 1024, to listen at. */
int port_call(struct session *s, const char *host, uint16_t port, uint32_t time_ms,
	      const struct service_ops *ops, void *arg, struct service_call **ret)
	__attribute__((warn_unused_result));

/* forward_take.c */
/* Of a login by this; 0: by no key. */
uint32_t forward_identity(const struct session_env *env, const struct ssh_act_auth *auth);
/* It has answered a keep-alive of ours. */
void forward_alive(struct session *s);

/* hostkeys.c */
/* The signer whose keys it was shown. */
struct signer *hostkeys_signer(const struct session *s);
/*
 * Is this key of signer's, or the certificate of one, shown to this client? By marks (conf/rule.h;
 * NULL: none), those that were named; where none was, those of its HostKey.
 */
bool hostkeys_fit(const struct session *s, const char *marks, const struct signer *signer,
		  const struct key *k);
/* Before its first exchange: those that fit, by marks. -ENOENT: there is none of them. */
int hostkeys_offer(struct session *s, const char *marks) __attribute__((warn_unused_result));
/* Those that were named by their files are its brain's, too. -EINVAL: too many. */
int hostkeys_add_named(struct session *s) __attribute__((warn_unused_result));
void hostkeys_announce(struct session *s);
void hostkeys_prove(struct session *s, const struct ssh_chan_request *m);
bool hostkeys_busy(const struct session *s); /* an answer is being made: nothing else is heard */
void hostkeys_clear(struct session *s);

/* grant.c */
/* This target, at these addresses, is about to be connected to; timed: a minute may change that. */
void grant_consider(struct session *s, const struct open *o, const struct link_addr *addr, size_t n,
		    bool timed);
/* The same three for channels a shard opened without asking; tokens of others change nothing. */
bool grant_target(const struct session *s, uint64_t token, struct open_target *ret);
/* What allowed it; NULL: not known. */
const char *grant_rule(const struct session *s, uint64_t token);
void grant_opened(struct session *s, uint64_t token);
void grant_ended(struct session *s, const struct link_chan_end *ev);
/* One that was opened under a grant of a control before this one, or by a listener that is over. */
void grant_kept(struct session *s, const struct link_chan_kept *ev, const char *host);
void grant_fini(struct session *s);
/* The next target with channels open, or the first: *at is where the last one was found. */
struct given *grant_next(const struct session *s, struct given *at, struct tunnel_view *ret);

/* packets.c */
void packet_tell(const struct session *s, bool sent, const uint8_t *p, size_t len);

/* words.c: sshd's sentences */
void words_connection(const struct session *s);
void words_refused(struct session *s, const char *keyword); /* and nothing of its end */
enum words_verdict { WORDS_FAILED, WORDS_PARTIAL, WORDS_ACCEPTED };
void words_auth(const struct session *s, const struct ssh_act_auth *auth,
		enum words_verdict verdict);
/* ReportSignatureStatus */
void words_signature(const struct session *s, const struct ssh_act_auth *auth, bool good);
void words_peer_disconnect(struct session *s, uint32_t reason, struct ssh_str text);
/* The connection ends for err, by our decision or because it is gone. Once. */
void words_end(struct session *s, int err);
/* The peer's KEXINIT had nothing in common with us. */
void words_no_match(struct session *s, int err, const uint8_t *payload, size_t len);

#endif
