/*
 * The table of keywords. A default is written as it would stand in the file and goes through
 * the same parser.
 */
#include <string.h>

#include "conf/internal.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define DATAPLANE(field) .part = PART_DATAPLANE, .at = offsetof(struct conf_dataplane, field)
#define GLOBAL(field)    .part = PART_GLOBAL, .at = offsetof(struct conf_global, field)
#define SESSION(field)   .part = PART_SESSION, .at = offsetof(struct conf_session, field)
#define ALGS(field, names_, what_)                                                                 \
	GLOBAL(field), .type = &type_algs, .names = offsetof(struct conf_algs, names_),            \
		       .what = what_
#define USER_ALGS(field, what_)                                                                    \
	SESSION(field), .type = &type_user_algs, .names = offsetof(struct conf_algs, field),       \
			.what = what_
#define ANY(field) .any = offsetof(struct conf_global, field)

static const struct choice hugepages[] = {
	{"auto", CONF_HUGEPAGES_AUTO},
	{"no", CONF_HUGEPAGES_NO},
	{"require", CONF_HUGEPAGES_REQUIRE},
	{NULL, 0},
};

static const struct choice compressions[] = {
	{"delayed", CONF_COMPRESSION_DELAYED},
	{"yes", CONF_COMPRESSION_DELAYED},
	{"no", CONF_COMPRESSION_NO},
	{NULL, 0},
};

static const struct choice engines[] = {
	{"auto", CONF_ENGINE_AUTO},
	{"ipsec-mb", CONF_ENGINE_IPSEC_MB},
	{"openssl", CONF_ENGINE_OPENSSL},
	{NULL, 0},
};

static const struct choice congestion[] = {
	{"cubic", CONF_CONGESTION_CUBIC},
	{"newreno", CONF_CONGESTION_NEWRENO},
	{NULL, 0},
};

static const struct choice ecn[] = {
	{"on-demand", CONF_ECN_ON_DEMAND},
	{"yes", CONF_ECN_YES},
	{"no", CONF_ECN_NO},
	{NULL, 0},
};

static const struct choice families[] = {
	{"any", CONF_FAMILY_ANY},
	{"inet", CONF_FAMILY_INET},
	{"inet6", CONF_FAMILY_INET6},
	{NULL, 0},
};

static const struct choice strict_kex[] = {
	{"off", CONF_STRICT_KEX_OFF},
	{"on", CONF_STRICT_KEX_ON},
	{"safe", CONF_STRICT_KEX_SAFE},
	{"require", CONF_STRICT_KEX_REQUIRE},
	{"0", CONF_STRICT_KEX_OFF},
	{"1", CONF_STRICT_KEX_ON},
	{"2", CONF_STRICT_KEX_SAFE},
	{"3", CONF_STRICT_KEX_REQUIRE},
	{NULL, 0},
};

static const struct choice forwarding[] = {
	{"yes", CONF_FORWARDING_YES},
	{"all", CONF_FORWARDING_YES},
	{"no", CONF_FORWARDING_NO},
	{"local", CONF_FORWARDING_LOCAL},
	{"remote", CONF_FORWARDING_REMOTE},
	{NULL, 0},
};

static const struct choice gateway_ports[] = {
	{"no", CONF_GATEWAY_NO},
	{"yes", CONF_GATEWAY_YES},
	{"clientspecified", CONF_GATEWAY_CLIENT},
	{NULL, 0},
};

/* What of a session's is not supported may be said to be off. */
static const struct choice only_no[] = {
	{"no", false},
	{NULL, 0},
};

static const struct choice ignore_rhosts[] = {
	{"yes", CONF_RHOSTS_IGNORED},
	{"no", CONF_RHOSTS_READ},
	{"shosts-only", CONF_RHOSTS_SHOSTS},
	{NULL, 0},
};

static const struct choice root_login[] = {
	{"prohibit-password", CONF_ROOT_KEYS},
	{"without-password", CONF_ROOT_KEYS},
	{"forced-commands-only", CONF_ROOT_COMMANDS},
	{"yes", CONF_ROOT_YES},
	{"no", CONF_ROOT_NO},
	{NULL, 0},
};

static const struct choice log_levels[] = {
	{"QUIET", CONF_LOG_QUIET},     {"FATAL", CONF_LOG_FATAL},
	{"ERROR", CONF_LOG_ERROR},     {"INFO", CONF_LOG_INFO},
	{"VERBOSE", CONF_LOG_VERBOSE}, {"DEBUG", CONF_LOG_DEBUG1},
	{"DEBUG1", CONF_LOG_DEBUG1},   {"DEBUG2", CONF_LOG_DEBUG2},
	{"DEBUG3", CONF_LOG_DEBUG3},   {NULL, 0},
};

/* name, default, owner, allowed in Match, repeatable, value, help */
#define INFO(...) .info = {__VA_ARGS__}
#define C         CONF_CONTROL
#define D         CONF_DATAPLANE
#define B         CONF_BOTH

