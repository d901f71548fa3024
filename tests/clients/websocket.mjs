// A WebSocket server (RFC 6455) that says everything back.
import crypto from 'node:crypto';

const CLOSE = 8;
const PING = 9;
const PONG = 10;

export function upgrade(request, socket) {
  socket.on('error', () => {});
  if (!request.url.startsWith('/ws')) return socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
  const accept = crypto
    .createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade'];
  socket.write([...lines, `sec-websocket-accept: ${accept}`, '', ''].join('\r\n'));
  let bytes = Buffer.alloc(0);
  socket.on('data', (part) => {
    bytes = Buffer.concat([bytes, part]);
    for (let frame = take(bytes); frame; frame = take(bytes)) {
      bytes = bytes.subarray(frame.length);
      if (frame.kind !== PONG) send(socket, frame.kind === PING ? PONG : frame.kind, frame.payload);
      if (frame.kind === CLOSE) return socket.end();
    }
  });
}

// The first whole frame of a client, unmasked.
function take(bytes) {
  if (bytes.length < 2) return null;
  let length = bytes[1] & 0x7f;
  let at = 2;
  if (length === 126) [length, at] = bytes.length < 4 ? [Infinity, 4] : [bytes.readUInt16BE(2), 4];
  else if (length === 127) [length, at] = bytes.length < 10 ? [Infinity, 10] : [Number(bytes.readBigUInt64BE(2)), 10];
  if (bytes.length < at + 4 + length) return null;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
  for (let index = 0; index < length; index++) payload[index] ^= mask[index % 4];
  return { kind: bytes[0] & 0x0f, first: bytes[0], payload, length: at + 4 + length };
}

function send(socket, kind, payload) {
  const length = payload.length;
  const head =
    length < 126 ? Buffer.from([0, length]) : length < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x80 | kind;
  if (head.length === 4) (head[1] = 126), head.writeUInt16BE(length, 2);
  if (head.length === 10) (head[1] = 127), head.writeBigUInt64BE(BigInt(length), 2);
  socket.write(Buffer.concat([head, payload]));
}
