// npm's ssh2 as a server; see README.md. NODE_PATH names where it is installed.
'use strict';
const fs = require('fs');
const net = require('net');
const { Server, utils: { parseKey } } = require('ssh2');
const C = require('ssh2/lib/protocol/constants.js');
const [hostkey, authorized] = process.argv.slice(2);
const allowed = fs.readFileSync(authorized, 'latin1').split('\n').map((line) => parseKey(line)).filter((k) => !(k instanceof Error));

function same(key) {
	return allowed.find((k) => k.getPublicSSH().equals(key.data));
}
const server = new Server({
	hostKeys: [fs.readFileSync(hostkey)],
	algorithms: {
		kex: C.SUPPORTED_KEX, cipher: C.SUPPORTED_CIPHER, hmac: C.SUPPORTED_MAC, compress: C.SUPPORTED_COMPRESSION,
	},
}, (client) => {
	client.on('authentication', (ctx) => {
		const key = ctx.method === 'publickey' && same(ctx.key);
		if (!key) return ctx.reject(['publickey']);
		if (ctx.signature && key.verify(ctx.blob, ctx.signature, ctx.hashAlgo) !== true) return ctx.reject();
		return ctx.accept();
	});
	client.on('tcpip', (accept, reject, info) => {
		const target = net.connect(info.destPort, info.destIP, () => {
			const ch = accept();
			ch.pipe(target).pipe(ch);
		});
		target.on('error', () => process.exit(1));
	});
	client.on('error', () => process.exit(1));
	client.on('close', () => process.exit(0));
});
server.injectSocket(new net.Socket({ fd: 0, readable: true, writable: true }));
