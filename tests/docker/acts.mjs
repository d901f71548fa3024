#!/usr/bin/env node
// One act of a workload. usage: node acts.mjs ACT ARGS    prints one line: `ok DETAIL`, or the errno that it got
import { spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import dns from 'node:dns'
import fs from 'node:fs'
import net from 'node:net'
const [act, a, b, c] = process.argv.slice(2)
const say = text => { console.log(String(text).trim()); process.exit(0) }
const failed = e => say(e.code ?? e.message)
setTimeout(() => say('ETIMEDOUT'), 15000)
// A question for the address of a name, as libc would ask it.
const question = name => Buffer.concat([Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  ...name.split('.').map(l => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])), Buffer.from([0, 0, 1, 0, 1])])
const acts = {
  exec: () => { const r = spawnSync('/bin/sh', ['-c', 'echo RAN']); if (r.error) throw r.error; say('ok ' + r.stdout) },
  write: () => { fs.writeFileSync(a, 'text'); say('ok') },
  read: () => say('ok ' + fs.readFileSync(a, 'utf8')),
  memory: () => { fs.closeSync(fs.openSync('/proc/self/mem', 'r+')); say('ok') },
  // HOST PORT [PATH]: a request, and what comes back.
  connect: () => {
    const s = net.connect(+b, a, () => s.write(`GET ${c ?? '/_stats'} HTTP/1.1\r\nHost: ${a}:${b}\r\nConnection: close\r\n\r\n`))
    let got = ''; s.on('data', d => (got += d)); s.on('error', failed); s.on('close', () => say(got ? 'ok ' + got.split('\r\n')[0] : 'closed'))
  },
  lookup: () => dns.lookup(a, (e, found) => e ? failed(e) : say('ok ' + found)),
  // ADDRESS PORT TEXT
  udp: () => { const s = dgram.createSocket('udp4'); s.on('error', failed); s.send(c, +b, a, e => e ? failed(e) : setTimeout(() => say('ok'), 200)) },
  // ADDRESS NAME: asked past libc, of that name server.
  ask: () => {
    const s = dgram.createSocket('udp4'); s.on('error', failed)
    s.on('message', m => say((m[3] & 15) === 0 && m.readUInt16BE(6) > 0 ? 'ok' : 'rcode ' + (m[3] & 15)))
    s.send(question(b), 53, a, e => e && failed(e))
  },
}
try { acts[act]() } catch (e) { failed(e) }
