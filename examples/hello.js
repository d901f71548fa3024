// One act that the `node` profile allows, and three that it does not.
//   flowjail run --profile node -- node examples/hello.js
console.log(`hello from process ${process.pid}, uid ${process.getuid()}`)

const attempt = (what, act) => {
  try {
    console.log(`${what}: ${act()}`)
  } catch (error) {
    console.log(`${what}: refused (${error.code})`)
  }
}

attempt('reads the list of accounts', () => require('fs').readFileSync('/etc/shadow', 'utf8').length)
attempt('starts a shell', () => require('child_process').execFileSync('/bin/sh', ['-c', 'id']).toString())
require('dns').lookup('example.com', (error, address) => {
  attempt('looks up example.com', () => { if (error) throw error; return address })
})
