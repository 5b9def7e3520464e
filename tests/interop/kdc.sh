# tests/interop/kdc.sh - a Kerberos realm of MIT's in a folder; to be sourced behind lib.sh, before the gateway is started.
#
# Gives: make_realm(), which exits when there is no KDC here, with users and hosts in it and a keytab for
# the hosts; and the environment by which everything started later knows it. krb5kdc is to be
# started where 127.0.0.1 is the clients'. Who else may log in as a user stands in krb5/k5login/USER.
export PATH=$PATH:/usr/sbin
have_kdc() {
	local p
	for p in krb5kdc kdb5_util kadmin.local kinit; do
		command -v $p >/dev/null || { echo "$p is not installed"; return 1; }
	done
}

make_realm() { # hosts, then -- and users; all of them have the password "secret"
	local realm=SLUICE.TEST host
	mkdir -p "$LAB_DIR/krb5/k5login"
	cat >"$LAB_DIR/krb5/krb5.conf" <<-END
		[libdefaults]
			default_realm = $realm
			dns_lookup_kdc = false
			dns_lookup_realm = false
			dns_canonicalize_hostname = false
			rdns = false
			default_ccache_name = FILE:$LAB_DIR/krb5/ccache
			default_keytab_name = FILE:$LAB_DIR/krb5/keytab
			k5login_directory = $LAB_DIR/krb5/k5login
		[realms]
			$realm = {
				kdc = 127.0.0.1:8888
			}
		[domain_realm]
			$LAB_GW_OUTSIDE = $realm
	END
	cat >"$LAB_DIR/krb5/kdc.conf" <<-END
		[kdcdefaults]
			kdc_listen = 127.0.0.1:8888
			kdc_tcp_listen = 127.0.0.1:8888
		[realms]
			$realm = {
				database_name = $LAB_DIR/krb5/principal
				key_stash_file = $LAB_DIR/krb5/stash
				max_renewable_life = 1h
			}
	END
	export KRB5_CONFIG=$LAB_DIR/krb5/krb5.conf KRB5_KDC_PROFILE=$LAB_DIR/krb5/kdc.conf
	export KRB5RCACHENAME=dfl:$LAB_DIR/krb5/rcache
	kdb5_util create -s -r $realm -P master >/dev/null 2>&1 || { echo "no realm"; exit 1; }
	{
		while [ "$1" != -- ]; do
			echo "addprinc -randkey host/$1"
			echo "ktadd -k $LAB_DIR/krb5/keytab host/$1"
			shift
		done
		shift
		for user; do echo "addprinc -pw secret $user"; done
	} | kadmin.local >/dev/null 2>&1
	lab_own "$LAB_DIR/krb5/keytab"
}
