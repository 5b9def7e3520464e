#!/bin/bash
# Key files there and back between sluice keygen and the real tools: ssh-keygen, openssl, puttygen,
# and python3-cryptography for what the others do not write. Needs no root.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
sluice=$SLUICE_BUILD/client/sluice
for tool in ssh-keygen openssl puttygen; do
	command -v $tool >/dev/null || { echo "$tool is not there"; exit 77; }
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-keygen.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
umask 077
export LC_ALL=C
failures=0
ok=0

# The type and the blob of a public line are what must be the same.
blob() { cut -d' ' -f1,2; }
same() { # what, expected, got
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		ok=$((ok + 1))
	else
		echo "FAILED: $1: \"${3:0:100}\" instead of \"${2:0:100}\""
		failures=$((failures + 1))
	fi
}
ours() { # file, passphrase: the public half of a private file
	$sluice keygen -y -P "$2" -f "$1" 2>>err </dev/null | blob
}
refused() { # what, command…
	local what=$1
	shift
	if "$@" >out 2>&1 </dev/null; then
		echo "FAILED: $what was not refused"
		failures=$((failures + 1))
	elif grep -qE 'Sanitizer|runtime error' out; then
		cat out
		failures=$((failures + 1))
	else
		ok=$((ok + 1))
	fi
}

# --- keys of each type by ssh-keygen, encrypted with each cipher in turn -------------------
keys='ed25519 p256 p384 p521 rsa dsa'
ssh-keygen -q -t ed25519 -N '' -C 'a comment' -f ed25519
for bits in 256 384 521; do ssh-keygen -q -t ecdsa -b $bits -N '' -C 'a comment' -f p$bits; done
ssh-keygen -q -t rsa -b 2048 -N '' -C 'a comment' -f rsa
ssh-keygen -q -t dsa -N '' -C 'a comment' -f dsa
ciphers=(aes256-ctr aes128-ctr aes256-cbc aes128-gcm@openssh.com chacha20-poly1305@openssh.com
	3des-cbc)
n=0
for k in $keys; do
	public=$(blob <$k.pub)
	cp $k $k.sealed
	ssh-keygen -q -p -P '' -N secret -a 1 -Z "${ciphers[n++]}" -f $k.sealed >/dev/null
	same "$k by ssh-keygen" "$public" "$(ours $k '')"
	same "$k by ssh-keygen, encrypted" "$public" "$(ours $k.sealed secret)"
	same "fingerprint of $k" "$(ssh-keygen -l -E md5 -f $k.pub)" \
		"$($sluice keygen -l -E md5 -f $k)"
	same "picture of $k" "$(ssh-keygen -lv -f $k.pub)" "$($sluice keygen -lv -f $k)"
	# What openssl and ssh-keygen write in PEM.
	for form in PEM PKCS8; do
		[ $k$form = ed25519PEM ] && continue
		cp $k $k.$form
		ssh-keygen -q -p -P '' -N secret -m $form -f $k.$form >/dev/null
		same "$k as $form by ssh-keygen" "$public" "$(ours $k.$form secret)"
	done
	ssh-keygen -e -m RFC4716 -f $k.pub >$k.rfc
	same "$k as RFC 4716 by ssh-keygen" "$public" "$($sluice keygen -i -f $k.rfc | blob)"
	# And back: what ours writes.
	for form in openssh pem pkcs8; do
		# There is no such form, and ssh-keygen before 9.6 does not read that one.
		[ $k$form = ed25519pem ] || [ $k$form = ed25519pkcs8 ] && continue
		$sluice keygen -e --private -m $form -N secret -a 2 -f $k --out $k.our.$form
		same "$k as $form by ours" "$public" \
			"$(ssh-keygen -y -P secret -f $k.our.$form </dev/null 2>&1 | blob)"
	done
	$sluice keygen -e -f $k >$k.our.rfc
	same "$k as RFC 4716 by ours" "$public" "$(ssh-keygen -i -f $k.our.rfc | blob)"
	$sluice keygen -e -m pkcs8 -f $k >$k.our.spki
	same "$k as SubjectPublicKeyInfo" "$public" "$($sluice keygen -i -f $k.our.spki | blob)"
	[ $k = ed25519 ] || same "the same by ssh-keygen" "$public" \
		"$(ssh-keygen -i -m PKCS8 -f $k.our.spki | blob)"