/* clang-format off */
const struct kw conf_kws[] = {
	/* the file itself */
	{INFO("Include", NULL, B, true, true, "PATH…",
	      "reads these files here; globs; relative to the folder of this file"),
	 .special = KW_INCLUDE, .type = &type_topology},
	{INFO("Match", NULL, B, true, true, "CRITERIA…",
	      "what follows holds for connections that meet all of User, Address, LocalAddress, LocalPort, or for All"),
	 .special = KW_MATCH, .type = &type_topology},

	/* the dataplane */
	{INFO("Dataplane", "dp0", D, false, false, "NAME", "name of this dataplane"),
	 DATAPLANE(name), .type = &type_name},
	{INFO("Lcores", "0", D, false, false, "LIST", "cores that run a shard each"),
	 DATAPLANE(lcores), .type = &type_lcores},
	{INFO("Memory", "512M", D, false, false, "SIZE", "packet buffers and all else DPDK holds"),
	 DATAPLANE(memory_mb), .type = &type_memory, .min = 64 * MIB, .max = 1024 * GIB},
	{INFO("Hugepages", "auto", D, false, false, "auto|no|require",
	      "whether Memory is in hugepages; require refuses to start without"),
	 DATAPLANE(hugepages), .type = &type_choice, .choices = hugepages},
	{INFO("Interface", NULL, D, false, true, "NAME DEVICE [vlan=N] [mtu=N]",
	      "a DPDK port: a virtual device with its arguments or a PCI address; or a VLAN on one"),
	 .special = KW_INTERFACE, .part = PART_DATAPLANE, .type = &type_topology},
	{INFO("InterfaceAddress", NULL, D, false, true, "NAME ADDR/LEN", "an address of an Interface"),
	 .special = KW_INTERFACE_ADDRESS, .part = PART_DATAPLANE, .type = &type_topology},
	{INFO("Route", NULL, D, false, true, "PREFIX|default via ADDR",
	      "next hop, in the network of an InterfaceAddress, or a link-local ADDR%NAME"),
	 .special = KW_ROUTE, .part = PART_DATAPLANE, .type = &type_topology},
	{INFO("IdleSleep", "yes", D, false, false, "yes|no", "an idle shard sleeps instead of polling"),
	 DATAPLANE(idle_sleep), .type = &type_yesno},
	{INFO("RxBurst", "32", D, false, false, "N", "packets taken from a port at once"),
	 DATAPLANE(rx_burst), .type = &type_uint, .min = 1, .max = 64},
	{INFO("RxDescriptors", "1024", D, false, false, "N",
	      "length of a receive queue, as near as the device can"),
	 DATAPLANE(rx_descriptors), .type = &type_uint, .min = 32, .max = 32768},
	{INFO("TxDescriptors", "1024", D, false, false, "N",
	      "length of a transmit queue, as near as the device can"),
	 DATAPLANE(tx_descriptors), .type = &type_uint, .min = 32, .max = 32768},
	{INFO("BufferCache", "256", D, false, false, "N", "free buffers a core keeps beside its pool; 0: none"),
	 DATAPLANE(buffer_cache), .type = &type_uint, .max = 512},
	{INFO("CryptoEngine", "auto", D, false, false, "auto|ipsec-mb|openssl", "who ciphers packets"),
	 DATAPLANE(crypto_engine), .type = &type_choice, .choices = engines},
	{INFO("FIPSMode", "no", B, false, false, "yes|no",
	      "all is computed by OpenSSL's FIPS provider, by approved algorithms"),
	 GLOBAL(fips_mode), .type = &type_yesno},
	{INFO("ReassembleFragments", "yes", D, false, false, "yes|no",
	      "IP fragments of TCP segments are put together; no: they are dropped"),
	 DATAPLANE(reassemble_fragments), .type = &type_yesno},
	{INFO("ReceiveBuffer", "auto", D, false, false, "SIZE|auto", "upper bound of a TCP receive window"),
	 DATAPLANE(receive_buffer), .type = &type_size_auto, .min = 4 * KIB, .max = 1 * GIB},
	{INFO("SendBuffer", "auto", D, false, false, "SIZE|auto", "upper bound of what TCP holds unacknowledged"),
	 DATAPLANE(send_buffer), .type = &type_size_auto, .min = 4 * KIB, .max = 1 * GIB},
	{INFO("ReadQuantum", "64K", D, false, false, "SIZE|TIME|0",
	      "what one connection may use each way in a turn of the shard; 0: no limit"),
	 DATAPLANE(read_quantum), .type = &type_quantum, .min = 4 * KIB, .max = 1 * GIB},
	{INFO("TCPUserTimeout", "5m", D, false, false, "TIME",
	      "how long sent bytes may go unacknowledged before the connection is given up"),
	 DATAPLANE(tcp_user_timeout_ms), .type = &type_time, .min = 1000},
	{INFO("TCPHalfOpen", "1024", D, false, false, "N",
	      "half-open connections of a listener; beyond them SYNs are answered by cookies"),
	 DATAPLANE(tcp_half_open), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("TCPSourceHalfOpen", "32", D, false, false, "N",
	      "half-open connections of one source; beyond them SYNs are answered by cookies"),
	 DATAPLANE(tcp_source_half_open), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("TCPSourceConnections", "0", D, false, false, "N",
	      "accepted connections of one source, half-open ones included; 0: no limit"),
	 DATAPLANE(tcp_source_connections), .type = &type_uint, .max = 10000000},
	{INFO("TCPSourceSynRate", "10000", D, false, false, "N",
	      "SYNs of one source that are answered in a second"),
	 DATAPLANE(tcp_source_syn_rate), .type = &type_uint, .min = 1, .max = 65535},
	{INFO("TCPResetRate", "1000", D, false, false, "N",
	      "resets in a second in answer to what belongs to no connection"),
	 DATAPLANE(tcp_reset_rate), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("TCPMinMSS", "536", D, false, false, "N",
	      "a peer that offers a smaller MSS is sent segments of this size"),
	 DATAPLANE(tcp_min_mss), .type = &type_uint, .min = 64, .max = 1220},
	{INFO("TCPCongestionControl", "cubic", D, false, false, "cubic|newreno",
	      "how the congestion window grows and shrinks"),
	 DATAPLANE(tcp_congestion), .type = &type_choice, .choices = congestion},
	{INFO("TCPECN", "on-demand", D, false, false, "on-demand|yes|no",
	      "marks of routers instead of losses: for peers that ask; asked for, too; never"),
	 DATAPLANE(tcp_ecn), .type = &type_choice, .choices = ecn},
	{INFO("TCPPacing", "yes", D, false, false, "yes|no",
	      "a window leaves over the round trip, not in one burst"),
	 DATAPLANE(tcp_pacing), .type = &type_yesno},
	{INFO("TCPKeepAlive", "yes", D, false, false, "yes|no", "TCP keep-alive probes"),
	 DATAPLANE(tcp_keepalive), .type = &type_yesno},
	{INFO("TCPKeepAliveTime", "2h", D, false, false, "TIME", "idle time before the first probe"),
	 DATAPLANE(tcp_keepalive_time_ms), .type = &type_time, .min = 1},
	{INFO("TCPKeepAliveInterval", "75s", D, false, false, "TIME", "time between probes"),
	 DATAPLANE(tcp_keepalive_interval_ms), .type = &type_time, .min = 1},
	{INFO("TCPKeepAliveCount", "9", D, false, false, "N", "probes without answer before the peer is dead"),
	 DATAPLANE(tcp_keepalive_count), .type = &type_uint, .min = 1, .max = 255},
	{INFO("MaxConnections", "100000", D, false, false, "N", "connections a shard can hold"),
	 DATAPLANE(max_connections), .type = &type_uint, .min = 1, .max = 10000000},
	{INFO("MaxHostStreams", "8192", D, false, false, "N",
	      "programs and sockets of the gateway's own kernel that channels lead to"),
	 DATAPLANE(max_host_streams), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("MaxChannels", "65536", D, false, false, "N", "channels a shard can hold"),
	 DATAPLANE(max_channels), .type = &type_uint, .min = 1, .max = 10000000},
	{INFO("AuditBacklog", "65536", D, false, false, "N", "ends a shard keeps until control acknowledges them"),
	 DATAPLANE(audit_backlog), .type = &type_uint, .min = 1, .max = 10000000},
	{INFO("ControlWait", "10", D, false, false, "TIME", "how long a shard holds what needs control without one"),
	 DATAPLANE(control_wait_ms), .type = &type_time},
	{INFO("CompressionMemory", "64M", D, false, false, "SIZE", "for compressed connections; where it ends none is offered"),
	 DATAPLANE(compression_memory), .type = &type_size, .min = 0, .max = 64 * GIB},

	/* listeners and identity */
	{INFO("Port", "22", C, false, true, "N", "port of every ListenAddress that has none"),
	 .special = KW_PORT, .part = PART_GLOBAL, .type = &type_topology},
	{INFO("ListenAddress", NULL, C, false, true, "ADDR[:PORT]",
	      "where to listen; without it on every InterfaceAddress"),
	 .special = KW_LISTEN_ADDRESS, .part = PART_GLOBAL, .type = &type_topology},
	{INFO("AddressFamily", "any", C, false, false, "any|inet|inet6", "of what is listened on"),
	 GLOBAL(address_family), .type = &type_choice, .choices = families},
	{INFO("ListenExclusive", "yes", C, false, false, "yes|no",
	      "whether an address that is given twice is refused"),
	 GLOBAL(listen_exclusive), .type = &type_yesno},
	{INFO("ListenBacklog", "4096", C, false, false, "N", "connections that wait for control per listener"),
	 GLOBAL(listen_backlog), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("HostKey", NULL, C, false, true,
	      "PATH [format=NAME] [passphrase-file=PATH] [subject=NAME] [thumbprint=HEX]",
	      "private host key"),
	 GLOBAL(host_keys), .type = &type_host_keys},
	{INFO("HostCertificate", NULL, C, false, true, "PATH",
	      "certificate of one of the host keys, as ssh-keygen -h -s makes it, or a chain of X.509"),
	 GLOBAL(host_certificates), .type = &type_paths},
	{INFO("HostKeyAgent", "none", C, false, false, "PATH | SSH_AUTH_SOCK | none",
	      "socket of the agent that keeps private halves of host keys"),
	 GLOBAL(host_key_agent), .type = &type_path},
	{INFO("VersionString", "SSH-2.0-Sluice_" SLUICE_VERSION, C, false, false, "SSH-2.0-…",
	      "identification string"),
	 GLOBAL(version_string), .type = &type_version},
	{INFO("VersionAddendum", "none", C, false, false, "TEXT|none", "appended to VersionString"),
	 GLOBAL(version_addendum), .type = &type_addendum},

	{INFO("VersionPattern", "*SSH-1.99-*,*SSH-2.0-*", C, false, false, "GLOB,…",
	      "identification of a client: one must fit"),
	 GLOBAL(version_pattern), .type = &type_globs},
	{INFO("HandshakeTimeout", "20", C, false, false, "TIME",
	      "silence before authentication, while it is the client's turn; 0: no limit"),
	 GLOBAL(handshake_timeout_ms), .type = &type_time},

	/* algorithms */
	{INFO("StrictKex", "on", C, false, false, "off|on|safe|require",
	      "strict key exchange: never, when both can, also by choice of cipher, or not without"),
	 GLOBAL(strict_kex), .type = &type_choice, .choices = strict_kex},
	{INFO("KexAlgorithms", NULL, C, false, false, "[+-^]LIST", "key exchange methods"),
	 ALGS(kex, kex, "SSH2 KexAlgorithms")},
	{INFO("ModuliFile", "/etc/ssh/moduli", C, false, false, "PATH|none",
	      "groups for diffie-hellman-group-exchange; without it those of RFC 3526"),
	 GLOBAL(moduli_file), .type = &type_path},
	{INFO("DHGroupExchangeBits", "2048:3072:8192", C, false, false, "MIN:PREFERRED:MAX",
	      "sizes of groups given to clients that ask for one"),
	 GLOBAL(gex_min), .type = &type_gex_bits},
	{INFO("GSSAPIKeyExchange", "no", C, false, false, "yes|no",
	      "key exchange that Kerberos authenticates, before those of KexAlgorithms"),
	 GLOBAL(gssapi_kex), .type = &type_yesno},
	{INFO("GSSAPIKexAlgorithms", NULL, C, false, false, "[+-^]LIST", "methods of GSSAPIKeyExchange"),
	 ALGS(gss_kex, gss_kex, "GSSAPI KEX algorithms")},
	{INFO("GSSAPIStrictAcceptorCheck", "yes", C, false, false, "yes|no",
	      "whether clients must have asked for host@ and our name, not any key of the keytab"),
	 GLOBAL(gssapi_strict), .type = &type_yesno},
	{INFO("HostKeyAlgorithms", NULL, C, false, false, "[+-^]LIST", "signature algorithms of host keys"),
	 ALGS(hostkey_algorithms, hostkey, "key types")},
	{INFO("Ciphers", NULL, C, false, false, "[+-^]LIST", "packet ciphers"),
	 ALGS(ciphers, ciphers, "SSH2 ciphers")},
	{INFO("MACs", NULL, C, false, false, "[+-^]LIST", "packet authentication for ciphers without"),
	 ALGS(macs, macs, "SSH2 MAC spec")},
	{INFO("CompressionAlgorithms", NULL, C, false, false, "[+-^]LIST", "compression of packets; goes before Compression"),
	 ALGS(compression_algorithms, comp, "compression algorithms")},
	{INFO("Compression", "delayed", C, false, false, "yes|delayed|no", "no: packets are not compressed"),
	 GLOBAL(compression), .type = &type_choice, .choices = compressions},
	{INFO("PubkeyAcceptedAlgorithms", NULL, C, true, false, "[+-^]LIST",
	      "signature algorithms of users' keys"),
	 USER_ALGS(pubkey_accepted, "key types"), ANY(pubkey_accepted_any)},
	{INFO("HostbasedAcceptedAlgorithms", NULL, C, true, false, "[+-^]LIST",
	      "signature algorithms of hosts that vouch for their users"),
	 USER_ALGS(hostbased_accepted, "key types"), ANY(hostbased_accepted_any)},
	{INFO("CASignatureAlgorithms", NULL, C, true, false, "[+-^]LIST",
	      "signature algorithms of authorities that certify users"),
	 USER_ALGS(ca_signature, "key types")},
	{INFO("RekeyLimit", "default none", C, true, false, "default|SIZE [none|TIME]",
	      "new keys after this much or this long; default is the cipher's own limit, never passed"),
	 SESSION(rekey_bytes), .type = &type_rekey, .min = 16},

	/* authentication */
	{INFO("LoginGraceTime", "120", C, true, false, "TIME", "for authentication, and for a rekey; 0: no limit"),
	 SESSION(login_grace_time_ms), .type = &type_time},
	{INFO("MaxStartups", "10:30:100", C, false, false, "START:RATE:FULL",
	      "unauthenticated connections: from START refuse RATE percent, at FULL all"),
	 GLOBAL(startups_begin), .type = &type_startups},
	{INFO("PerSourceMaxStartups", "none", C, false, false, "N|none",
	      "unauthenticated connections of one source"),
	 GLOBAL(per_source_startups), .type = &type_source_max},
	{INFO("PerSourceMaxHelperJobs", "8", C, false, false, "N",
	      "jobs of sluice-helper at once for one source: passwords by PAM, programs, files of homes"),
	 GLOBAL(per_source_helper_jobs), .type = &type_uint, .min = 1, .max = 64},
	{INFO("PerSourceNetBlockSize", "32:128", C, false, false, "BITS4[:BITS6]",
	      "how much of an address is a source"),
	 GLOBAL(source_bits4), .type = &type_net_block},
	{INFO("PerSourcePenalties", "yes", C, false, false, "yes|no|OFFENCE:TIME…",
	      "sources that misbehave are refused for a while"),
	 GLOBAL(penalties), .type = &type_penalties},
	{INFO("PerSourcePenaltyExemptList", NULL, C, false, false, "LIST",
	      "addresses, prefixes and patterns of sources that are never penalised"),
	 GLOBAL(penalty_exempt), .type = &type_addr_list},
	{INFO("RefuseConnection", "no", C, true, false, "yes|no",
	      "ends the connection before anything is tried; for Match"),
	 SESSION(refuse_connection), .type = &type_yesno},
	{INFO("MaxAuthTries", "6", C, true, false, "N", "failed attempts before disconnect"),
	 SESSION(max_auth_tries), .type = &type_uint, .min = 1, .max = 1000},
	{INFO("GSSAPIAuthentication", "no", C, true, false, "yes|no",
	      "methods gssapi-with-mic and, after GSSAPIKeyExchange, gssapi-keyex"),
	 SESSION(gssapi_authentication), .type = &type_yesno},
	{INFO("PubkeyAuthentication", "yes", C, true, false, "yes|no", "method publickey"),
	 SESSION(pubkey_authentication), .type = &type_yesno},
	{INFO("HostbasedAuthentication", "no", C, true, false, "yes|no",
	      "method hostbased: hosts in known_hosts vouch for users of shosts.equiv and ~/.shosts"),
	 SESSION(hostbased_authentication), .type = &type_yesno},
	{INFO("HostbasedUsesNameFromPacketOnly", "no", C, true, false, "yes|no",
	      "which host it is says the client, whatever its address"),
	 SESSION(hostbased_packet_name), .type = &type_yesno},
	{INFO("IgnoreRhosts", "yes", C, true, false, "yes|no|shosts-only",
	      "whether ~/.rhosts and ~/.shosts are not read"),
	 SESSION(ignore_rhosts), .type = &type_choice, .choices = ignore_rhosts},
	{INFO("IgnoreUserKnownHosts", "no", C, false, false, "yes|no",
	      "whether ~/.ssh/known_hosts is not read for HostbasedAuthentication"),
	 GLOBAL(ignore_user_known_hosts), .type = &type_yesno},
	{INFO("UseDNS", "no", C, false, false, "yes|no",
	      "clients have a name: that of their address, if it leads back to it"),
	 GLOBAL(use_dns), .type = &type_yesno},
	{INFO("AuthorizedKeysFile", "/etc/sluice/authorized_keys/%u", C, true, false, "PATH…|none",
	      "users' keys; %u user, %h home, %% percent"),
	 SESSION(authorized_keys_files), .type = &type_key_files},
	{INFO("TrustedUserCAKeys", "none", C, true, false, "PATH|none",
	      "keys of authorities whose certificates let in, one a line"),
	 SESSION(trusted_user_ca_keys), .type = &type_path},
	{INFO("X509TrustAnchors", "none", C, false, false, "PATH|none",
	      "roots, in PEM, whose X.509 certificates let in"),
	 GLOBAL(x509_trust_anchors), .type = &type_path},
	{INFO("X509RevocationFile", "none", C, false, false, "PATH|none",
	      "revocation lists, in PEM; given, each authority must have a current one"),
	 GLOBAL(x509_revocation_file), .type = &type_path},
	{INFO("AuthorizedPrincipalsFile", "none", C, true, false, "PATH|none",
	      "names of which a certificate must have one, in place of the user's; %u, %h, %%"),
	 SESSION(authorized_principals_file), .type = &type_path},
	{INFO("RevokedKeys", "none", C, true, false, "PATH|none",
	      "keys and certificates that let nobody in: a KRL or one key a line"),
	 SESSION(revoked_keys), .type = &type_path},
	{INFO("PubkeyAuthOptions", "none", C, true, false, "none|touch-required|verify-required…",
	      "what security keys must show, whatever their lines and certificates say"),
	 SESSION(pubkey_options), .type = &type_pubkey_options},
	{INFO("RequiredRSASize", "2048", C, true, false, "BITS",
	      "shorter RSA keys of users and authorities are refused; below 2048 all are"),
	 SESSION(required_rsa_size), .type = &type_uint, .min = 1024, .max = 16384},
	{INFO("AuthorizedPrincipalsCommand", "none", C, true, false, "PROGRAM ARGUMENT…|none",
	      "writes lines as an AuthorizedPrincipalsFile has them; run through sluice-helper"),
	 SESSION(authorized_principals_command), .type = &type_cert_command},
	{INFO("AuthorizedPrincipalsCommandUser", "none", C, true, false, "USER|none", "whom it runs as"),
	 SESSION(authorized_principals_command_user), .type = &type_path},
	{INFO("AuthorizedKeysCommand", "none", C, true, false, "PROGRAM ARGUMENT…|none",
	      "writes lines as an AuthorizedKeysFile has them; run through sluice-helper"),
	 SESSION(authorized_keys_command), .type = &type_command},
	{INFO("AuthorizedKeysCommandUser", "none", C, true, false, "USER|none", "whom it runs as"),
	 SESSION(authorized_keys_command_user), .type = &type_path},
	{INFO("StrictModes", "yes", C, false, false, "yes|no", "refuse files that others may write"),
	 GLOBAL(strict_modes), .type = &type_yesno},
	{INFO("PasswordAuthentication", "yes", C, true, false, "yes|no", "method password"),
	 SESSION(password_authentication), .type = &type_yesno},
	{INFO("PasswordHashFile", "none", C, true, false, "PATH|none", "lines user:hash, hash as crypt(3) makes it"),
	 SESSION(password_hash_file), .type = &type_path},
	{INFO("PermitEmptyPasswords", "no", C, true, false, "yes|no", "an empty password is one"),
	 SESSION(permit_empty_passwords), .type = &type_yesno},
	{INFO("KbdInteractiveAuthentication", "yes", C, true, false, "yes|no", "method keyboard-interactive, where something answers it"),
	 SESSION(kbdint_authentication), .type = &type_yesno},
	{INFO("KbdInteractiveName", NULL, C, true, false, "TEXT", "title of its questions"),
	 SESSION(kbdint_name), .type = &type_text},
	{INFO("KbdInteractiveInstruction", NULL, C, true, false, "TEXT", "shown above its questions"),
	 SESSION(kbdint_instruction), .type = &type_text},
	{INFO("KbdInteractivePrompt", NULL, C, true, true, "\"TEXT\" echo|noecho",
	      "its questions: the first for the password, the second for the time-based code; without: Password:"),
	 SESSION(kbdint_prompts), .type = &type_prompts},
	{INFO("TOTPSecretFile", "none", C, true, false, "PATH|none", "lines user:base32 [digits [step]]; mode 0600"),
	 SESSION(totp_secret_file), .type = &type_path},
	{INFO("TOTPStateFile", "/var/lib/sluice/totp", C, true, false, "PATH", "which codes were used, so that none is twice"),
	 SESSION(totp_state_file), .type = &type_path},
	{INFO("TOTPWindow", "1", C, true, false, "N", "time steps a clock may be wrong, either way"),
	 SESSION(totp_window), .type = &type_uint, .max = 10},
	{INFO("UsePAM", "no", C, true, false, "yes|no", "passwords and questions are PAM's, through sluice-helper"),
	 SESSION(use_pam), .type = &type_yesno},
	{INFO("PAMServiceName", "sluice", C, true, false, "NAME", "file of /etc/pam.d"),
	 SESSION(pam_service_name), .type = &type_file_name},
	{INFO("AuthenticationMethods", "any", C, true, false, "METHOD[:DEVICE][,METHOD…]…|any",
	      "lists of methods, one of which must succeed from the first to the last"),
	 SESSION(authentication_methods), .type = &type_chains},
	{INFO("EndExpiredSessions", "no", C, true, false, "yes|no",
	      "who came in by a key, certificate or account that is over by now, or revoked, goes"),
	 SESSION(end_expired_sessions), .type = &type_yesno},
	{INFO("PermitRootLogin", "prohibit-password", C, true, false, "yes|prohibit-password|forced-commands-only|no",
	      "how root may log in"),
	 SESSION(permit_root_login), .type = &type_choice, .choices = root_login},
	{INFO("Banner", "none", C, true, false, "PATH|none", "text shown before authentication"),
	 SESSION(banner), .type = &type_path},
	{INFO("ReportSignatureStatus", "no", C, true, false, "yes|no", "a log line for each signature of a user's key: good or bad"),
	 SESSION(report_signature_status), .type = &type_yesno},
	{INFO("DenyUsers", NULL, C, true, true, "PATTERN…", "user or user@host; goes before AllowUsers"),
	 SESSION(deny_users), .type = &type_users},
	{INFO("AllowUsers", NULL, C, true, true, "PATTERN…", "user or user@host; if given, nobody else"),
	 SESSION(allow_users), .type = &type_users},

	{INFO("DenyGroups", NULL, C, true, true, "PATTERN…", "groups nobody of may log in; goes before AllowGroups"),
	 SESSION(deny_groups), .type = &type_groups},
	{INFO("AllowGroups", NULL, C, true, true, "PATTERN…", "groups; if given, only who is in one"),
	 SESSION(allow_groups), .type = &type_groups},

	/* what a session may do */
	{INFO("AllowTcpForwarding", "yes", C, true, false, "yes|no|local|remote",
	      "direct-tcpip (local), tcpip-forward (remote), both or none"),
	 SESSION(allow_tcp_forwarding), .type = &type_choice, .choices = forwarding},
	{INFO("DisableForwarding", "no", C, true, false, "yes|no", "no forwarding of any kind, whatever else says"),
	 SESSION(disable_forwarding), .type = &type_yesno},
	{INFO("PermitOpen", "any", C, true, false, "HOST:PORT…|any|none", "targets of direct-tcpip; * for either"),
	 SESSION(permit_open), .type = &type_permitopen},
	{INFO("AllowStreamLocalForwarding", "yes", C, true, false, "yes|no|local",
	      "direct-streamlocal@openssh.com, where PermitStreamLocal names the socket"),
	 SESSION(allow_streamlocal_forwarding), .type = &type_choice, .choices = forwarding},
	{INFO("PermitStreamLocal", "none", C, true, false, "PATH…|none",
	      "UNIX sockets that direct-streamlocal@openssh.com may lead to; patterns"),
	 SESSION(permit_streamlocal), .type = &type_permitstreamlocal},
	{INFO("GatewayPorts", "no", C, true, false, "no|yes|clientspecified",
	      "where clients may have us listen: on loopback, on every address, or where they say"),
	 SESSION(gateway_ports), .type = &type_choice, .choices = gateway_ports},
	{INFO("PermitListen", "any", C, true, false, "[HOST:]PORT…|any|none", "what clients may have us listen on"),
	 SESSION(permit_listen), .type = &type_permitlisten},
	{INFO("MaxListenersPerConnection", "64", C, true, false, "N", "listeners one connection may have"),
	 SESSION(max_listeners_per_connection), .type = &type_uint, .min = 1, .max = 4096},
	{INFO("MaxListenersPerUser", "256", C, true, false, "N", "listeners of one user"),
	 SESSION(max_listeners_per_user), .type = &type_uint, .min = 1, .max = 4096},
	{INFO("MaxListenersPerSource", "256", C, true, false, "N", "listeners of connections from one address"),
	 SESSION(max_listeners_per_source), .type = &type_uint, .min = 1, .max = 4096},
	{INFO("MaxListeners", "4096", C, false, false, "N", "listeners of all connections"),
	 GLOBAL(max_listeners), .type = &type_uint, .min = 1, .max = 4096},
	{INFO("RetryAfter", "0", C, false, false, "TIME",
	      "how long clients are asked to stay away when the gateway shuts down; 0: nothing is said"),
	 GLOBAL(retry_after_ms), .type = &type_time},
	{INFO("MaxChannelsPerConnection", "1024", C, true, false, "N", "channels open at once"),
	 SESSION(max_channels_per_connection), .type = &type_uint, .min = 1, .max = 65536},
	{INFO("MaxConnectingPerUser", "1024", C, true, false, "N",
	      "opens of one user whose target has not answered yet"),
	 SESSION(max_connecting_per_user), .type = &type_uint, .min = 1, .max = 1000000},
	{INFO("MaxConnecting", "8192", C, false, false, "N",
	      "opens of all users whose target has not answered yet"),
	 GLOBAL(max_connecting), .type = &type_uint, .min = 1, .max = 10000000},
	{INFO("ChannelWindow", "auto", C, true, false, "SIZE|auto", "window granted per channel; auto grows with the path, to 15M at most"),
	 SESSION(channel_window), .type = &type_window, .min = 32 * KIB, .max = 15 * MIB},
	{INFO("ChannelMaxPacket", "32K", C, true, false, "SIZE", "largest data message the peer may send"),
	 SESSION(channel_max_packet), .type = &type_size, .min = 1 * KIB, .max = 128 * KIB},
	{INFO("TCPNoDelay", "yes", C, true, false, "yes|no",
	      "small segments to the client go at once; no: Nagle's algorithm, from the login on"),
	 SESSION(tcp_nodelay), .type = &type_yesno},
	{INFO("ClientAliveInterval", "0", C, true, false, "TIME", "silence before a keep-alive; 0: none"),
	 SESSION(client_alive_interval_ms), .type = &type_time},
	{INFO("ClientAliveCountMax", "3", C, true, false, "N", "keep-alives unanswered before the end; 0: never"),
	 SESSION(client_alive_count_max), .type = &type_uint, .max = INT32_MAX},
	{INFO("IdleTimeout", "0", C, true, false, "TIME", "end of a connection without traffic; 0: never"),
	 SESSION(idle_timeout_ms), .type = &type_time},
	{INFO("OperationTimeout", "60", C, true, false, "TIME|none", "for a connect to a target"),
	 SESSION(operation_timeout_ms), .type = &type_time_none},
	{INFO("OpenGrantTime", "60", C, true, false, "TIME",
	      "a target that was allowed twice is opened without asking for so long; 0: never"),
	 SESSION(open_grant_ms), .type = &type_time},

	/* sessions */
	{INFO("PermitSession", "no", C, true, false, "yes|no",
	      "session channels: a shell, commands, subsystems, run by sluice-helper"),
	 SESSION(permit_session), .type = &type_yesno},
	{INFO("MaxSessions", "10", C, true, false, "N", "session channels of a connection open at once; 0: none"),
	 SESSION(max_sessions), .type = &type_uint, .max = 65536},
	{INFO("PermitTTY", "yes", C, true, false, "yes|no", "a session may have a terminal"),
	 SESSION(permit_tty), .type = &type_yesno},
	{INFO("ForceCommand", "none", C, true, false, "COMMAND|none",
	      "runs in place of what a session asks for, which is in SSH_ORIGINAL_COMMAND"),
	 SESSION(force_command), .type = &type_line},
	{INFO("ChrootDirectory", "none", C, true, false, "PATH|none",
	      "root of a session's program; root's, and written by nobody else; %u, %h, %%"),
	 SESSION(chroot_directory), .type = &type_chroot},
	{INFO("AcceptEnv", NULL, C, true, true, "PATTERN…", "variables a client may give its sessions"),
	 SESSION(accept_env), .type = &type_env_patterns},
	{INFO("SetEnv", NULL, C, true, false, "NAME=VALUE…", "variables of sessions"),
	 SESSION(set_env), .type = &type_setenv},
	{INFO("Subsystem", NULL, C, true, true, "NAME COMMAND", "what a session runs for a subsystem of this name"),
	 SESSION(subsystems), .type = &type_subsystem},
	{INFO("AllowAgentForwarding", "no", C, true, false, "no", "agent forwarding is not supported"),
	 SESSION(agent_forwarding), .type = &type_choice, .choices = only_no},
	{INFO("X11Forwarding", "no", C, true, false, "no", "X11 forwarding is not supported"),
	 SESSION(x11_forwarding), .type = &type_choice, .choices = only_no},

	/* control and its dataplanes */
	{INFO("LogLevel", "INFO", C, true, false, "LEVEL", "QUIET FATAL ERROR INFO VERBOSE DEBUG1 DEBUG2 DEBUG3"),
	 SESSION(log_level), .type = &type_choice, .choices = log_levels},
	{INFO("SlowPathRate", "1000", C, false, false, "N",
	      "payloads a second a connection may give control; 0: no limit"),
	 GLOBAL(slow_path_rate), .type = &type_uint, .max = 10000000},
};
/* clang-format on */

