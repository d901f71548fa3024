#!/usr/bin/env node
// One request, as JSON on one line: what came of it and how long it took.
// usage: node ask.mjs ip BASE [SOURCE]               what Flowise takes for the visitor's address
//        node ask.mjs predict BASE FLOW SECONDS      a prediction, given up after that time
import http from 'node:http'
const [what, base, arg, seconds] = process.argv.slice(2), t0 = performance.now(), u = new URL(base)
const ask = what === 'ip'
  ? { method: 'GET', path: '/api/v1/ip', localAddress: arg }
  : { method: 'POST', path: '/api/v1/prediction/' + arg, headers: { 'content-type': 'application/json' } }
const say = o => { console.log(JSON.stringify({ ...o, ms: Math.round(performance.now() - t0) })); process.exit(0) }
const q = http.request({ host: u.hostname, port: u.port, ...ask }, r => {
  let b = ''; r.on('data', d => (b += d)); r.on('end', () => { let j; try { j = JSON.parse(b) } catch { j = b } say({ status: r.statusCode, body: j }) })
})
if (seconds) setTimeout(() => say({ status: 0, body: `no answer in ${seconds} s` }), seconds * 1000)
q.on('error', e => say({ status: 0, body: String(e) })); q.end(what === 'ip' ? undefined : JSON.stringify({ question: 'hello' }))
