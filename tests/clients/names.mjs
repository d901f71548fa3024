// A name server over UDP for one small zone.
import dgram from 'node:dgram';

const A = 1;
const TXT = 16;
const AAAA = 28;

const ZONE = {
  'api.test.example': { [A]: ['203.0.113.10'], [TXT]: ['v=api'] },
  'dual.test.example': { [A]: ['203.0.113.10'], [AAAA]: ['2001:db8::10'] },
  'six.test.example': { [AAAA]: ['2001:db8::10'] },
  'records.test.example': { [A]: ['203.0.113.10'], [TXT]: ['v=records'] },
  'denied.test.example': { [A]: ['203.0.113.10'], [AAAA]: ['2001:db8::10'], [TXT]: ['v=denied'] },
  'one.wild.test.example': { [A]: ['203.0.113.10'] },
  // --add-host gives it another.
  'static.test.example': { [A]: ['203.0.113.11'] },
  'inside.test.example': { [A]: ['10.20.30.40'] },
  'db.test.example': { [A]: ['10.20.30.40'] },
  'cache.test.example': { [A]: ['10.20.30.40'] },
};

export function serveNames(port, host) {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (question, from) => {
    const reply = answer(question);
    if (reply) socket.send(reply, from.port, from.address);
  });
  return new Promise((resolve, reject) => socket.once('error', reject).bind(port, host, resolve));
}

function answer(question) {
  const labels = [];
  let at = 12;
  while (question[at]) {
    labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
    at += 1 + question[at];
  }
  const kind = question.readUInt16BE(at + 1);
  const end = at + 5;
  const known = ZONE[labels.join('.').toLowerCase()];
  const records = known?.[kind] ?? [];
  const head = Buffer.from(question.subarray(0, 12));
  head.writeUInt16BE(known ? 0x8580 : 0x8583, 2); // an answer with authority; NXDOMAIN
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, question.subarray(12, end), ...records.map((data) => record(kind, data))]);
}

function record(kind, data) {
  const bytes = { [A]: v4, [AAAA]: v6, [TXT]: text }[kind](data);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(kind, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(bytes.length, 10);
  return Buffer.concat([head, bytes]);
}

const v4 = (address) => Buffer.from(address.split('.').map(Number));

function v6(address) {
  const [left, right] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const words = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}

const text = (words) => Buffer.concat([Buffer.from([words.length]), Buffer.from(words)]);
