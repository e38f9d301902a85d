'use strict'

// What every step of the bootstrap shares: where things are, how to speak, how to run a program. This runs on the
// machine's own Node, from 18 on, before anything is installed: CommonJS, no dependencies, nothing younger than 18.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const root = path.resolve(__dirname, '..', '..')
const cacheDir = path.join(root, '.cache')
const isCi = process.env.CI === 'true' || process.env.CI === '1'

// Of a quiet program's output only the end is kept: that is where it says what went wrong.
const OUTPUT_KEPT_BYTES = 64 * 1024
// A terminal's Ctrl-C reaches this process twice, once from the terminal and once from npm; the child must see one.
const SAME_SIGNAL_MS = 1000
const PARENT_CHECK_MS = 250
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

const inProject = (...parts) => path.join(root, ...parts)

function say(line) {
  process.stderr.write(`${line}\n`)
}

/** A failure whose message is all that the user needs to see. */
class Failure extends Error {}

const children = new Set()
const lastSignalMs = new Map()

function relaySignal(signal) {
  const nowMs = Date.now()
  if (nowMs - (lastSignalMs.get(signal) ?? 0) < SAME_SIGNAL_MS) return
  lastSignalMs.set(signal, nowMs)
  if (children.size === 0) process.exit(128 + os.constants.signals[signal])
  for (const child of children) child.kill(signal)
}

for (const signal of SIGNALS) process.on(signal, relaySignal)

// npm puts a shell in between. A SIGTERM for npm kills that shell and never comes here; a new parent tells of it.
const parentPid = process.ppid
setInterval(() => {
  if (process.ppid !== parentPid) relaySignal('SIGTERM')
}, PARENT_CHECK_MS).unref()

/**
 * Runs a program to its end and answers `{code, output}`; a signal's death is 128 + its number, a program that cannot
 * be started is 127, one over `timeoutMs` is killed and is 124. With `show` its output is the terminal's, else it is collected.
 * `keptBytes`: how much of the output is collected, from its end; default 64 KiB.
 * With `follow` it gets a channel by which it notices that this process has died.
 */
function run(
  command,
  args,
  {
    cwd = root,
    env = process.env,
    timeoutMs,
    show = false,
    follow = false,
    shell = false,
    keptBytes = OUTPUT_KEPT_BYTES,
  } = {},
) {
  const output = show ? 'inherit' : 'pipe'
  const stdio = [show ? 'inherit' : 'ignore', output, output]
  if (follow) stdio.push('ipc')
  // A process group of its own: the terminal's signal then comes through relaySignal alone, once.
  const child = spawn(command, args, { cwd, env, stdio, shell, detached: process.platform !== 'win32' })
  children.add(child)
  let kept = ''
  const keep = (chunk) => {
    kept = (kept + chunk).slice(-keptBytes)
  }
  if (!show) {
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
  }
  return new Promise((resolve) => {
    let isTimedOut = false
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs)
    function expire() {
      isTimedOut = true
      keep(`\n${command} was stopped: it took longer than ${timeoutMs / 1000} s\n`)
      killGroup(child)
    }
    function end(code) {
      clearTimeout(timer)
      children.delete(child)
      resolve({ code: isTimedOut ? 124 : code, output: kept })
    }
    child.on('error', (error) => {
      keep(`${command}: ${error.message}\n`)
      end(127)
    })
    child.on('close', (code, signal) => end(code ?? 128 + (os.constants.signals[signal] ?? 0)))
  })
}

function killGroup(child) {
  if (process.platform === 'win32') return child.kill('SIGKILL')
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function findProgram(...names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  for (const name of names) {
    for (const folder of folders) {
      const file = path.isAbsolute(name) ? name : path.join(folder, name)
      if (isExecutable(file)) return file
    }
  }
  return undefined
}

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const seconds = (sinceMs) => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`

module.exports = { root, cacheDir, isCi, inProject, say, Failure, run, findProgram, isExecutable, readText, seconds }
