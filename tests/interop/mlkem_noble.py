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
# Reads a public key, says a ciphertext and the secret.
NODE_SERVER = """
import(process.env.LAB_NPM + '/node_modules/@noble/post-quantum/ml-kem.js').then(({ ml_kem768: kem }) => {
	require('readline').createInterface({ input: process.stdin }).once('line', (line) => {
		const { cipherText, sharedSecret } = kem.encapsulate(Buffer.from(line, 'hex'));
		console.log(Buffer.from(cipherText).toString('hex') + ' ' + Buffer.from(sharedSecret).toString('hex'));
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


def node(program):
    return subprocess.Popen(["node", "-e", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


class Hybrid:
    """Both halves behind each other, their secrets hashed together: a string for the exchange hash."""

    def init(self):
        self.node = node(NODE)
        self.curve = self.half()
        public = bytes.fromhex(self.node.stdout.readline())
        assert len(public) == PUBLIC
        return public + self.curve.init()

    def half(self):
        return X25519() if "25519" in self.names[0] else Nistp256()

    @staticmethod
    def both(kem, curve):
        return pyssh.string(hashlib.sha256(kem + curve).digest())

    def secret(self, theirs):
        said, _ = self.node.communicate(theirs[:CIPHERTEXT].hex() + "\n", timeout=30)
        return self.both(bytes.fromhex(said.strip()), self.curve.exchange(theirs[CIPHERTEXT:]))

    def respond(self, theirs):
        said, _ = node(NODE_SERVER).communicate(theirs[:PUBLIC].hex() + "\n", timeout=30)
        ciphertext, secret = (bytes.fromhex(x) for x in said.split())
        curve = self.half()
        return ciphertext + curve.init(), self.both(secret, curve.exchange(theirs[PUBLIC:]))


def method(name):
    return type("Method", (Hybrid,), {"names": (name,)})
