import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/chaos/**', 'test/bench/**'],
    globalSetup: ['test/fixtures/global-setup.ts', 'test/fixtures/chromium.ts'],
    // Far beyond what any test takes: on a busy machine one that is slow is still right.
    testTimeout: 120_000,
    // What is polled for comes when the machine has time for it: the second that vitest gives it by default is often not enough.
    expect: { poll: { timeout: 60_000 } },
    hookTimeout: 180_000,
    // Brokers are killed and groups rebalanced here: on a shared machine that can take longer than anybody foresaw, but not twice in a row.
    retry: process.env.CI ? 1 : 0,
    // One broker and two cores serve every file: more workers than this only makes them wait for one another.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['stages/**/*.ts', 'pipeline/**/*.ts', 'docker/**/*.ts'],
      reporter: ['text-summary'],
    },
  },
})
