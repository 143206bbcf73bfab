import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // What a test waits for comes late on a machine that others use too; a second is vitest's own limit.
    expect: { poll: { timeout: 30_000 } },
  },
})