done

# --- PuTTY ---------------------------------------------------------------------------------
cheap=([2]='' [3]=',memory=1024,passes=2')
echo -n secret >pass
puttygen -t ed448 -q -o ed448.ppk --new-passphrase /dev/null -C 'a comment' </dev/null
puttygen ed448.ppk -L >ed448.pub
same 'ed448 by puttygen' "$(blob <ed448.pub)" "$(ours ed448.ppk '')"
for k in $keys; do
	public=$(blob <$k.pub)
	for v in 2 3; do
		puttygen $k -O private -o $k.v$v --ppk-param version=$v${cheap[$v]} --new-passphrase pass \
			2>/dev/null
		same "$k as PPK $v by puttygen" "$public" "$(ours $k.v$v secret)"
		refused "PPK $v with a wrong passphrase" $sluice keygen -y -P wrong -f $k.v$v
	done
	$sluice keygen -e -m ppk -N secret -a 1 -f $k --out $k.our.ppk
	same "$k as PPK by ours" "$public" "$(puttygen $k.our.ppk -L | blob)"
	puttygen $k.our.ppk --old-passphrase pass -O private-openssh-new -o $k.back \
		--new-passphrase /dev/null 2>/dev/null
	same "$k through PPK and back" "$public" "$(ssh-keygen -y -f $k.back 2>&1 | blob)"
done
for kdf in argon2i argon2d argon2id; do
	puttygen p256 -O private -o p256.$kdf --new-passphrase pass \
		--ppk-param version=3,kdf=$kdf,memory=1024,passes=2 2>/dev/null
	same "PPK with $kdf" "$(blob <p256.pub)" "$(ours p256.$kdf secret)"
done
refused 'PPK with a bit of its comment changed' \
	$sluice keygen -y -P secret -f <(sed 's/^Comment: a/Comment: b/' rsa.v3)

# --- openssl: PKCS#8, PKCS#12, PKCS#7, certificates ----------------------------------------
openssl pkcs8 -topk8 -in rsa.PEM -passin pass:secret -passout pass:secret -v1 PBE-MD5-DES \
	-provider legacy -provider default -out old.1 2>/dev/null
openssl pkcs8 -topk8 -in rsa.PEM -passin pass:secret -passout pass:secret -v1 PBE-SHA1-3DES \
	-out old.2
openssl pkcs8 -topk8 -in rsa.PEM -passin pass:secret -passout pass:secret -scrypt -out old.3
openssl rsa -in rsa.PEM -passin pass:secret -passout pass:secret -des -provider legacy \
	-provider default -out old.4 2>/dev/null
openssl rsa -in rsa.PEM -passin pass:secret -passout pass:secret -des -traditional \
	-provider legacy -provider default -out old.6 2>/dev/null
$sluice keygen -e --private -m pkcs8 -N secret -a 2 -f ed25519 --out ed25519.our.pkcs8
same 'ed25519 as PKCS#8 by ours' "$(openssl pkey -in ed25519.our.pkcs8 -passin pass:secret -pubout)" \
	"$($sluice keygen -e -m pkcs8 -f ed25519)"
openssl pkcs8 -topk8 -in rsa.PEM -passin pass:secret -nocrypt -outform DER -out old.5
for i in 1 2 3 4 5 6; do
	same "PEM of kind $i" "$(blob <rsa.pub)" "$(ours old.$i secret)"