const size_t conf_n_kws = sizeof(conf_kws) / sizeof(conf_kws[0]);

/* Keywords of sshd_config(5), with its patched and former ones, and our own of later versions. */
static const char *const unsupported[] = {
	"AFSTokenPassing",
	"AllowClients",
	"AuditFailure",
	"AuthorizedKeysFile2",
	"ChannelHandler",
	"ChannelTimeout",
	"CheckMail",
	"DebianBanner",
	"DenyClients",
	"DSAAuthentication",
	"ExposeAuthInfo",
	"FingerprintHash",
	"GSSAPICleanupCredentials",
	"GSSAPIDelegateCredentials",
	"GSSAPIStoreCredentialsOnRekey",
	"HostDSAKey",
	"IPQoS",
	"KeepAlive",
	"KerberosAuthentication",
	"KerberosGetAFSToken",
	"KerberosOrLocalPasswd",
	"KerberosTgtPassing",
	"KerberosTicketCleanup",
	"KeyRegenerationInterval",
	"LogMaskSecrets",
	"LogVerbose",
	"PAMAuthenticationViaKbdInt",
	"PermitTunnel",
	"PermitUserEnvironment",
	"PermitUserRC",
	"PidFile",
	"PolicyHook",
	"PrintLastLog",
	"PrintMotd",
	"Protocol",
	"RDomain",
	"ReverseMappingCheck",
	"RhostsAuthentication",
	"RhostsRSAAuthentication",
	"RSAAuthentication",
	"SecurityKeyProvider",
	"ServerKeyBits",
	"SshdAuthPath",
	"SshdSessionPath",
	"StreamLocalBindMask",
	"StreamLocalBindUnlink",
	"SyslogFacility",
	"UnusedConnectionTimeout",
	"UseLogin",
	"UsePrivilegeSeparation",
	"VerifyReverseMapping",
	"X11DisplayOffset",
	"X11MaxDisplays",
	"X11UseLocalhost",
	"XAuthLocation",
};

/* Other names of the same, deprecated by sshd and read by it. */
static const struct {
	const char *other, *name;
} aliases[] = {
	{"ChallengeResponseAuthentication", "KbdInteractiveAuthentication"},
	{"HostbasedAcceptedKeyTypes", "HostbasedAcceptedAlgorithms"},
	{"PubkeyAcceptedKeyTypes", "PubkeyAcceptedAlgorithms"},
	{"SkeyAuthentication", "KbdInteractiveAuthentication"},
};

const struct kw *kw_find(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcasecmp(aliases[i].other, name) == 0)
			name = aliases[i].name;
	}
	for (size_t i = 0; i < conf_n_kws; i++) {
		if (strcasecmp(conf_kws[i].info.name, name) == 0)
			return &conf_kws[i];
	}
	return NULL;
}

const struct kw *kw_of(enum kw_special special)
{
	size_t i = 0;

	while (conf_kws[i].special != special)
		i++;
	return &conf_kws[i];
}

bool kw_unsupported(const char *name)
{
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		if (strcasecmp(unsupported[i], name) == 0)
			return true;
	}
	return false;
}

const struct conf_keyword_info *conf_keyword_at(size_t i)
{
	return i < conf_n_kws ? &conf_kws[i].info : NULL;
}
