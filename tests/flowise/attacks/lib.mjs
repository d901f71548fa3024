// shared helpers. Loopback only: refuses any other base URL.
import fs from 'node:fs'; import net from 'node:net'; import path from 'node:path'
const av = process.argv.slice(2); export const opt = (k, d) => { const i = av.indexOf('--' + k); return i < 0 ? d : av[i + 1] }; export const flag = k => av.includes('--' + k)
export const B = (av[0] && !av[0].startsWith('--') ? av[0] : 'http://127.0.0.1:3005').replace(/\/$/, '')
if (!/^http:\/\/(127\.|localhost|\[::1\])/.test(B)) { console.error('loopback only'); process.exit(2) }
export const EMAIL = opt('email', 'admin@example.com'), PW = opt('password', 'Passw0rd!x')
// marks: MARKS lies outside everything that a jail lets Flowise write. xmark/xjail: a place inside the data directory, as this script (--xmarks) and as Flowise (--xmarks-in) sees it,
// for acts whose proof is that a program ran: a mark in a private /tmp would read as blocked although it ran.
export const MARKS = opt('marks', '/var/tmp/flowise-marks'); fs.mkdirSync(MARKS, { recursive: true }); try { fs.chmodSync(MARKS, 0o777) } catch { }
export const DECOY = opt('decoy', '/var/tmp/flowise-decoy/secret.txt')
export const LHOST = opt('lhost', '127.0.0.1'), LPORT = +opt('lport', '18999'), SECRET = opt('secret', 'SECRET')      // a listener as Flowise sees it; a variable's name
export const jar = new Map(); export let apiKey = opt('key', ''); export const setKey = k => (apiKey = k)
export async function req(method, p, body, { key = false, anon = false, form = null, raw = false, timeout = 40000 } = {}) {
  const headers = {}; if (!anon) { if (key) headers.authorization = 'Bearer ' + apiKey; else { headers['x-request-from'] = 'internal'; headers.cookie = [...jar].map(([k, v]) => `${k}=${v}`).join('; ') } }
  if (body != null) headers['content-type'] = 'application/json'
  const r = await fetch(B + p, { method, headers, body: form || (body != null ? JSON.stringify(body) : undefined), signal: AbortSignal.timeout(timeout) })
  for (const c of r.headers.getSetCookie() || []) { const [kv] = c.split(';'); const i = kv.indexOf('='); jar.set(kv.slice(0, i), kv.slice(i + 1)) }
  if (raw) return r
  const t = await r.text(); let j; try { j = JSON.parse(t) } catch { j = t }; return { status: r.status, body: j }
}
export async function login(email = EMAIL, pw = PW) { const r = await req('POST', '/api/v1/auth/login', { email, password: pw }); if (r.status !== 200) throw new Error('login ' + r.status + ' ' + JSON.stringify(r.body).slice(0, 200)); return r }
export async function key() { if (apiKey) return apiKey; if (!jar.has('token')) await login(); let r = await req('GET', '/api/v1/apikey'); let k = Array.isArray(r.body) && r.body.find(x => x.keyName === 'smoke'); if (!k) { r = await req('POST', '/api/v1/apikey', { keyName: 'smoke', permissions: ['chatflows:view', 'chatflows:create', 'tools:view'] }); k = Array.isArray(r.body) ? r.body.find(x => x.keyName === 'smoke') : r.body } apiKey = k.apiKey; return apiKey }
export const S = o => (typeof o === 'string' ? o : JSON.stringify(o) ?? '').slice(0, 300)
export const mark = n => path.join(MARKS, n)
const XM = opt('xmarks', MARKS), XJ = opt('xmarks-in', XM); fs.mkdirSync(XM, { recursive: true }); fs.chmodSync(XM, 0o777)
export const xmark = n => path.join(XM, n), xjail = n => path.join(XJ, n)
export const seen = f => { try { return fs.readFileSync(f, 'utf8') } catch { return null } }
export const rm = f => { try { fs.rmSync(f, { recursive: true }) } catch { } }
export const sleep = ms => new Promise(r => setTimeout(r, ms))
// A listener at LHOST:LPORT that leaves what anyone says to it in the file m, and nothing where nobody comes.
export const listen = m => new Promise((res, rej) => { const s = net.createServer(c => { c.on('data', d => fs.appendFileSync(m, d)); c.on('error', () => { }) }); s.on('error', rej); s.listen(LPORT, LHOST, () => res(s)) })
// JavaScript for the server process: does `js`, and leaves the errno that it got in the data directory.
export const payload = (js, id) => `try{${js}}catch(e){process.mainModule.require('fs').writeFileSync('${xjail(id + '.errno')}',String(e.code||e.message))}`
export function verdict(id, result, detail, errno = null) { console.log(JSON.stringify({ id, result, errno, detail: S(detail) })); process.exitCode = { EXPLOITED: 0, blocked: 3 }[result] ?? 4 }
// EXPLOITED: the mark is there. blocked: the payload ran and got an errno. Neither: it did not run, which proves nothing.
export async function outcome(id, m, r) {
  await sleep(300); const g = seen(m), errno = seen(xmark(id + '.errno'))
  verdict(id, g !== null ? 'EXPLOITED' : errno !== null ? 'blocked' : 'did-not-run', g ?? `${r.status} ${JSON.stringify(r.body)}`, errno)
}
