#!/usr/bin/env node
// Does a data directory survive a change of jail? Twice run: `make` leaves a credential behind, `check` finds it again.
// usage: node compat.mjs make|check BASE STATE_FILE [--email E] [--password P]
//   make:  logs in with the account that smoke.mjs made, creates a credential with a random secret, writes STATE_FILE
//   check: the same login still works, the same credential id is there and its secret comes back decrypted
import { readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
const [verb, base, file, ...av] = process.argv.slice(2), opt = (k, d) => { const i = av.indexOf('--' + k); return i < 0 ? d : av[i + 1] }
const email = opt('email', 'admin@example.com'), password = opt('password', 'Passw0rd!x'), jar = new Map()
async function req(method, path, body) {
  const headers = { 'x-request-from': 'internal', 'content-type': 'application/json', cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') }
  const r = await fetch(base + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30000) })
  for (const c of r.headers.getSetCookie()) { const [kv] = c.split(';'); const i = kv.indexOf('='); jar.set(kv.slice(0, i), kv.slice(i + 1)) }
  const t = await r.text(); if (r.status >= 300) throw new Error(`${method} ${path}: ${r.status} ${t.slice(0, 200)}`)
  return JSON.parse(t)
}
const secretOf = async id => JSON.stringify((await req('GET', '/api/v1/credentials/' + id)).plainDataObj)
await req('POST', '/api/v1/auth/login', { email, password })
if (verb === 'make') {
  // A field that Flowise shows in full, so that the decryption itself is seen and not its redaction.
  const secret = 'https://compat-' + randomBytes(8).toString('hex') + '.test'
  const made = await req('POST', '/api/v1/credentials', { name: 'compat', credentialName: 'langfuseApi', plainDataObj: { langFuseSecretKey: 'sk-x', langFusePublicKey: 'pk-x', langFuseEndpoint: secret } })
  if (!(await secretOf(made.id)).includes(secret)) throw new Error('the new credential does not decrypt: ' + await secretOf(made.id))
  writeFileSync(file, JSON.stringify({ id: made.id, secret })); console.log('made ' + made.id)
} else {
  const { id, secret } = JSON.parse(readFileSync(file, 'utf8')), got = await secretOf(id)
  if (!got.includes(secret)) throw new Error(`credential ${id} does not decrypt to what was stored: ${got}`)
  console.log('same login, same credential ' + id)
}
