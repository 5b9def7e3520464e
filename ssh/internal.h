/*
 * ssh/internal.h - what the files of a brain share: brain.c (actions, asks, the entrance),
 * brain_kexinit.c, brain_kex.c, brain_hostkey.c, brain_gex.c, brain_gss.c, auth_server.c,
 * auth_client.c, brain_conn.c.
 *
 * Functions that can fail return 0 or what ends the connection; the entrances in
 * ssh/brain.h turn it into DISCONNECT and END through brain_settle().
 */
#ifndef SLUICE_SSH_INTERNAL_H
#define SLUICE_SSH_INTERNAL_H

#include "ssh/brain.h"
#include "ssh/exchange.h"
#include "ssh/job.h"
#include "ssh/kexinit.h"

/* An action in its queue, and what it owns. */
struct act_node {
	struct act_node *next;
	struct ssh_act act;
	struct ssh_job *job;   /* not fetched yet */
	struct ssh_keys *keys; /* behind the last use of an exchange's keys */
	struct key *key;
	size_t len; /* of bytes; wiped when freed */
	uint8_t bytes[];
};

/* Kind 0: none is open. */
struct ask {
	enum ssh_act_kind kind;
	uint32_t id;
};

/* A key exchange from the first KEXINIT, whoever's, to the peer's NEWKEYS. */
struct kex {
	bool first;
	uint8_t *i_mine, *i_peer; /* NULL: not sent, not received */
	uint32_t i_mine_len, i_peer_len;
	struct ssh_agreed agreed;
	const struct key *host;  /* server: the key that signs; borrowed */
	struct key *peer_host;   /* client: the server's */
	struct kex_group *group; /* of a group exchange, once it is chosen */
	uint8_t gex_request[12]; /* what is hashed of the request, and of the group */
	uint8_t *gex_group;
	uint32_t gex_request_len, gex_group_len;
	struct gss_ctx *gss; /* of a method of GSS-API */
	uint8_t *gss_host_key;
	uint8_t gss_q[KEX_PUBLIC_MAX]; /* server: the client's public value, until it is believed */
	uint32_t gss_q_len, gss_host_key_len;
	struct kex_key *ephemeral;
	uint8_t pub[KEX_PUBLIC_MAX];
	size_t pub_len;
	uint8_t h[HASH_LEN_MAX];
	struct ssh_keys *keys;
};

/* What comes next of a login by GSS-API. */
enum auth_gss_step {
	AUTH_GSS_NONE,
	AUTH_GSS_REQUESTED, /* client: the answer to its request */
	AUTH_GSS_TOKENS,
	AUTH_GSS_MIC,
	AUTH_GSS_KEYEX, /* client: the MIC is made */
};

struct auth_server {
	char user[SSH_USER_MAX];
	uint32_t user_len;
	bool have_user;
	unsigned int requests; /* all, without bound to its use: saturates */
	unsigned int tries;
	char methods[128]; /* the same list in every FAILURE (S-28) */
	bool banner_sent;
	bool change_asked; /* the next password request may change it (S-31) */

	/* The request that is being decided. */
	uint8_t *request; /* secret_new(): it may hold a password */
	size_t request_len;
	struct ssh_act_auth act; /* views into it */
	struct key *key;

	/* gssapi-with-mic: what the peer owes; the request ends gss_tail bytes behind what is
	 * signed */
	enum auth_gss_step gss_step;
	struct gss_ctx *gss;
	uint32_t gss_tail;
	char principal[GSS_NAME_MAX], local_user[GSS_NAME_MAX];

	/* keyboard-interactive: questions the peer has not answered, and its last answers. */
	bool prompted;
	unsigned int n_prompts;
	uint8_t *answers; /* secret_new() */
	size_t answers_len;
	struct ssh_str response[SSH_PROMPTS_MAX];

	/* The key of the last PK_OK, until its signature comes (S-29). */
	struct key *promised;
};

/* A round of keyboard-interactive and the payload its views stand in. */
struct auth_info {
	struct ssh_prompts prompts;
	uint8_t payload[];
};

struct auth_client {
	char user[SSH_USER_MAX + 1];
	bool service_asked;
	bool sent;                   /* a request is unanswered */
	enum ssh_auth_method method; /* of it */
	bool partial, change_wanted;
	bool raw; /* what was sent is a payload of the program's own, and so is the answer */
	enum auth_gss_step gss_step;
	struct gss_ctx *gss;
	struct auth_info *info; /* the round that is to be answered */
	char methods[256];
	char *server_sig_algs;
	bool hostbound;        /* the server takes requests bound to its host key */
	const struct key *key; /* borrowed; the request below wants its signature */
	const char *sig_alg;
	enum ssh_auth_method signing_for;
	uint8_t *signing; /* session id and request, as signed */
	uint32_t signing_len, request_at;
};

