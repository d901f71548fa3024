// What a node program does in the network.
//
//   node node.mjs NODE_MODULES
import crypto from 'node:crypto';
import dns from 'node:dns';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import tls from 'node:tls';
import { equal, run, test } from './cases.mjs';
import { UPLOAD, aborts, events, sha256, talk } from './streams.mjs';

const require = createRequire(`${process.argv[2]}/`);
const axios = require('axios');
const nodeFetch = require('node-fetch');
const WebSocket = require('ws');
const HTTP = 'http://api.test.example';
const HTTPS = 'https://api.test.example';

function get(url, options = {}) {
  return new Promise((resolve, reject) => {
    const client = url.startsWith('https') ? https : http;
    const request = client.request(url, options, (response) => {
      const parts = [];
      const { socket } = response; // taken from it at its end
      response.on('data', (part) => parts.push(part)).on('error', reject);
      response.on('end', () => resolve({ response, socket, body: Buffer.concat(parts) }));
    });
    request.on('error', reject).end(options.body);
  });
}

const json = async (url, options) => JSON.parse((await get(url, options)).body);

// Connects, and says what came of it: what was echoed, or how it ended.
function tcp(host, port, family) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, family }, () => socket.write('hello\r\n'));
    socket.on('data', (bytes) => (resolve(String(bytes).split(/[\r' ]/)[0]), socket.destroy()));
    socket.on('error', reject).on('close', () => reject(new Error('closed')));
  });
}

test('http: a request', async () => (await json(`${HTTP}/echo`)).method);
test('http: headers and a query arrive as sent', async () => {
  const told = await json(`${HTTP}/echo?a=1&b=%20`, { headers: { 'X-Client': 'caf\u00e9' } });
  return `${told.url} ${told.header}`;
});
test('http: HEAD', async () => {
  const { response, body } = await get(`${HTTP}/echo`, { method: 'HEAD' });
  return `${response.statusCode} ${body.length} ${response.headers['content-length'] > 0}`;
});
test('http: 204 without a body', async () => (await get(`${HTTP}/nothing`)).response.statusCode);
test('http: 404', async () => (await get(`${HTTP}/none`)).response.statusCode);
test('http: a chunked answer with a trailer', async () => {
  const { response, body } = await get(`${HTTP}/chunked`);
  return `${body.length} ${response.trailers['x-trailer']}`;
});
test('http: a chunked upload', async () => {
  const told = await new Promise((resolve, reject) => {
    const request = http.request(`${HTTP}/sink`, { method: 'POST' }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text)));
    });
    request.on('error', reject);
    for (let number = 0; number < 50; number++) request.write('y'.repeat(number * 37));
    request.end();
  });
  return `${told.length} ${told.sha256}`;
});
test('http: early hints (103) before the answer', async () => {
  let hinted = '';
  const { body } = await new Promise((resolve, reject) => {
    const request = http.get(`${HTTP}/hints`, (response) => {
      let body = '';
      response.on('data', (part) => (body += part)).on('end', () => resolve({ body }));
    });
    request.on('information', (info) => (hinted = info.statusCode)).on('error', reject);
  });
  return `${hinted} ${body}`;
});
test('http: Expect: 100-continue', async () => {
  const told = await new Promise((resolve, reject) => {
    const headers = { expect: '100-continue', 'content-length': 5 };
    const request = http.request(`${HTTP}/sink`, { method: 'PUT', headers }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text)));
    });
    request.on('continue', () => request.end('hello')).on('error', reject).flushHeaders();
  });
  return told.length;
});
test('http: two pipelined requests', async () => {
  const text = await new Promise((resolve, reject) => {
    let text = '';
    const one = 'GET /nothing HTTP/1.1\r\nHost: api.test.example\r\n';
    const socket = net.connect(80, 'api.test.example', () => socket.write(`${one}\r\n${one}Connection: close\r\n\r\n`));
    socket.on('data', (bytes) => (text += bytes)).on('end', () => resolve(text)).on('error', reject);
  });
  return text.match(/HTTP\/1.1 204/g).length;
});
test('http: an answer that is long in coming', async () => String((await get(`${HTTP}/slow?ms=700`)).body));
test('http: one connection for five requests', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const told = [];
  for (let number = 0; number < 5; number++) told.push(await json(`${HTTP}/echo`, { agent }));
  agent.destroy();
  equal(new Set(told.map((one) => one.connection)).size, 1, 'connections');
  return told.map((one) => one.requests).join();
});
test('http: 50 requests at once', async () => {
  const urls = Array.from({ length: 50 }, (_, number) => `${HTTP}/echo?n=${number}`);
  const told = await Promise.all(urls.map((url) => json(url)));
  return told.every((one, number) => one.url === `/echo?n=${number}`);
});
test('http: 64 MB down, with their checksum', async () => {
  const hash = crypto.createHash('sha256');
  const wanted = await new Promise((resolve, reject) => {
    http.get(`${HTTP}/big`, (response) => {
      response.on('data', (part) => hash.update(part)).on('end', () => resolve(response.headers['x-sha256']));
    }).on('error', reject);
  });
  equal(hash.digest('hex'), wanted, 'sha256');
});
test('http: 10 MB up, with their checksum', async () => {
  const headers = { 'content-length': UPLOAD.length };
  const told = await json(`${HTTP}/sink`, { method: 'POST', headers, body: UPLOAD });
  equal(told.sha256, sha256(UPLOAD), 'sha256');
  return told.length;
});
test('http: another Host header', async () => {
  return (await json(`${HTTP}/echo`, { headers: { host: 'denied.test.example' } })).method;
});
test('http: a name with an IPv6 address alone', async () => {
  return (await json('http://six.test.example/echo', { autoSelectFamily: true })).method;
});
test('http: a name of /etc/hosts', async () => (await json('http://file.test.example/echo')).method);
test('http: the server of a name that --add-host gives', async () => {
  return String((await get('http://static.test.example/here')).body);
});
test('http: an allowed name that does not exist', () => get('http://gone.test.example/').catch((error) => error.code));
test('http: the port in the Host header', async () => {
  return (await json(`${HTTP}/echo`, { headers: { host: 'api.test.example:80' } })).method;
});
test('http: a name with a dot at its end', async () => (await json('http://api.test.example./echo')).method);
test('http: the whole URL in the request line', async () => {
  return (await json(HTTP, { path: `${HTTP}/echo` })).method;
});
test('http: a name of a wildcard', async () => (await json('http://one.wild.test.example/echo')).method);

