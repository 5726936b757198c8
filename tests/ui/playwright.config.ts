/** Browser tests against a real JupyterLab that this starts, with folders of its own. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from '@playwright/test';
import { COMMAND, environment } from './server';

const SYSTEM_CHROMIUM = '/usr/bin/chromium';

// Read by every worker: the first process decides, and the others find it in the environment.
const home = (process.env.GREENLLM_UI_HOME ??= folderForThisRun());
const port = (process.env.GREENLLM_UI_PORT ??= String(20000 + (process.pid % 20000)));
const token = (process.env.GREENLLM_UI_TOKEN ??= randomBytes(16).toString('hex'));
const chromium =
  process.env.GREENLLM_CHROMIUM ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : undefined);

export default defineConfig({
  testDir: '.',
  outputDir: 'test-results',
  fullyParallel: false,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    extraHTTPHeaders: { Authorization: `token ${token}` },
    viewport: { width: 1280, height: 900 },
    video: 'off',
    trace: 'off',
    launchOptions: {
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
      ...(chromium ? { executablePath: chromium } : {})
    }
  },
  webServer: {
    command: COMMAND,
    url: `http://127.0.0.1:${port}/api`,
    timeout: 60_000,
    stdout: 'ignore',
    stderr: process.env.GREENLLM_UI_SERVER_LOG ? 'pipe' : 'ignore',
    gracefulShutdown: { signal: 'SIGTERM', timeout: 10_000 },
    env: environment(home, port, token)
  }
});

function folderForThisRun(): string {
  const folder = mkdtempSync(join(tmpdir(), 'greenllm-ui-'));
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
