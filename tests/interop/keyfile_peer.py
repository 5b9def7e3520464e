#!/usr/bin/python3
"""keyfile_peer.py - JSON Web Keys and XML keys as python3-cryptography's numbers make them.

Writes NAME.jwk and NAME.xml of the private keys named (files of OpenSSH's format), or with --check
reads NAME.our.jwk and NAME.our.xml and compares. The second implementation for test_keygen.sh.
"""
import base64
import json
import sys
import xml.etree.ElementTree as ET

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

CURVES = {256: ("P-256", 32, "urn:oid:1.2.840.10045.3.1.7"),
          384: ("P-384", 48, "urn:oid:1.3.132.0.34"),
          521: ("P-521", 66, "urn:oid:1.3.132.0.35")}


def octets(n, size=0):
    return n.to_bytes(max(size, (n.bit_length() + 7) // 8), "big")


def url(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def rsa_numbers(key):
    p = key.private_numbers()
    return {"n": p.public_numbers.n, "e": p.public_numbers.e, "d": p.d, "p": p.p, "q": p.q,
            "dp": p.dmp1, "dq": p.dmq1, "qi": p.iqmp}


def jwk_of(key):
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA"} | {k: url(octets(v)) for k, v in rsa_numbers(key).items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        crv, size, _ = CURVES[key.curve.key_size]
        p = key.private_numbers()
        return {"kty": "EC", "crv": crv, "x": url(octets(p.public_numbers.x, size)),
                "y": url(octets(p.public_numbers.y, size)),
                "d": url(octets(p.private_value, size))}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = (ser.Encoding.Raw, ser.PublicFormat.Raw)
        seed = key.private_bytes(ser.Encoding.Raw, ser.PrivateFormat.Raw, ser.NoEncryption())
        return {"kty": "OKP", "crv": "Ed25519", "x": url(key.public_key().public_bytes(*raw)),
                "d": url(seed)}
    return None


def xml_of(key):
    """The root's name and its members, in order."""
    if isinstance(key, rsa.RSAPrivateKey):
        n = rsa_numbers(key)
        names = {"Modulus": "n", "Exponent": "e", "P": "p", "Q": "q", "DP": "dp", "DQ": "dq",
                 "InverseQ": "qi", "D": "d"}
        return "RSAKeyValue", None, {k: octets(n[v]) for k, v in names.items()}
    if isinstance(key, dsa.DSAPrivateKey):
        p = key.private_numbers()
        par = p.public_numbers.parameter_numbers
        return "DSAKeyValue", None, {"P": octets(par.p), "Q": octets(par.q), "G": octets(par.g),
                                     "Y": octets(p.public_numbers.y), "X": octets(p.x)}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        _, _, urn = CURVES[key.curve.key_size]
        point = key.public_key().public_bytes(ser.Encoding.X962,
                                              ser.PublicFormat.UncompressedPoint)
        return "ECKeyValue", urn, {"PublicKey": point,
                                   "D": octets(key.private_numbers().private_value)}
    return None


def write(name, key):
    jwk, xml = jwk_of(key), xml_of(key)
    if jwk is not None:
        keys = {"keys": [{"kty": "oct", "k": "AAAA"}, jwk | {"kid": name}]}
        with open(name + ".jwk", "w", encoding="ascii") as f:
            json.dump(keys, f)
    if xml is not None:
        root = ET.Element("{http://www.w3.org/2000/09/xmldsig#}" + xml[0])
        if xml[1] is not None:
            ET.SubElement(root, "NamedCurve", {"URI": xml[1]})
        for k, v in xml[2].items():
            text = base64.encodebytes(v).decode()
            ET.SubElement(root, k).text = "\n" + text
        ET.ElementTree(root).write(name + ".xml", xml_declaration=True, encoding="utf-8")


def same(name, what, want, have):
    if want != have:
        print(f"FAILED: {name} as {what} by ours: {have} instead of {want}")
    return want == have


def check(name, key):
    jwk, xml, good = jwk_of(key), xml_of(key), True
    if jwk is not None:
        with open(name + ".our.jwk", encoding="utf-8") as f:
            have = json.load(f)
        good &= same(name, "JWK", jwk | {"kid": "a comment"}, have)
    if xml is not None:
        root = ET.parse(name + ".our.xml").getroot()
        have = {c.tag: base64.b64decode(c.text) for c in root if c.text}
        good &= same(name, "XML", (xml[0], xml[2]), (root.tag, have))
    return good


def main(args):
    checks = args[0] == "--check"
    good = True
    for name in args[1:] if checks else args:
        with open(name, "rb") as f:
            key = ser.load_ssh_private_key(f.read(), None)
        if checks:
            good &= check(name, key)
        else:
            write(name, key)
    return 0 if good else 1


sys.exit(main(sys.argv[1:]))