test('https: a request', async () => (await json(`${HTTPS}/echo`)).method);
test('https: 64 MB down, with their checksum', async () => {
  const { response, body } = await get(`${HTTPS}/big`);
  equal(sha256(body), response.headers['x-sha256'], 'sha256');
  return body.length;
});
test('https: 10 MB up, with their checksum', async () => {
  const headers = { 'content-length': UPLOAD.length };
  equal((await json(`${HTTPS}/sink`, { method: 'POST', headers, body: UPLOAD })).sha256, sha256(UPLOAD), 'sha256');
});
test('https: a session is resumed', async () => {
  const agent = new https.Agent({ maxCachedSessions: 10, keepAlive: false });
  await get(`${HTTPS}/echo`, { agent });
  return (await get(`${HTTPS}/echo`, { agent })).socket.isSessionReused();
});
test('https: TLS 1.2', async () => {
  return (await get(`${HTTPS}/echo`, { maxVersion: 'TLSv1.2' })).socket.getProtocol();
});
test('https: another name in the hello', async () => {
  return (await json(`${HTTPS}/echo`, { servername: 'denied.test.example', rejectUnauthorized: false })).method;
});
test('https: no name in the hello', async () => {
  return (await json(`${HTTPS}/echo`, { servername: '', rejectUnauthorized: false })).method;
});
test('https: a certificate of another name is noticed', async () => {
  return get('https://one.wild.test.example/echo').then(() => 'not noticed', (error) => error.code);
});
test('HTTP/2: ten requests on one connection', async () => {
  const session = http2.connect(HTTPS);
  const one = () =>
    new Promise((resolve, reject) => {
      let text = '';
      const stream = session.request({ ':path': '/echo' }).setEncoding('utf8');
      stream.on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text).version));
      stream.on('error', reject);
    });
  const failed = new Promise((_, reject) => session.on('error', reject));
  const versions = await Promise.race([Promise.all(Array.from({ length: 10 }, one)), failed]);
  session.close();
  return versions.join();
});

