#!/usr/bin/env node
// Stands in for Flowise: starts as slowly as a file says, answers the ping, and does on request what a program in trouble does.
const fs = require('fs');
const http = require('http');
const net = require('net');

const read = (path) => {
    try {
        return fs.readFileSync(path, 'utf8');
    } catch (error) {
        return null;
    }
};
const kept = [];

const acts = {
    '/api/v1/ping': (query, say) => say('pong'),
    // Where it runs and as whom.
    '/status': (query, say) => say(read('/proc/self/status')),
    '/variable': (query, say) => say(JSON.stringify(process.env[query.get('name')] ?? null)),
    '/file': (query, say) => say(JSON.stringify(read(query.get('path')))),
    '/write': (query, say) => {
        fs.writeFileSync(query.get('path'), 'written');
        say('written');
    },
    // The memory is touched, so that it counts.
    '/allocate': (query, say) => {
        for (let megabyte = 0; megabyte < Number(query.get('megabytes')); megabyte += 16) {
            kept.push(Buffer.alloc(16 << 20, 1));
        }
        say('allocated');
    },
    '/exit': (query) => process.exit(Number(query.get('code'))),
    '/hang': () => {
        for (;;);
    },
    '/shell': (query, say) => {
        const { status, error } = require('child_process').spawnSync('/bin/sh', ['-c', 'id']);
        say(JSON.stringify({ status, error: error && error.code }));
    },
    '/connect': (query, say) => {
        const socket = net.connect({ host: query.get('host'), port: Number(query.get('port')) });
        const end = (told) => {
            socket.destroy();
            say(told);
        };
        socket.on('data', (data) => end(`heard ${data}`));
        socket.on('close', () => end('closed'));
        socket.on('error', (error) => end(error.code));
    },
};

const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://guest');
    const act = acts[url.pathname];
    if (!act) {
        response.statusCode = 404;
        response.end();
        return;
    }
    let said = false;
    try {
        act(url.searchParams, (text) => {
            if (!said) response.end(text);
            said = true;
        });
    } catch (error) {
        response.statusCode = 500;
        response.end(error.code);
    }
});

const seconds = Number(read('slow') ?? 0);
setTimeout(() => {
    server.listen(Number(process.env.PORT), process.env.HOST, () => console.log('listening'));
}, seconds * 1000);
for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => process.exit(0));
}
