// The origin of the HTTP cache tests, on the loopback alone and on a port that is free.

import net from 'node:net'

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function () {
  return listen.call(this, 0, '127.0.0.1')
}

// The package has no entry for it, and looks for its own files in the working directory.
await import(`${process.cwd()}/node_modules/http-cache-tests/server/server.mjs`)
