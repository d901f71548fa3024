#!/usr/bin/env node
// What lies beyond the engine's networks. usage: node outside.mjs ADDRESS WORLD LOG
// At ADDRESS: the name server that Docker's own asks (it knows no name), and the metadata of a cloud on port 80.
// At WORLD: a server that nobody is allowed to talk to, on TCP and UDP 7000. What arrives is a line in LOG.
import dgram from 'node:dgram'
import http from 'node:http'
import net from 'node:net'
import { appendFileSync } from 'node:fs'
const [address, world, log] = process.argv.slice(2)
const note = (...words) => appendFileSync(log, words.join(' ') + '\n')
const nameOf = q => { const labels = []; for (let i = 12; q[i]; i += q[i] + 1) labels.push(q.toString('latin1', i + 1, i + 1 + q[i])); return labels.join('.') }
const names = dgram.createSocket('udp4')
names.on('message', (q, from) => {
  note('name', nameOf(q))
  const a = Buffer.from(q); a[2] = 0x81; a[3] = 0x83; a.writeUInt16BE(0, 6); a.writeUInt16BE(0, 8); a.writeUInt16BE(0, 10)
  let end = 12; while (a[end]) end += a[end] + 1
  names.send(a.subarray(0, end + 5), from.port, from.address)
}).bind(53, address)
http.createServer((q, r) => { note('metadata', q.url); r.end('ROLE-CREDENTIALS') }).listen(80, address)
net.createServer(c => { c.on('error', () => { }); c.on('data', d => { note('tcp', d); c.end('WORLD') }) }).listen(7000, world, () => console.log('ready'))
dgram.createSocket('udp4').on('message', d => note('udp', d)).bind(7000, world)