struct brain_lists {
	char *kex, *hostkey, *ciphers, *macs, *comp, *sig_algs, *hostbased_algs;
	char *sig_algs_any; /* server: NULL once the user's are known, or when all have the same */
};

struct ssh_brain {
	struct ssh_phase phase;
	uint8_t session_id_len;
	bool started, ended;
	bool peer_ext_info; /* the peer listed ext-info-c or ext-info-s */
	bool info_in_auth;  /* server: the client takes another EXT_INFO with its user's name, which
			       it did not have */
	uint8_t ext_infos;  /* received */
	bool rekey_wanted;
	enum ssh_strict strict;
	struct ssh_gex_bits gex;
	struct gss_ctx *gss; /* of the last exchange by GSS-API, until somebody is authenticated */
	char *gss_server, *gss_client; /* client */
	char *gss_password;            /* secret_new() */
	bool gss_strict, gss_delegate;
	const struct moduli *moduli;
	struct ssh_rekey_limit rekey;
	unsigned int auth_methods, max_auth_tries;
	uint32_t retry_after; /* server: what it says; client: what it was told */
	struct brain_lists lists;
	uint8_t owner[SSH_JOB_OWNER_LEN];
	uint8_t session_id[SSH_SESSION_ID_MAX];
	char *ident, *peer_ident;
	const struct key *hostkey[SSH_HOSTKEYS_MAX];
	bool held; /* KEXINIT waits until it is known which of them are offered */
	unsigned int n_hostkeys;

	uint32_t next_id;
	struct ask kex_ask, auth_ask;
	struct act_node *head, **tail, *current, *building, *end_node;
	unsigned int n_acts;

	uint32_t first_seqnr;         /* strict first exchange: the next number it must be */
	struct kex *kex;              /* NULL: none runs */
	struct key *server_key;       /* client: accepted in the first exchange */
	uint8_t *server_sig;          /* client: of the session id, by that key; NULL: none */
	uint32_t server_sig_len;
	const struct key *first_host; /* server: what it showed there; borrowed */
	union {
		struct auth_server srv;
		struct auth_client cli;
	};

	uint32_t opens[SSH_OPENS_MAX]; /* sender_channel of our unanswered opens */
	unsigned int n_opens;
	unsigned int globals_received, globals_sent; /* that want replies, unanswered */
	uint8_t asked;    /* client: what a server may open, bits of brain_conn.c */
	char *open_types; /* and what else it may */
	uint64_t drops;
};

static inline bool brain_is_server(const struct ssh_brain *b)
{
	return b->phase.role == SSH_SERVER;
}

/* An action at the end of the queue, with room for len bytes. NULL: no memory. */
struct ssh_act *act_push(struct ssh_brain *b, enum ssh_act_kind kind, size_t len);
/* The same with a copy of these bytes. */
struct ssh_act *act_push_bytes(struct ssh_brain *b, enum ssh_act_kind kind, struct ssh_str s);
/* The node around an action. */
struct act_node *act_node_of(struct ssh_act *act);
/* A copy into the node's bytes behind *used; there must be room. */
struct ssh_str act_keep(struct ssh_act *act, size_t *used, struct ssh_str s);

/* SSH_ACT_SEND in two steps, with the writer between them. */
int send_begin(struct ssh_brain *b, struct ssh_wr *w, size_t max);
int send_end(struct ssh_brain *b, struct ssh_wr *w);
void send_abort(struct ssh_brain *b);
/* The last action in the queue takes the keys, which those before it look at. */
void act_own_keys(struct ssh_brain *b, struct ssh_keys *keys);

/* Opens the ask in its slot and says so in the action. */
void ask_open(struct ssh_brain *b, struct ask *ask, struct ssh_act *act);
/* Pushes a job as an ask; the job is taken whatever comes. */
int ask_job(struct ssh_brain *b, struct ask *ask, struct ssh_job *job);

/* brain_kexinit.c */
int kex_send_init(struct ssh_brain *b);
int kex_input_init(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len);

/* brain_hostkey.c */
/* Server: the first of our host keys that signs with alg; NULL. */
const struct key *kex_hostkey_for(const struct ssh_brain *b, struct ssh_str alg);
/* Server: has H signed. */
int kex_hostkey_sign(struct ssh_brain *b, struct ssh_job *job);
int kex_signed(struct ssh_brain *b, const uint8_t *sig, size_t len);
/* Client: may the server show this key? Then, that it has signed: is it the server's? */
int kex_hostkey_check(const struct ssh_brain *b, const struct key *host);
int kex_hostkey_ask(struct ssh_brain *b, struct ssh_job *job);
int kex_hostkey_accepted(struct ssh_brain *b);

/* brain_kex.c */
/* What a server says about users' keys; a client's, what it understands. */
int kex_send_ext_info(struct ssh_brain *b);
int kex_input(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len);
int kex_job_done(struct ssh_brain *b, struct ssh_job *job);
void kex_free(struct kex *k);
/* Asks for the ephemeral key of the method, and of the group that was agreed on. */
int kex_start_ephemeral(struct ssh_brain *b);

