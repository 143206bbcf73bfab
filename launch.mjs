/**
 * Any script of the project in, that script running on the project's own Node out.
 *
 * Plain JavaScript, since it must run on every Node from 20 on. It installs what package-lock.json asks for where
 * node_modules is missing or stale, then hands over to the exact Node that came as an optional package.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, constants, platform } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const stampFile = join(root, 'node_modules', '.attending-lock')
const lockFile = join(root, '.attending-install')

const lockDigest = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')

const isFresh = (digest) => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** Whether this process may install: one at a time, since two `npm ci` break each other. A lock whose holder is gone is taken over. */
function takeInstallLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    try {
      process.kill(Number(readFileSync(lockFile, 'utf8')), 0)
    } catch {
      rmSync(lockFile, { force: true })
    }
    return false
  }
}

function installIfStale() {
  const digest = lockDigest()
  if (isFresh(digest)) return
  while (!takeInstallLock()) sleep(200)
  try {
    if (!isFresh(digest)) install(digest)
  } finally {
    rmSync(lockFile, { force: true })
  }
}

function install(digest) {
  process.stderr.write('Installing packages (once; again only when package-lock.json changes) ...\n')
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2], shell: platform() === 'win32' })
  if (npm.status !== 0) {
    rmSync(lockFile, { force: true })
    process.stderr.write('npm ci failed; nothing was started.\n')
    process.exit(npm.status ?? 1)
  }
  writeFileSync(stampFile, digest)
}

const ownNode = join(root, 'node_modules', `node-${platform()}-${arch()}`, 'bin', 'node')

/** The Node of the optional package, else the one that runs now, provided that it strips types by itself. */
function findNode() {
  if (existsSync(ownNode)) return ownNode
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  process.stderr.write(`Node ${process.versions.node} cannot run TypeScript as it stands, and no Node package exists for ${platform()}-${arch()}: install Node 22.18 or newer.\n`)
  process.exit(1)
}

installIfStale()
const node = findNode()
const flags = [
  // node:sqlite, which locks the data folder, warns that it is experimental in this Node: known, and pinned.
  '--disable-warning=ExperimentalWarning',
  // Why: src/engine/node-flags.ts. Another Node may not know them, and would not start.
  ...(node === ownNode ? ['--no-allocation-site-pretenuring', '--initial-heap-size=256'] : []),
]
const child = spawn(node, [...flags, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PATH: dirname(node) + delimiter + (process.env.PATH ?? '') },
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
