"""Key exchanges with ML-KEM-768 for pyssh.py, by npm's @noble/post-quantum in a node of its own (LAB_NPM: where it is)."""
import hashlib
import os
import subprocess

import pyssh
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PUBLIC, CIPHERTEXT = 1184, 1088  # FIPS 203, table 3
# Says a public key, reads a ciphertext, says the secret: lines of hexadecimal.
NODE = """
import(process.env.LAB_NPM + '/node_modules/@noble/post-quantum/ml-kem.js').then(({ ml_kem768: kem }) => {
	const pair = kem.keygen();
	const say = (b) => console.log(Buffer.from(b).toString('hex'));
	say(pair.publicKey);
	require('readline').createInterface({ input: process.stdin }).once('line', (line) => {
		say(kem.decapsulate(Buffer.from(line, 'hex'), pair.secretKey));
		process.exit(0);
	});
});
"""


class Nistp256:
    """The half of elliptic curves of mlkem768nistp256-sha256; the other has pyssh's."""

    def init(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        return self.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

    def exchange(self, theirs):
        return self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))


class X25519(pyssh.Curve25519):
    def exchange(self, theirs):
        return self.key.exchange(pyssh.x25519.X25519PublicKey.from_public_bytes(theirs))


class Hybrid:
    """Both halves behind each other, their secrets hashed together: a string for the exchange hash."""

    def init(self):
        self.node = subprocess.Popen(["node", "-e", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        self.curve = X25519() if "25519" in self.names[0] else Nistp256()
        public = bytes.fromhex(self.node.stdout.readline())
        assert len(public) == PUBLIC
        return public + self.curve.init()

    def secret(self, theirs):
        said, _ = self.node.communicate(theirs[:CIPHERTEXT].hex() + "\n", timeout=30)
        return pyssh.string(hashlib.sha256(bytes.fromhex(said.strip()) + self.curve.exchange(theirs[CIPHERTEXT:])).digest())


def method(name):
    return type("Method", (Hybrid,), {"names": (name,)})
