// HTTP/1.1 as it is spoken at its edges: each exchange is one that real clients and servers have.
import http from 'node:http';
import net from 'node:net';
import { run, test } from './cases.mjs';

const HOST = 'api.test.example';

function ask(path, options = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: HOST, path, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => (body += part)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', reject).end(options.body);
  });
}

// Sends these pieces on a bare connection, and returns all that comes until its end.
function raw(pieces, pause = 0) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(80, HOST, async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    });
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (part) => (text += part)).on('end', () => resolve(text)).on('error', reject);
  });
}

const statuses = (text) => text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)).join();
const LAST = 'Connection: close\r\n\r\n';

test('every method', async () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'PURGE'];
  const told = [];
  for (const method of methods) told.push(JSON.parse((await ask('/echo', { method, body: 'x', headers: { 'content-length': 1 } })).body));
  return told.map((one) => `${one.method} ${one.length}`).join();
});
test('OPTIONS of the server as a whole', async () => statuses(await raw([`OPTIONS * HTTP/1.1\r\nHost: ${HOST}\r\n${LAST}`])));
test('a Host header in capitals', async () => statuses(await raw([`GET /nothing HTTP/1.1\r\nHost: API.Test.EXAMPLE\r\n${LAST}`])));
test('HTTP/1.0', async () => statuses(await raw([`GET /nothing HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`])));
test('a head that comes byte by byte', async () => {
  return statuses(await raw([...`GET /nothing HTTP/1.1\r\nHost: ${HOST}\r\n${LAST}`], 2));
});
test('empty lines before a request', async () => statuses(await raw([`\r\nGET /nothing HTTP/1.1\r\nHost: ${HOST}\r\n${LAST}`])));
test('a head of 14 KB', async () => {
  return JSON.parse((await ask('/echo', { headers: { 'x-client': 'c'.repeat(14_000) } })).body).header.length;
});
test('an answer with a head of 14 KB', async () => (await ask('/head?length=14000')).headers['x-long'].length);
test('a hundred header lines', async () => {
  const headers = Object.fromEntries(Array.from({ length: 100 }, (_, number) => [`x-${number}`, 'value']));
  return (await ask('/nothing', { headers })).status;
});
test('a long path', async () => JSON.parse((await ask(`/echo?${'q'.repeat(7000)}`)).body).url.length);
test('304 with a length, and the next request on the same connection', async () => {
  const one = `GET /unchanged HTTP/1.1\r\nHost: ${HOST}\r\n`;
  return statuses(await raw([`${one}\r\n${one}${LAST}`]));
});
test('HEAD with a length, and the next request on the same connection', async () => {
  const text = await raw([`HEAD /echo HTTP/1.1\r\nHost: ${HOST}\r\n\r\nGET /nothing HTTP/1.1\r\nHost: ${HOST}\r\n${LAST}`]);
  return statuses(text);
});
async function chunks(pieces) {
  const head = `POST /sink HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n${LAST}`;
  const text = await raw([head, ...pieces, '\nhel', 'lo\r\n', 'A\r\n0123456789\r', '\n0\r\nx-trailer: 1\r', '\n\r\n'], 5);
  return `${statuses(text)} ${text.match(/"length":\d+/)}`;
}
test('chunks in pieces, with a trailer', () => chunks(['5', '\r']));
test('chunks with an extension', () => chunks(['5', ';name=value\r']));
test('a body and the next request in one piece', async () => {
  const one = `POST /sink HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 5\r\n`;
  const text = await raw([`${one}\r\nhello${one}${LAST}again`]);
  return `${statuses(text)} ${text.match(/"length":\d+/g)}`;
});
test('Expect: 100-continue that is refused', async () => {
  const head = `PUT /refused HTTP/1.1\r\nHost: ${HOST}\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n${LAST}`;
  return statuses(await raw([head]));
});
test('an answer before the body is there', async () => {
  const head = `PUT /early HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000\r\n${LAST}`;
  return statuses(await raw([head, 'x'.repeat(500), 'y'.repeat(500)], 50));
});
test('an answer without a length, that ends with the connection', async () => {
  const text = await raw([`GET /unbounded HTTP/1.1\r\nHost: ${HOST}\r\n${LAST}`]);
  return text.split('\r\n\r\n')[1].length;
});
test('an answer that breaks off', () => ask('/broken').then(() => 'whole', (error) => error.code));
test('an upgrade that is refused', async () => {
  const lines = `Host: ${HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==`;
  return statuses(await raw([`GET /none HTTP/1.1\r\n${lines}\r\n\r\n`]));
});
test('300 requests on one connection', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let last;
  for (let number = 0; number < 300; number++) last = JSON.parse((await ask('/echo', { agent })).body);
  agent.destroy();
  return last.requests;
});
test('two hosts of one address, each on a connection of its own', async () => {
  const agent = new http.Agent({ keepAlive: true });
  const one = await ask('/echo', { agent });
  const other = await ask('/echo', { agent, host: 'dual.test.example', family: 4 });
  agent.destroy();
  return JSON.parse(one.body).connection !== JSON.parse(other.body).connection;
});
test('a body beside a length and chunks', async () => {
  const head = `POST /sink HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n${LAST}`;
  return statuses(await raw([`${head}0\r\n\r\n`]));
});
test('CONNECT through the server', async () => statuses(await raw([`CONNECT denied.test.example:443 HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`])) ?? 'closed');
test('no HTTP at all', async () => statuses(await raw(['EHLO here\r\n'])));

await run();
process.exit(0);
