// npm's ssh2 as a client; see README.md. NODE_PATH names where it is installed.
'use strict';
const fs = require('fs');
const { Client } = require('ssh2');
const C = require('ssh2/lib/protocol/constants.js');
const [host, port, username, path, target, targetPort, bytes] = process.argv.slice(2);
const size = Number(bytes);
let got = 0, right = true;

function check(data) { // a running 64-bit counter, little-endian
	for (let i = 0; i < data.length; i++) {
		const at = got + i;
		const byte = Math.floor(Math.floor(at / 8) / 2 ** (8 * (at % 8))) & 0xff;
		if (data[i] !== byte) right = false;
	}
	got += data.length;
}
const conn = new Client();
conn.on('error', (e) => { console.error(String(e)); process.exit(1); });
conn.on('ready', () => {
	conn.forwardOut('127.0.0.1', 1, target, Number(targetPort), (err, stream) => {
		if (err) throw err;
		stream.on('data', (d) => {
			check(d);
			if (got >= size) process.exit(right && got === size ? 0 : 1);
		});
		stream.on('close', () => process.exit(1));
		stream.write(`GET ${size}\n`);
	});
});
conn.connect({
	host, port: Number(port), username, privateKey: fs.readFileSync(path), readyTimeout: 60000,
	algorithms: {
		kex: C.SUPPORTED_KEX, cipher: C.SUPPORTED_CIPHER, hmac: C.SUPPORTED_MAC,
		serverHostKey: C.SUPPORTED_SERVER_HOST_KEY, compress: C.SUPPORTED_COMPRESSION,
	},
});