done
for k in rsa p256; do
	openssl req -x509 -new -key $k.PKCS8 -passin pass:secret -days 30 -subj "/O=Sluice/CN=$k" \
		-out $k.crt 2>/dev/null
	openssl pkcs12 -export -inkey $k.PKCS8 -in $k.crt -passin pass:secret -passout pass:secret \
		-name "$k" -out $k.p12
	same "$k in PKCS#12" "$(blob <$k.pub)" "$(ours $k.p12 secret)"
	same "$k in a certificate" "$(blob <$k.pub)" "$($sluice keygen -i -f $k.crt | blob)"
	refused 'PKCS#12 with a wrong password' $sluice keygen -y -P wrong -f $k.p12
	same 'PKCS#12 by subject' "$(blob <$k.pub)" \
		"$($sluice keygen -y -P secret -f $k.p12 --subject "CN=$k, O=Sluice" | blob)"
	same 'PKCS#12 by thumbprint' "$(blob <$k.pub)" "$($sluice keygen -y -P secret -f $k.p12 \
		--thumbprint "$(openssl x509 -in $k.crt -noout -fingerprint -sha1 | cut -d= -f2)" | blob)"
	refused 'a subject that is not there' $sluice keygen -y -P secret -f $k.p12 --subject other
	$sluice keygen -e -m pfx -P secret -N secret -a 1000 -f $k.p12 --out $k.our.p12
	same "$k in our PKCS#12" "$(openssl x509 -in $k.crt -noout -fingerprint)" \
		"$(openssl pkcs12 -in $k.our.p12 -passin pass:secret -nokeys |
			openssl x509 -noout -fingerprint)"
done
openssl pkcs12 -export -legacy -inkey rsa.PKCS8 -in rsa.crt -passin pass:secret \
	-passout pass:secret -out rsa.old.p12
same 'PKCS#12 of the RC2 era' "$(blob <rsa.pub)" "$(ours rsa.old.p12 secret)"
openssl crl2pkcs7 -nocrl -certfile rsa.crt -certfile p256.crt -out both.p7b
same 'PKCS#7, by subject' "$(blob <p256.pub)" \
	"$($sluice keygen -i -f both.p7b --subject CN=p256 | blob)"
same 'thumbprint in JSON' "$(openssl x509 -in rsa.crt -noout -fingerprint -sha256 | cut -d= -f2)" \
	"$($sluice keygen -l --json -f rsa.crt | sed -n 's/.*"cert_sha256": "\(.*\)".*/\1/p' |
		tr a-f A-F)"

# --- JWK and XML, by python3-cryptography --------------------------------------------------
if /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then
	/usr/bin/python3 "$top/tests/interop/keyfile_peer.py" $keys || failures=$((failures + 1))
	for f in *.jwk *.xml; do
		same "$f by python" "$(blob <"${f%.*}.pub")" "$(ours $f '')"
	done
	for k in $keys; do
		[ $k = dsa ] || $sluice keygen -e --private -m jwk -f $k --out $k.our.jwk
		[ $k = ed25519 ] || $sluice keygen -e --private -m xml -f $k --out $k.our.xml
	done
	/usr/bin/python3 "$top/tests/interop/keyfile_peer.py" --check $keys || failures=$((failures + 1))
fi

# --- the command itself --------------------------------------------------------------------
declare -A bits=([rsa]="-b 2048" [ecdsa]="-b 521")
for t in ed25519 ecdsa rsa; do
	$sluice keygen -q -t $t ${bits[$t]-} -N secret -a 1 -C "a comment" -f new.$t
	same "a new $t key" "$(blob <new.$t.pub)" "$(ssh-keygen -y -P secret -f new.$t | blob)"
	same 'modes' '600 644' "$(stat -c %a new.$t new.$t.pub | paste -sd' ')"
done
$sluice keygen -q -p -P secret -N other -a 1 -f new.rsa
same 'a new passphrase' "$(blob <new.rsa.pub)" "$(ssh-keygen -y -P other -f new.rsa | blob)"
$sluice keygen -q -c -P other -C 'another one' -a 1 -f new.rsa
same 'a new comment' "$(blob <new.rsa.pub) another one" "$(ssh-keygen -y -P other -f new.rsa)"
chmod 640 new.rsa
refused 'a file that others may read' $sluice keygen -y -P other -f new.rsa
grep -q "Permissions 0640 for 'new.rsa' are too open." out ||
	{ echo 'FAILED: not in the words of OpenSSH'; failures=$((failures + 1)); }
