/**
 * What one frame of the charts costs in scripting: 8 GPUs, CPU and DRAM after an hour at 4 messages a second. Without
 * a canvas (jsdom has none), so painting is not in it:
 * `NODE_ENV=production vitest bench --run --config extension/vitest.config.ts`.
 */
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { afterAll, beforeAll, bench, describe } from 'vitest';
import { ChannelList } from '../src/components/channels';
import { Charts } from '../src/components/charts';
import { EnvironmentProvider, type Environment } from '../src/components/environment';
import { EnergySession } from '../src/session';
import { environment } from './environment';
import { cell, channel, hello, power, SESSION } from './messages';

const HOUR_S = 3600;
const WIDTH_PX = 330;
const FRAMES = 200;
const GPUS = Array.from({ length: 8 }, (_, index) => `gpu:${index}`);
const CHANNELS = [
  ...GPUS.map(id => channel({ id, limit_w: 700 })),
  channel({ id: 'cpu', component: 'cpu' }),
  channel({ id: 'dram', component: 'dram' })
];

let number = 0;

/** One more quarter of a second of eight busy GPUs. */
function feed(session: EnergySession): void {
  number += 1;
  const at_ms = number * 250;
  const power_w = Object.fromEntries(
    CHANNELS.map(({ id }, index) => [id, 600 + 80 * Math.sin(number / 9 + index)])
  );
  const total_w = Object.values(power_w).reduce((sum, value) => sum + value, 0);
  session.accept(power({ seq: number, at_ms, power_w, total_w, mass_gco2e: number }));
  if (number % 40 === 0) {
    const run_id = `run-${number}`;
    session.accept(
      cell({
        seq: number,
        at_ms,
        run_id,
        cell_id: run_id,
        status: 'ok',
        started_at_ms: at_ms - 9000,
        ended_at_ms: at_ms
      })
    );
  }
}

function draw(
  root: ReturnType<typeof createRoot>,
  session: EnergySession,
  value: Environment
): void {
  const parts = [
    React.createElement(Charts, {
      key: 'charts',
      session,
      powerRevision: session.pictureRevision,
      emissionsRevision: session.pictureRevision,
      isLive: true
    }),
    React.createElement(ChannelList, { key: 'channels', channels: CHANNELS, power: session.power })
  ];
  flushSync(() => root.render(React.createElement(EnvironmentProvider, { value }, parts)));
}

/** Print processor time, which other work on the machine leaves as it is. */
function tell(name: string, frames_ms: number[]): void {
  const sorted = frames_ms.sort((a, b) => a - b);
  const at = (part: number) => (sorted[Math.floor(part * sorted.length)] ?? NaN).toFixed(1);
  console.log(`${name}: processor time a frame, median ${at(0.5)} ms, p95 ${at(0.95)} ms`);
}

class NoPath {
  moveTo(): void {
    // Not drawn here.
  }
  lineTo(): void {
    // As above.
  }
  closePath(): void {
    // As above.
  }
  rect(): void {
    // As above.
  }
}

beforeAll(() => {
  const context = new Proxy<Record<string, unknown>>(
    {},
    {
      get: (known, name: string) => known[name] ?? (() => ({ width: 10 })),
      set: (known, name: string, value: unknown) => {
        known[name] = value;
        return true;
      }
    }
  );
  Object.assign(globalThis, { Path2D: NoPath, IS_REACT_ACT_ENVIRONMENT: false });
  Object.defineProperty(HTMLCanvasElement.prototype, 'getContext', { value: () => context });
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { get: () => WIDTH_PX });
});

describe('a frame after an hour of eight GPUs', () => {
  const session = new EnergySession(SESSION);
  session.accept(hello({ channels: CHANNELS }));
  while (number < HOUR_S * 4) {
    feed(session);
  }
  for (const chart of ['apart', 'stacked'] as const) {
    for (const range of ['1 min', '10 min', 'Session']) {
      const host = document.createElement('div');
      const root = createRoot(host);
      const value = environment({ chart });
      const frames_ms: number[] = [];
      let isReady = false;
      bench(
        `${chart}, ${range}`,
        () => {
          const before = process.cpuUsage();
          feed(session);
          draw(root, session, value);
          const { user, system } = process.cpuUsage(before);
          frames_ms.push((user + system) / 1e3);
        },
        {
          time: 0,
          iterations: FRAMES,
          warmupTime: 0,
          warmupIterations: FRAMES / 4,
          teardown: (_, mode) => {
            if (mode === 'run') {
              tell(`${chart}, ${range}`, frames_ms.slice(-FRAMES));
            }
          },
          setup: async () => {
            if (!isReady) {
              document.body.append(host);
              draw(root, session, value);
              const button = [...host.querySelectorAll('button')].find(
                b => b.textContent === range
              );
              button?.click();
              await new Promise(resolve => setTimeout(resolve, 100));
              isReady = true;
            }
          }
        }
      );
      afterAll(() => root.unmount());
    }
  }
});
