// What the HTTP servers answer, whichever protocol the request came by.
import crypto from 'node:crypto';
import zlib from 'node:zlib';

const MEGABYTE = 1 << 20;
const PAGES = {
  '/echo': echo,
  '/big': big,
  '/sink': echo,
  '/events': events,
  '/heard': heard,
  '/chunked': chunked,
  '/slow': slow,
  '/endless': endless,
  '/aborted': aborted,
  '/hints': hints,
  '/gzip': gzip,
  '/redirect': (_, response) => response.writeHead(302, { location: '/echo?redirected' }).end(),
  '/here': (request, response) => response.end(request.socket.localAddress),
  '/v1/chat/completions': complete,
  '/head': (request, response, query) => response.writeHead(200, { 'x-long': 'h'.repeat(query.get('length')) }).end(),
  '/unchanged': (_, response) => response.writeHead(304, { 'content-length': 1000 }).end(),
  '/early': (_, response) => response.writeHead(413).end(),
  '/unbounded': (request) => request.socket.end(`HTTP/1.1 200 OK\r\n\r\n${'u'.repeat(100_000)}`),
  '/broken': (_, response) => response.writeHead(200, { 'content-length': 1000 }).write('begun', () => response.destroy()),
  '/nothing': (_, response) => response.writeHead(204).end(),
};

export function answer(request, response) {
  const url = new URL(request.url, 'http://here');
  const page = PAGES[url.pathname];
  // The socket of HTTP/2 is shared by its streams and hidden: only HTTP/1.1 counts.
  if (request.httpVersionMajor === 1) request.socket.requests++;
  request.on('error', () => {});
  response.on('error', () => {});
  if (!page) return response.writeHead(404).end('no such page');
  // A client that leaves in the middle is no failure of the server.
  Promise.resolve(page(request, response, url.searchParams)).catch(() => response.destroy());
}

// What came, so that the client can compare.
async function echo(request, response) {
  const hash = crypto.createHash('sha256');
  let length = 0;
  for await (const part of request) {
    hash.update(part);
    length += part.length;
  }
  const one = request.httpVersionMajor === 1;
  const body = {
    method: request.method,
    url: request.url,
    version: request.httpVersion,
    length,
    sha256: hash.digest('hex'),
    connection: one ? request.socket.number : 0,
    requests: one ? request.socket.requests : 0,
    header: request.headers['x-client'] ?? '',
  };
  const text = JSON.stringify(body);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

// 64 MB, of which no two megabytes are alike.
const block = crypto.createHash('shake256', { outputLength: MEGABYTE }).update('flowjail').digest();
const megabyte = (number) => {
  const part = Buffer.from(block);
  part.writeUInt32BE(number);
  return part;
};

async function big(request, response, query) {
  const count = Number(query.get('megabytes') ?? 64);
  const hash = crypto.createHash('sha256');
  for (let number = 0; number < count; number++) hash.update(megabyte(number));
  response.writeHead(200, { 'content-length': count * MEGABYTE, 'x-sha256': hash.digest('hex') });
  for (let number = 0; number < count; number++) {
    if (!response.write(megabyte(number))) {
      await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    }
    if (response.destroyed) return;
  }
  response.end();
}

// Server-sent events: each is sent only when the client has said that it heard the one before. What is held back
// anywhere on the way is never followed by another.
const listeners = new Map();

function events(request, response, query) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const id = query.get('id');
  let number = 0;
  const next = () => {
    if (number === 5) return response.end(), listeners.delete(id);
    response.write(`id: ${number}\ndata: event ${number++}\n\n`);
  };
  listeners.set(id, () => setTimeout(next, 20));
  next();
  response.on('close', () => listeners.delete(id));
}

function heard(request, response, query) {
  listeners.get(query.get('id'))?.();
  response.writeHead(204).end();
}

async function chunked(request, response) {
  response.writeHead(200, request.httpVersionMajor === 1 ? { trailer: 'x-trailer' } : {});
  for (let number = 0; number < 20; number++) {
    response.write(`${number} ${'x'.repeat(number * 100)}\n`);
    if (number % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  response.addTrailers({ 'x-trailer': 'the end' });
  response.end();
}

function slow(request, response, query) {
  setTimeout(() => response.end('at last'), Number(query.get('ms') ?? 300));
}

// Until the client goes; /aborted waits until that was seen here.
const gone = new Map();
const settle = (id) => {
  if (!gone.has(id)) {
    const entry = {};
    entry.promise = new Promise((resolve) => (entry.resolve = resolve));
    gone.set(id, entry);
  }
  return gone.get(id);
};

function endless(request, response, query) {
  const { resolve } = settle(query.get('id'));
  const timer = setInterval(() => response.write(Buffer.alloc(16384)), 5);
  response.on('close', () => (clearInterval(timer), resolve()));
}

async function aborted(request, response, query) {
  await settle(query.get('id')).promise;
  response.end('seen');
}

function hints(request, response) {
  response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
  response.end('after the hints');
}

function gzip(request, response) {
  response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
  response.end(zlib.gzipSync('packed '.repeat(10_000)));
}

// As a model provider answers, at once or word by word.
async function complete(request, response) {
  let text = '';
  for await (const part of request) text += part;
  const words = ['You', ' said', ' hello'];
  if (!JSON.parse(text).stream) {
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: words.join('') } }] }));
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const content of words) {
    response.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  response.end('data: [DONE]\n\n');
}