test('fetch: http', async () => (await (await fetch(`${HTTP}/echo`)).json()).method);
test('fetch: https', async () => (await (await fetch(`${HTTPS}/echo`)).json()).method);
test('fetch: a redirect is followed', async () => (await (await fetch(`${HTTP}/redirect`)).json()).url);
test('fetch: gzip', async () => (await (await fetch(`${HTTP}/gzip`)).text()).length);
test('fetch: a stream is uploaded', async () => {
  const body = new ReadableStream({
    start(controller) {
      for (let number = 0; number < 30; number++) controller.enqueue(Buffer.alloc(1000, 'z'));
      controller.close();
    },
  });
  return (await (await fetch(`${HTTP}/sink`, { method: 'POST', body, duplex: 'half' })).json()).length;
});
test('fetch: an abort in mid-body is seen by the server, http', () => aborts(HTTP));
test('fetch: an abort in mid-body is seen by the server, https', () => aborts(HTTPS));
test('fetch: server-sent events come one by one, http', () => events(HTTP));
test('fetch: server-sent events come one by one, https', () => events(HTTPS));
test('fetch: a timeout', async () => {
  const late = fetch(`${HTTP}/slow?ms=3000`, { signal: AbortSignal.timeout(200) });
  return late.then(() => 'in time', (error) => error.name);
});

test('axios: http', async () => (await axios.get(`${HTTP}/echo`)).data.method);
test('axios: https', async () => (await axios.get(`${HTTPS}/echo`)).data.method);
test('axios: a redirect is followed', async () => (await axios.get(`${HTTP}/redirect`)).data.url);
test('axios: a form with a file', async () => {
  const form = new FormData();
  form.append('file', new Blob([UPLOAD.subarray(0, 1 << 20)]), 'file');
  return (await axios.post(`${HTTP}/sink`, form)).data.length > 1 << 20;
});
test('axios: a stream', async () => {
  const { data } = await axios.get(`${HTTPS}/big?megabytes=4`, { responseType: 'stream' });
  let length = 0;
  for await (const part of data) length += part.length;
  return length;
});
test('node-fetch: http', async () => (await (await nodeFetch(`${HTTP}/echo`)).json()).method);
test('node-fetch: https', async () => (await (await nodeFetch(`${HTTPS}/echo`)).json()).method);

test('openai: an answer, and one that is streamed', async () => {
  const { OpenAI } = require('openai');
  const client = new OpenAI({ apiKey: 'test', baseURL: `${HTTPS}/v1`, maxRetries: 0 });
  const asked = { model: 'test', messages: [{ role: 'user', content: 'hello' }] };
  const whole = await client.chat.completions.create(asked);
  const parts = [];
  for await (const part of await client.chat.completions.create({ ...asked, stream: true })) {
    parts.push(part.choices[0].delta.content);
  }
  return `${whole.choices[0].message.content}; ${parts.length}: ${parts.join('')}`;
});

test('ws: text, a megabyte, a ping', () => talk(WebSocket, 'ws://api.test.example/ws'));
test('wss: text, a megabyte, a ping', () => talk(WebSocket, 'wss://api.test.example/ws'));

test('pg: queries, a transaction, parameters', async () => {
  const { Client } = require('pg');
  const client = new Client({ host: 'db.test.example', user: 'test', database: 'postgres' });
  await client.connect();
  await client.query('begin');
  await client.query('create temp table t (n int, words text) on commit drop');
  await client.query('insert into t select g, repeat($1, 1000) from generate_series(1, 2000) g', ['w']);
  const { rows } = await client.query('select sum(n)::int as n, sum(length(words))::int as l from t');
  await client.query('commit');
  await client.end();
  return `${rows[0].n} ${rows[0].l}`;
});
test('pg: a notification', async () => {
  const { Client } = require('pg');
  const make = () => new Client({ host: 'db.test.example', user: 'test', database: 'postgres' });
  const [hears, says] = [make(), make()];
  await Promise.all([hears.connect(), says.connect()]);
  const heard = new Promise((resolve) => hears.once('notification', (told) => resolve(told.payload)));
  await hears.query('listen news');
  await says.query("notify news, 'spring'");
  const payload = await heard;
  await Promise.all([hears.end(), says.end()]);
  return payload;
});
test('ioredis: a thousand commands in a pipeline', async () => {
  const Redis = require('ioredis');
  const redis = new Redis({ host: 'cache.test.example', lazyConnect: true });
  await redis.connect();
  const pipeline = redis.pipeline().del('count');
  for (let number = 0; number < 1000; number++) pipeline.incr('count');
  const last = (await pipeline.exec()).at(-1)[1];
  await redis.quit();
  return last;
});
test('redis: publish and subscribe', async () => {
  const { createClient } = require('redis');
  const client = createClient({ url: 'redis://cache.test.example' });
  const ears = client.duplicate();
  await Promise.all([client.connect(), ears.connect()]);
  const heard = new Promise((resolve) => void ears.subscribe('news', resolve).then(() => client.publish('news', 'spring')));
  const message = await heard;
  await ears.unsubscribe('news');
  await Promise.all([client.quit(), ears.quit()]);
  return message;
});

