// The world that the clients speak to: HTTP, HTTPS (HTTP/2 and 1.1), WebSockets, echoes, a name server.
//
//   node servers.mjs CERTIFICATE KEY
//
// Says "ready" once all of them listen; ends when its stdin does.
import dgram from 'node:dgram';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { answer } from './pages.mjs';
import { upgrade } from './websocket.mjs';
import { serveNames } from './names.mjs';

const V4 = '203.0.113.10';
const OTHER = '203.0.113.11';
const V6 = '2001:db8::10';
const NAMES = '203.0.113.53';
const [certificate, key] = process.argv.slice(2);

// By connection, for /echo: its number, and how many requests came over it.
let connections = 0;
const numbered = (socket) => {
  socket.number = ++connections;
  socket.requests = 0;
};

const listening = (server, port, host) =>
  new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));

function plain() {
  const server = http.createServer(answer).on('connection', numbered).on('upgrade', upgrade);
  return server.on('checkContinue', (request, response) => {
    if (request.url === '/refused') return response.writeHead(417).end();
    response.writeContinue();
    answer(request, response);
  });
}

function secure() {
  const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true };
  return http2.createSecureServer(options, answer).on('secureConnection', numbered).on('upgrade', upgrade);
}

function echo() {
  return net.createServer((socket) => socket.on('error', () => {}).pipe(socket));
}

function greeter() {
  const options = { allowHalfOpen: true };
  return net.createServer(options, (socket) => socket.on('error', () => {}).end('220 ready\r\n').resume());
}

function datagrams() {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  return new Promise((resolve, reject) => socket.once('error', reject).bind(9999, V4, resolve));
}

await Promise.all([
  ...[V4, V6].flatMap((host) => [
    listening(plain(), 80, host),
    listening(secure(), 443, host),
    listening(echo(), 8090, host),
    listening(echo(), 8091, host),
  ]),
  listening(plain(), 80, OTHER),
  listening(echo(), 8090, '127.0.0.1'),
  listening(greeter(), 8092, V4),
  datagrams(),
  serveNames(53, NAMES),
]);
console.log('ready');
process.stdin.resume().on('end', () => process.exit(0));
