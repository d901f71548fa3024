// What is slow to end: aborts, server-sent events, WebSockets. Out of the jail and into it.
import crypto from 'node:crypto';
import { equal } from './cases.mjs';

export const UPLOAD = Buffer.alloc(10 << 20, 'flowjail');
export const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

let last = 0;
const id = () => `${process.pid}-${Date.now()}-${++last}`;

// Leaves in mid-body; the server then says that it saw that.
export async function aborts(base) {
  const name = id();
  const controller = new AbortController();
  const response = await fetch(`${base}/endless?id=${name}`, { signal: controller.signal });
  await response.body.getReader().read();
  controller.abort();
  return (await fetch(`${base}/aborted?id=${name}`)).text();
}

// Says of each event that it was heard; only then the server sends the next.
export async function events(base) {
  const name = id();
  const response = await fetch(`${base}/events?id=${name}`);
  const heard = [];
  const decoder = new TextDecoder();
  for await (const part of response.body) {
    heard.push(...decoder.decode(part).match(/event \d/g));
    await fetch(`${base}/heard?id=${name}`);
  }
  return heard.join();
}

export async function talk(WebSocket, url) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const next = (event) =>
    new Promise((resolve, reject) => socket.once(event, resolve).once('error', reject));
  await next('open');
  socket.send('hello');
  const text = String(await next('message'));
  const binary = crypto.randomBytes(1 << 20);
  socket.send(binary);
  equal(sha256(await next('message')), sha256(binary), 'sha256');
  socket.ping('x');
  const pong = String(await next('pong'));
  socket.close(1000);
  return `${text} ${pong} ${await next('close')}`;
}
