import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: 'extension',
    include: ['tests/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    // A machine that does other work too takes several times as long.
    testTimeout: 30_000
  }
});