refused 'a file that is there' $sluice keygen -e -f ed25519 --out rsa.pub
printf '\xfe\xed\xfe\xed\0\0\0\2' >store.jks
refused 'a Java key store' $sluice keygen -y -f store.jks
grep -q keytool out || { echo 'FAILED: no hint'; failures=$((failures + 1)); }
mkdir -p prefix/etc/sluice
$sluice keygen -q -A -f prefix
same 'host keys' 'ssh_host_ecdsa_key ssh_host_ed25519_key ssh_host_rsa_key' \
	"$(ls prefix/etc/sluice | grep -v pub | paste -sd' ')"


# --- certificates, revocation lists, moduli --------------------------------------------------
export TZ=UTC
$sluice keygen -q -s ed25519 -I 'id 1' -n alice,bob -V 20260101:20270101 -z 7 -O no-pty \
	-O force-command=/bin/true -O source-address=10.0.0.0/8 p256.pub
same 'what a certificate of ours says' "$(ssh-keygen -L -f p256-cert.pub)" \
	"$($sluice keygen -L -f p256-cert.pub)"
$sluice keygen -q -s rsa -h -I host -n h.example -z 9 -V always:forever p384.pub
same 'and a host' "$(ssh-keygen -L -f p384-cert.pub)" "$($sluice keygen -L -f p384-cert.pub)"
same 'its fingerprint' "$(ssh-keygen -l -f p384-cert.pub)" "$($sluice keygen -l -f p384-cert.pub)"
ssh-keygen -q -s ed25519 -I theirs -n carol -z 8 -V -1d:+1d p521.pub
same "one of ssh-keygen's" "$(ssh-keygen -L -f p521-cert.pub)" \
	"$($sluice keygen -L -f p521-cert.pub)"
refused 'a validity that ends before it begins' \
	$sluice keygen -q -s ed25519 -I x -V 20270101:20260101 dsa.pub
refused 'an option nobody knows' $sluice keygen -q -s ed25519 -I x -O permit-all dsa.pub
printf 'serial: 7-8\nid: other\n' >spec
$sluice keygen -k -f krl -s ed25519.pub -z 3 spec rsa.pub
revoked() { # by whom
	"$@" -Q -f krl p256-cert.pub p521-cert.pub p384-cert.pub rsa.pub dsa.pub 2>&1
}
same 'who is revoked by ours' "$(revoked ssh-keygen)" "$(revoked $sluice keygen)"
ssh-keygen -q -k -f krl -s ed25519.pub spec rsa.pub
same "and by ssh-keygen's list" "$(revoked ssh-keygen)" "$(revoked $sluice keygen)"
$sluice keygen -q -M generate -O bits=512 moduli
ssh-keygen -q -M screen -f moduli moduli.theirs 2>/dev/null
$sluice keygen -q -M screen -f moduli.theirs moduli.ours
same 'a group, screened by ssh-keygen and by ours' "$(cut -d' ' -f5- <moduli)" \
	"$(cut -d' ' -f5- <moduli.ours)"
echo '20261122012940 2 6 64 511 2 A50E5D87EBBB9322D54524B5E9C902B7FFEA8435' >moduli.bad
refused 'a group that is none' $sluice keygen -q -M screen -f moduli.bad moduli.ours

# --- known hosts -------------------------------------------------------------------------------
K=$(blob <ed25519.pub)
cat >known <<END
# a comment

one.example,192.0.2.1 $K me
*.wild.example,!no.wild.example $K
@cert-authority *.ca.example $K
@revoked bad.example $K
[port.example]:2222 $(blob <p256.pub)
One.Example $K second
END
known() { # by whom, options…: what is said and left of it
	local who=$1
	shift
	cp known known.now
	rm -f known.now.old
	if [ "$who" = ours ]; then
		$sluice keygen "$@" -f known.now
	else
		ssh-keygen "$@" -f known.now
	fi >said 2>&1 </dev/null
	echo "$?"
	tr -d '\r' <said
	cat known.now known.now.old 2>/dev/null
}
for o in '-F one.example' '-F ONE.example' '-F no.wild.example' '-F x.wild.example' '-F a.ca.example' \
	'-F bad.example' '-F [port.example]:2222' '-F port.example' '-lF one.example' '-qF one.example' \
	'-l -v -F one.example' '-l -E md5 -F one.example' '-R one.example' '-R 192.0.2.1' '-q -R one.example' \
	'-R a.ca.example' '-R bad.example' '-R none.example'; do
	same "known hosts: $o" "$(known theirs $o)" "$(known ours $o)"
