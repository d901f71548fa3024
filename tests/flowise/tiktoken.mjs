#!/usr/bin/env node
// What stands in for tiktoken.pages.dev. usage: node tiktoken.mjs HOST PORT CERT KEY RANKS
// RANKS is js-tiktoken's dist/ranks, which has what the site serves as modules. Prints each path that is asked for.
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
const [host, port, cert, key, ranks] = process.argv.slice(2), require = createRequire(import.meta.url)
createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (q, r) => {
  console.log(q.url)
  const name = /^\/js\/(\w+)\.json$/.exec(q.url)?.[1]
  try {
    const found = require(`${ranks}/${name}.cjs`), body = JSON.stringify(found.default ?? found)
    r.writeHead(200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' }); r.end(body)
  } catch (e) { r.writeHead(404); r.end(String(e)) }
}).listen(+port, host)
