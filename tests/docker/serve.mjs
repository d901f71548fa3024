#!/usr/bin/env node
// A server as a workload. usage: node serve.mjs [EXIT]    with EXIT: its exit code on SIGTERM, else it dies of the signal
// Listens on 3000, which is published, and tries 3001, which is not. Prints `ready` when it knows what became of both.
import http from 'node:http'
const code = process.argv[2]
if (code !== undefined) process.on('SIGTERM', () => process.exit(+code))
const answer = (q, r) => r.end(`served by ${process.pid}\n`)
const listen = port => new Promise(done => http.createServer(answer).on('error', e => done(e.code)).listen(port, '0.0.0.0', () => done('open')))
console.log(`3000 ${await listen(3000)}, 3001 ${await listen(3001)}`)
console.log('ready')
