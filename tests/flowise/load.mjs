#!/usr/bin/env node
// A small closed load loop for the comparison line; tests/bench has the careful one.
// usage: node load.mjs BASE ping|predict SECONDS [CONNECTIONS] [--flow ID]    prints requests per second
import http from 'node:http'
const [base, what, seconds, conns = '4', ...av] = process.argv.slice(2), u = new URL(base)
const flow = av[av.indexOf('--flow') + 1], agent = new http.Agent({ keepAlive: true, maxSockets: +conns })
const ask = what === 'ping'
  ? { method: 'GET', path: '/api/v1/ping', body: null }
  : { method: 'POST', path: '/api/v1/prediction/' + flow, body: JSON.stringify({ question: 'hello' }) }
const one = () => new Promise((res, rej) => {
  const q = http.request({ host: u.hostname, port: u.port, agent, method: ask.method, path: ask.path, headers: ask.body ? { 'content-type': 'application/json' } : {} }, r => { r.resume(); r.on('end', () => r.statusCode === 200 ? res() : rej(new Error('status ' + r.statusCode))) })
  q.on('error', rej); q.end(ask.body ?? undefined)
})
for (let i = 0; i < 5; i++) await one()
const end = performance.now() + seconds * 1000, t0 = performance.now(); let n = 0
await Promise.all(Array.from({ length: +conns }, async () => { while (performance.now() < end) { await one(); n++ } }))
console.log((n / ((performance.now() - t0) / 1000)).toFixed(1)); agent.destroy()
