/** The browser's part of the benchmark, on the JupyterLab of the browser tests. */
import { join, resolve } from 'node:path';
import { defineConfig } from '@playwright/test';
import ui from '../../ui/playwright.config';

const { webServer, ...rest } = ui;
const server = Array.isArray(webServer) ? webServer[0] : webServer;

export default defineConfig({
  ...rest,
  testDir: '.',
  testMatch: '*.bench.ts',
  outputDir: join(process.env.GREENLLM_UI_HOME ?? '.', 'test-results'),
  timeout: 480_000,
  ...(server ? { webServer: { ...server, cwd: resolve(__dirname, '../../ui') } } : {})
});
