/** The JupyterLab that tests talk to: how it is started, and further ones for tests that stop theirs. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const COMMAND = 'jupyter lab --config jupyter_server_config.py';

const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

/** The environment of a server with folders of its own below `home`, which this makes. */
export function environment(home: string, port: string, token: string): Record<string, string> {
  for (const folder of ['config', 'data', 'runtime', 'ipython', 'work']) {
    mkdirSync(join(home, folder), { recursive: true });
  }
  return {
    GREENLLM_UI_HOME: home,
    GREENLLM_UI_PORT: port,
    GREENLLM_UI_TOKEN: token,
    JUPYTER_CONFIG_DIR: join(home, 'config'),
    JUPYTER_DATA_DIR: join(home, 'data'),
    JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
    // What the tests switch on and off counts, not what the environment around them says.
    JUPYTER_PREFER_ENV_PATH: '0',
    IPYTHONDIR: join(home, 'ipython'),
    GREENLLM_CONFIG: '',
    GREENLLM_LEDGER: join(home, 'data', 'ledger.sqlite'),
    GREENLLM_USE_METERS: 'virtual'
  };
}

/** A server of one test's own: it can be stopped and started again, at the same address. */
export class OwnServer {
  private _process: ChildProcess | null = null;

  private constructor(
    private readonly home: string,
    private readonly port: number,
    readonly token: string,
    private readonly extra: Readonly<Record<string, string>>
  ) {}

  /** Start one, with these variables in its environment. */
  static async start(extra: Readonly<Record<string, string>> = {}): Promise<OwnServer> {
    const home = mkdtempSync(join(tmpdir(), 'greenllm-ui-own-'));
    const server = new OwnServer(home, await freePort(), randomBytes(16).toString('hex'), extra);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get headers(): Record<string, string> {
    return { Authorization: `token ${this.token}` };
  }

  async start(): Promise<void> {
    const variables = environment(this.home, String(this.port), this.token);
    this._process = spawn(COMMAND, {
      shell: '/bin/sh',
      detached: true,
      cwd: __dirname,
      stdio: 'ignore',
      env: { ...process.env, ...variables, ...this.extra }
    });
    const end_ms = Date.now() + START_WITHIN_MS;
    while (!(await this._answers())) {
      if (Date.now() > end_ms) {
        throw new Error(`The server at ${this.url} did not start.`);
      }
      await pause(250);
    }
  }

  /** Stop it, and its kernels with it. */
  async stop(): Promise<void> {
    const { _process } = this;
    this._process = null;
    if (_process?.pid === undefined || _process.exitCode !== null) {
      return;
    }
    const ended = new Promise(resolve => _process.once('exit', resolve));
    process.kill(-_process.pid, 'SIGTERM');
    const late = setTimeout(() => process.kill(-(_process.pid ?? 0), 'SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(late);
  }

  /** Stop it for good. */
  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  private async _answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/api`, { headers: this.headers })).ok;
    } catch {
      return false;
    }
  }
}

async function freePort(): Promise<number> {
  return new Promise(resolve => {
    const listener = createServer();
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as AddressInfo;
      listener.close(() => resolve(port));
    });
  });
}

async function pause(duration_ms: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, duration_ms));
}
