// Stands in for Flowise: not ready until somebody asks for /go, counts how often it was pinged, and hangs on demand. With
// LISTEN=later it listens when it is given a byte.
import http from 'node:http';

let ready = process.env.READY === '1', pings = 0;
const answers = {
    '/api/v1/ping': () => { pings += 1; return ready ? [200, 'pong'] : [503, 'not yet']; },
    '/go': () => { ready = true; return [200, 'ok']; },
    '/pings': () => [200, String(pings)],
    '/env': () => [200, Object.keys(process.env).join(' ')],
};
const server = http.createServer((request, response) => {
    if (request.url === '/hang') {
        response.writeHead(200, { 'content-length': 2 }).end('ok');
        setTimeout(() => { for (;;); }, 50);
        return;
    }
    const [status, text] = (answers[request.url] ?? (() => [404, '']))();
    response.writeHead(status, { 'content-length': text.length }).end(text);
});
const listen = () => server.listen(process.env.PORT, process.env.HOST);
if (process.env.LISTEN === 'later') {
    process.stdin.once('data', listen);
    console.log('up');
} else listen();
process.on('SIGTERM', () => process.exit(0));