done
salted() { sed -E 's/\|1\|[^ ]*/HASHED/'; }
same 'known hosts: -H' "$(known theirs -H | salted)" "$(known ours -H | salted)"
same 'known hosts: -H -F' "$(known theirs -H -F one.example | salted)" "$(known ours -H -F one.example | salted)"
known ours -H >out
cp known.now hidden
for h in one.example 192.0.2.1 '[port.example]:2222'; do
	same "hidden by ours: $h" "$(ssh-keygen -F "$h" -f hidden)" "$($sluice keygen -F "$h" -f hidden)"
done
refused 'who is not there' $sluice keygen -F two.example -f hidden
same 'hidden by ours and found' 2 "$(ssh-keygen -F one.example -f hidden | grep -c 'found')"
known theirs -H >out
same "hidden by ssh-keygen and removed" 0 "$($sluice keygen -q -R one.example -f known.now >out; ssh-keygen -F one.example -f known.now | grep -c found)"
while read -r line; do
	echo "$line $K" >known
	for o in '-F two.example' '-R two.example' '-R one.example'; do
		same "known hosts: $line: $o" "$(known theirs $o | grep -v 'known_hosts file')" \
			"$(known ours $o | grep -v 'known_hosts file')"
	done
done <<'END'
one.example,
one.example,,two.example
,two.example
@cert two.example
@ two.example
@revoke two.example
@cert-authority two.example
END
echo 'no key here' >>known
cp known known.now
refused 'a file nobody understands' $sluice keygen -R one.example -f known.now
same 'and it stays' "$(cat known)" "$(cat known.now)"
refused 'to find and to remove at once' $sluice keygen -F one.example -R one.example -f known.now
refused 'to remove and to hide at once' $sluice keygen -H -R one.example -f known.now

# --- signatures of files -------------------------------------------------------------------------
printf 'what is signed\n' >message
cat >allowed <<END
# who may sign what
alice@x $(blob <ed25519.pub) alice
bob@x,*@y namespaces="git,file*" $(blob <rsa.pub)
carol@x valid-after="20200101Z",valid-before="20210101Z" $(blob <p256.pub)
*@z cert-authority $(blob <ed25519.pub)
broken line
END
sig() { # by whom, -Y…: what is said, but errors, and whether it did
	local who=$1 r
	shift
	if [ "$who" = ours ]; then
		$sluice keygen -Y "$@" 2>>err
	else
		ssh-keygen -Y "$@" 2>>err
	fi
	r=$?
	[ $r = 0 ] && echo good || echo bad
}
both() { # what, -Y…
	local what=$1
	shift
	same "$what" "$(sig theirs "$@" <message)" "$(sig ours "$@" <message)"
}
for k in ed25519 rsa p256 p384 p521; do
	ssh-keygen -q -Y sign -f $k -n file -O hashalg=sha256 <message >$k.theirs
	$sluice keygen -q -Y sign -f $k -n file message
	mv message.sig $k.ours
	for by in theirs ours; do
		both "$k signed by $by" check-novalidate -n file -s $k.$by
		both "$k signed by $by, in another namespace" check-novalidate -n email -s $k.$by
		both "whose $k of $by is" find-principals -f allowed -s $k.$by
		both "$k of $by at a time" find-principals -f allowed -s $k.$by -O verify-time=20200601
		for w in alice@x bob@x any@y carol@x any@z; do
			both "$k signed by $by as $w" verify -f allowed -I $w -n file -s $k.$by
		done
	done
