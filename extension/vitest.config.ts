import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: 'extension',
    include: ['tests/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts']
  }
});
