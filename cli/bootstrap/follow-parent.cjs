'use strict'

// Loaded into what the bootstrap starts: when the bootstrap is gone, even by SIGKILL, no gateway stays behind on its port.
if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
