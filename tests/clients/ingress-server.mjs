// A server as visitors come to it: port 3000 for them, port 3001 for nobody, where it may listen there at all.
import http from 'node:http';
import { answer } from './pages.mjs';
import { upgrade } from './websocket.mjs';

let connections = 0;

function serve(port) {
  const server = http.createServer((request, response) => {
    if (request.url !== '/visitor') return answer(request, response);
    response.end(request.socket.remoteAddress);
  });
  server.on('connection', (socket) => Object.assign(socket, { number: ++connections, requests: 0 }));
  server.on('upgrade', upgrade);
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, resolve));
}

await serve(3000);
await serve(3001).catch((error) => console.error(`port 3001: ${error.code}`));
console.log('ready');
