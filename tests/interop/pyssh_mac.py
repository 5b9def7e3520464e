"""For pyssh.py: ciphers in counter mode with a MAC beside them (RFC 4344, RFC 4253 section 6.4), for what no packaged peer speaks."""
import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import pyssh


class TripleDesCtr:
    """The library has no counter mode of it: counters enciphered one by one, all of a piece at once."""

    def __init__(self, key, iv):
        self.ecb = Cipher(algorithms.TripleDES(key), modes.ECB()).encryptor()
        self.counter = int.from_bytes(iv, "big")

    def update(self, data):
        n = len(data) // 8
        counters = b"".join(struct.pack(">Q", (self.counter + i) & (1 << 64) - 1) for i in range(n))
        self.counter += n
        mask = int.from_bytes(self.ecb.update(counters), "big")
        return (int.from_bytes(data, "big") ^ mask).to_bytes(len(data), "big")


def aes_ctr(key, iv):
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()


# Name: how one is made, and the lengths of its key and block.
CIPHERS = {"aes128-ctr": (aes_ctr, 16, 16), "3des-ctr": (TripleDesCtr, 24, 8)}
# Name: the hash and how long the tag is.
MACS = {"hmac-sha2-256": ("sha256", 32), "hmac-ripemd160": ("ripemd160", 20), "hmac-ripemd160-96": ("ripemd160", 12)}


class Half:
    """One direction; the number of the record begins at 0 with the keys, as strict key exchange has it."""

    def __init__(self, suite, key, iv, mac_key):
        make, _, self.block = CIPHERS[suite.cipher]
        self.hash, self.tag_len = MACS[suite.mac]
        self.stream, self.mac_key, self.number = make(key, iv), mac_key, 0

    def tag(self, record):
        data = struct.pack(">I", self.number) + record
        self.number += 1
        return hmac.new(self.mac_key, data, self.hash).digest()[:self.tag_len]

    def seal(self, payload):
        pad = self.block - (5 + len(payload)) % self.block
        pad += self.block if pad < 4 else 0
        record = struct.pack(">IB", 1 + len(payload) + pad, pad) + payload + os.urandom(pad)
        tag = self.tag(record)
        return self.stream.update(record) + tag

    def open(self, read):
        record = self.stream.update(read(self.block))
        n = 4 + struct.unpack(">I", record[:4])[0]
        if n > 1 << 18 or n % self.block:
            raise pyssh.Refused(f"a record of {n} bytes")
        record += self.stream.update(read(n - self.block))
        if not hmac.compare_digest(self.tag(record), read(self.tag_len)):
            raise pyssh.Refused("a wrong MAC")
        return record[5:n - record[4]]


class Suite:
    def __init__(self, cipher="aes128-ctr", mac="hmac-sha2-256"):
        self.cipher, self.mac = cipher, mac

    def half(self, key, letters):
        _, key_len, block = CIPHERS[self.cipher]
        return Half(self, key(letters[1], key_len), key(letters[0], block), key(letters[2], hashlib.new(MACS[self.mac][0]).digest_size))
