import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/chaos/**', 'test/bench/**'],
    globalSetup: ['test/fixtures/global-setup.ts', 'test/fixtures/chromium.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // One broker and two cores serve every file: more workers than this only makes them wait for one another.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['stages/**/*.ts', 'pipeline/**/*.ts', 'docker/**/*.ts'],
      reporter: ['text-summary'],
    },
  },
})