done
same 'good is what it says' "Good \"file\" signature for alice@x with ED25519 key $(ssh-keygen -lf ed25519.pub | cut -d' ' -f2)
good" "$(sig ours verify -f allowed -I alice@x -n file -s ed25519.ours <message)"
both 'a signature in its time' verify -f allowed -I carol@x -n file -s p256.ours -O verify-time=20200601
both 'and after it' verify -f allowed -I carol@x -n file -s p256.ours -O verify-time=20210101
both 'a namespace that is not allowed' verify -f allowed -I bob@x -n email -s rsa.ours
both 'a key that is shown' verify -f allowed -I alice@x -n file -s ed25519.theirs -O print-pubkey
for w in alice@x any@y nobody@here; do both "lines about $w" match-principals -f allowed -I $w; done
while read -r o; do
	printf '%s\n' "$o $(blob <ed25519.pub)" >lines
	both "the line of \"$o\"" verify -f lines -I alice@x -n file -s ed25519.ours
done <<'END'
"alice@x"
"bob@x,alice@x" namespaces="file"
alice@x namespaces="git",namespaces="file"
alice@x valid-after="20200101",valid-after="20210101"
alice@x valid-before="20990101",valid-before="20980101"
alice@x namespaces="file",
alice@x namespaces=file
"alice@x
END
printf 'another\n' >message
both 'what is no signature' verify -f allowed -I alice@x -n file -s allowed
both 'no signature there' check-novalidate -n file -s none.sig
both 'an option nobody knows' check-novalidate -n file -s ed25519.ours -O shown
both 'another message' verify -f allowed -I alice@x -n file -s ed25519.ours
printf 'what is signed\n' >message
ssh-keygen -q -k -f revoked ed25519.pub
both 'a key that is revoked' verify -f allowed -I alice@x -n file -s ed25519.ours -r revoked
both 'a key that is not' verify -f allowed -I bob@x -n file -s rsa.theirs -r revoked
both 'a list of the revoked that cannot be read' verify -f allowed -I bob@x -n file -s rsa.theirs -r .
refused 'to ask such a list' $sluice keygen -Q -f . rsa.pub
refused 'to make a list of what cannot be read' $sluice keygen -k -f emptied .
cp p384 dave
ssh-keygen -q -s ed25519 -I dave -n dave@z -V -1d:+1d p384.pub
cp p384-cert.pub dave.pub
ssh-keygen -q -Y sign -f dave.pub -n file <message >dave.sig 2>>err
both 'a certificate' verify -f allowed -I dave@z -n file -s dave.sig
both 'a certificate as another' verify -f allowed -I other@z -n file -s dave.sig
both 'a certificate that is shown' verify -f allowed -I dave@z -n file -s dave.sig -O print-pubkey
both 'a certificate whose authority is revoked' verify -f allowed -I dave@z -n file -s dave.sig -r revoked
both 'whose a certificate is' find-principals -f allowed -s dave.sig
refused 'a key of DSA' $sluice keygen -Y sign -f dsa -n file message
refused 'no namespace' $sluice keygen -Y sign -f ed25519 message
refused 'a hash of SHA-1' $sluice keygen -Y sign -f ed25519 -n file -O hashalg=sha1 message
refused 'a public key' $sluice keygen -Y sign -f ed25519.pub -n file message
$sluice keygen -q -Y sign -f ed25519 -n file message
refused 'a signature that is there' $sluice keygen -Y sign -f ed25519 -n file message
refused 'what ssh-keygen has -r for' $sluice keygen -q -r one.example -N '' -f by.r
refused 'a word nobody knows' $sluice keygen -Y whistle -n file -s message.sig

# --- a gateway's host key with options ------------------------------------------------------
echo "HostKey $dir/rsa.p12 format=pfx passphrase-file=$dir/pass subject=CN=rsa" >conf
same 'HostKey of a PKCS#12 file' 0 \
	"$("$SLUICE_BUILD/control/sluice-control" -t -f conf >out 2>&1; echo $?)"
chmod 644 pass
refused 'a passphrase-file that others may read' "$SLUICE_BUILD/control/sluice-control" -t -f conf

grep -E 'Sanitizer|runtime error' err && failures=$((failures + 1))
echo "$ok of $((ok + failures)) as they should be"
[ "$failures" = 0 ]
