// Visitors of ingress-server.mjs.
//
//   node visitor.mjs NODE_MODULES
import crypto from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { equal, run, test } from './cases.mjs';
import { UPLOAD, aborts, events, sha256, talk } from './streams.mjs';

const V4 = 'http://203.0.113.11:3000';
const V6 = 'http://[2001:db8::10]:3000';

function get(url, options = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part)).on('error', reject);
      response.on('end', () => resolve(String(Buffer.concat(parts))));
    });
    request.on('error', reject).end(options.body);
  });
}

test('the address of a visitor', () => get(`${V4}/visitor`, { localAddress: '203.0.113.10' }));
test('the address of another visitor', () => get(`${V4}/visitor`, { localAddress: '203.0.113.53' }));
test('the address of a visitor, IPv6', () => get(`${V6}/visitor`, { localAddress: '2001:db8::10' }));
test('server-sent events come one by one', () => events(V4));
test('server-sent events come one by one, IPv6', () => events(V6));
test('an abort in mid-body is seen by the server', () => aborts(V4));
test('ws: text, a megabyte, a ping', () => {
  return talk(createRequire(`${process.argv[2]}/`)('ws'), 'ws://203.0.113.11:3000/ws');
});
test('10 MB up, with their checksum', async () => {
  const told = JSON.parse(await get(`${V4}/sink`, { method: 'POST', body: UPLOAD }));
  equal(told.sha256, sha256(UPLOAD), 'sha256');
});
test('64 MB down, with their checksum', async () => {
  const response = await fetch(`${V4}/big`);
  const hash = crypto.createHash('sha256');
  for await (const part of response.body) hash.update(part);
  equal(hash.digest('hex'), response.headers.get('x-sha256'), 'sha256');
});
test('one connection for five requests', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const told = [];
  for (let number = 0; number < 5; number++) told.push(JSON.parse(await get(`${V4}/echo`, { agent })));
  agent.destroy();
  equal(new Set(told.map((one) => one.connection)).size, 1, 'connections');
  return told.map((one) => one.requests).join();
});
test('50 requests at once', async () => {
  const told = await Promise.all(Array.from({ length: 50 }, (_, n) => get(`${V4}/echo?n=${n}`)));
  return told.every((text, number) => JSON.parse(text).url === `/echo?n=${number}`);
});
test('any Host header', async () => JSON.parse(await get(`${V4}/echo`, { headers: { host: 'front.example' } })).method);
test('a visitor who closes the own half first', () => {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect({ host: '203.0.113.11', port: 3000, allowHalfOpen: true });
    socket.end('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    socket.on('data', (part) => (text += part)).on('error', reject);
    socket.on('end', () => resolve(text.split('\r\n')[0]));
  });
});
test('a port that is not published', () => get('http://203.0.113.11:3001/visitor', { localAddress: '203.0.113.10' }));
test('an address that is not published', () => get('http://203.0.113.53:3000/visitor', { localAddress: '203.0.113.10' }));

await run();
process.exit(0);