const addresses = async (found) => ((await found).length ? 'found' : 'none');
test('lookup: an allowed name', async () => addresses(dns.promises.lookup('api.test.example', { all: true })));
test('lookup: the address that the name has', async () => (await dns.promises.lookup('api.test.example')).address);
test('lookup: an allowed name in capitals', async () => addresses(dns.promises.lookup('API.Test.Example', { all: true })));
test('lookup: an IPv6 address of an allowed name', async () => (await dns.promises.lookup('dual.test.example', 6)).address);
test('lookup: a name that is not allowed', async () => addresses(dns.promises.lookup('denied.test.example', { all: true })));
test('lookup: a name that does not exist', async () => {
  return dns.promises.lookup('nowhere.test.example').then(() => 'found', (error) => error.code);
});
test('lookup: an allowed name that does not exist', async () => {
  return dns.promises.lookup('gone.test.example').then(() => 'found', (error) => error.code);
});
test('lookup: localhost', async () => (await dns.promises.lookup('localhost', 4)).address);
test('c-ares: resolve4 of an allowed name', async () => addresses(dns.promises.resolve4('api.test.example')));
test('c-ares: resolve4 of a name that is not allowed', async () => addresses(dns.promises.resolve4('denied.test.example')));
test('c-ares: resolve6 of an allowed name', async () => (await dns.promises.resolve6('dual.test.example')).join());
test('c-ares: resolve6 of a name without one', async () => {
  return dns.promises.resolve6('api.test.example').then(() => 'found', (error) => error.code);
});
test('c-ares: a name server by its address', () => {
  const resolver = new dns.promises.Resolver();
  resolver.setServers(['203.0.113.53']);
  return addresses(resolver.resolve4('api.test.example'));
});
test('c-ares: a name that is not allowed, from a name server by its address', () => {
  const resolver = new dns.promises.Resolver();
  resolver.setServers(['203.0.113.53']);
  return addresses(resolver.resolve4('denied.test.example'));
});
test('c-ares: the name of an address', async () => {
  const [address] = await dns.promises.resolve4('api.test.example');
  return dns.promises.reverse(address).then(() => 'found', (error) => error.code);
});
test('c-ares: resolveTxt of an allowed name', async () => (await dns.promises.resolveTxt('api.test.example')).join());
test('c-ares: resolveTxt of a name that is not allowed', async () => {
  return (await dns.promises.resolveTxt('denied.test.example')).join();
});

test('tcp: an echo', async () => tcp('api.test.example', 8090));
test('tcp: a client that closes its half first', async () => {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect({ host: 'api.test.example', port: 8090, allowHalfOpen: true }, () => socket.end('half'));
    socket.on('data', (bytes) => (text += bytes)).on('end', () => resolve(text)).on('error', reject);
  });
});
test('tcp: a server that speaks first, and closes its half first', () => {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect({ host: 'api.test.example', port: 8092, allowHalfOpen: true }).setEncoding('utf8');
    socket.on('data', (part) => (text += part)).on('error', reject).on('close', () => resolve(text));
    socket.on('end', () => socket.end('QUIT'));
  });
});
test('tcp: a port where nobody listens', async () => tcp('api.test.example', 8099).catch((error) => error.code));
test('tcp: a port that is not allowed', async () => tcp('api.test.example', 8091));
test('tcp: a name with a private address that is not allowed as such', () => tcp('inside.test.example', 6379));
test('tcp: an address that no name stands for', async () => tcp('203.0.113.10', 8090));
test('tcp: an IPv6 address that no name stands for', async () => tcp('2001:db8::10', 8090));
test('tcp: a server of the machine on 127.0.0.1', () => tcp('127.0.0.1', 8090));
test('tcp: a server of its own on 127.0.0.1', () => {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.pipe(socket)).on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(tcp('127.0.0.1', server.address().port).finally(() => server.close())));
  });
});
test('tcp: a server of its own on a Unix socket', () => {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.end('hello')).on('error', reject);
    const path = `/tmp/flowjail-client-${process.pid}`;
    server.listen(path, () => net.connect(path).on('error', reject).on('data', (bytes) => server.close(() => resolve(String(bytes)))));
  });
});
test('interfaces: their names', () => Object.keys(os.networkInterfaces()).join());
test('tls: straight on tls.connect', async () => {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: 'api.test.example', port: 443, servername: 'api.test.example' }, () => {
      resolve(socket.authorized);
      socket.destroy();
    });
    socket.on('error', reject);
  });
});

await run();
process.exit(0);