/* What of H is known from the beginning. */
struct ssh_exchange kex_exchange(const struct ssh_brain *b);
/* A job with everything of x that is known; its signature (or MIC), and data. NULL: no memory. */
struct ssh_job *kex_exchange_job(struct ssh_brain *b, enum ssh_job_kind kind,
				 const struct ssh_exchange *x, struct ssh_str signature,
				 struct ssh_str data);
/* One that knows method and group alone, with room for so much. NULL: no memory. */
struct ssh_job *kex_init_job(struct ssh_brain *b, enum ssh_job_kind kind, size_t room);
/* Are the method's public values numbers? */
bool kex_is_number(const struct kex *k);
void kex_take_result(struct ssh_brain *b, struct ssh_job *job);
int kex_send_newkeys(struct ssh_brain *b);

/* brain_gss.c */
int gss_begin(struct ssh_brain *b); /* client */
/* The names a client's job is given, and the room they take. */
size_t gss_names_len(const struct ssh_brain *b);
void gss_names_keep(const struct ssh_brain *b, struct ssh_job *job);
int gss_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len);
int gss_job_done(struct ssh_brain *b, struct ssh_job *job);

/* brain_gex.c: what comes before INIT in a group exchange */
int gex_begin(struct ssh_brain *b); /* client: REQUEST */
int gex_input_request(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len);
int gex_input_group(struct ssh_brain *b, const uint8_t *body, size_t len);

/* auth_server.c; inputs stand at the message number. */
int auth_server_init(struct ssh_brain *b);
void auth_server_fini(struct ssh_brain *b);
int auth_server_service(struct ssh_brain *b, const uint8_t *p, size_t len);
int auth_server_input(struct ssh_brain *b, const uint8_t *p, size_t len);
/* What a method has the client say behind its request: 61 and above. */
int auth_server_more(struct ssh_brain *b, const uint8_t *p, size_t len);
int auth_server_job_done(struct ssh_brain *b, struct ssh_job *job);
int auth_server_decide(struct ssh_brain *b, const struct ssh_auth_decision *d);
/* For the files of methods: the current request ends so. */
int auth_server_refuse(struct ssh_brain *b);
int auth_server_ask(struct ssh_brain *b);

/* auth_gss.c: gssapi-with-mic and gssapi-keyex, server */
int auth_gss_begin(struct ssh_brain *b, struct ssh_str rest);
int auth_gss_keyex(struct ssh_brain *b, struct ssh_str rest);
int auth_gss_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len);
int auth_gss_job_done(struct ssh_brain *b, struct ssh_job *job);
void auth_gss_drop(struct auth_server *a);

/* auth_gss_client.c */
int auth_gss_client_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len);
int auth_gss_client_job_done(struct ssh_brain *b, struct ssh_job *job);
void auth_gss_client_drop(struct auth_client *a);

/* auth_kbdint.c: keyboard-interactive, both roles */
int auth_kbdint_begin(struct ssh_brain *b, struct ssh_str rest);
int auth_kbdint_prompt(struct ssh_brain *b, const struct ssh_prompts *m);
int auth_kbdint_response(struct ssh_brain *b, const uint8_t *p, size_t len);
void auth_kbdint_drop(struct auth_server *a);
int auth_kbdint_request(struct ssh_brain *b, const uint8_t *p, size_t len);

/* auth_client.c */
int auth_client_init(struct ssh_brain *b, const char *user);
void auth_client_fini(struct ssh_brain *b);
int auth_client_ask(struct ssh_brain *b);   /* for the next method */
int auth_client_begin(struct ssh_brain *b); /* after the first exchange */
int auth_client_ext_info(struct ssh_brain *b, struct ssh_str server_sig_algs);
int auth_client_input(struct ssh_brain *b, const uint8_t *p, size_t len);
bool auth_client_login_open(const struct ssh_brain *b, uint32_t id);
struct ssh_userauth_request auth_client_request(const struct ssh_brain *b, const char *method);
size_t auth_client_request_len(const struct ssh_userauth_request *m);
int auth_client_sent(struct ssh_brain *b, struct ssh_wr *w, enum ssh_auth_method method);
int auth_client_finish(struct ssh_brain *b, int r);
int auth_client_signed(struct ssh_brain *b, int err, const uint8_t *sig, size_t len);

/* brain_conn.c */
int brain_conn_input(struct ssh_brain *b, const uint8_t *p, size_t len);

/* A list of signature algorithms, all of which are known. -ENOMEM, -EINVAL. */
int brain_sig_algs_copy(char **ret, const char *list);
/* After USERAUTH_SUCCESS; both roles. */
int brain_authenticated(struct ssh_brain *b);

#endif
